import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import kinds, losses, process
from musicdiff.errors import UsageError

LEVELS = np.array([-12.0, -3.0, 0.0, 1.0, 2.0, 9.0])


def test_squared_error_is_a_mean_an_example_in_full_precision():
    target = jnp.asarray(np.random.default_rng(0).normal(size=(3, 64, 8)), jnp.float32)
    output = jnp.zeros((3, 64, 8), jnp.bfloat16)
    error = losses.squared_error(output, target)
    assert error.dtype == jnp.float32
    np.testing.assert_allclose(error, np.mean(np.square(target), axis=(1, 2)), rtol=1e-6)


def weight(name, kind, levels=LEVELS, **options):
    log_snr = jnp.asarray(levels)
    return losses.build(name, **options)(log_snr, process.x_0_error(kinds.build(kind), log_snr))


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_simple_weighs_the_output_itself(kind):
    np.testing.assert_array_equal(weight("simple", kind), np.ones(len(LEVELS)))


@pytest.mark.parametrize(
    ("kind", "of_x_0"),
    [
        ("x_0", lambda snr: 1.0),
        ("eps", lambda snr: snr),
        ("v", lambda snr: snr + 1),
        ("flow", lambda snr: (np.sqrt(snr) + 1) ** 2),
        ("edm", lambda snr: snr + 4),  # 1 / sigma_data^2: by default 0.5
    ],
)
def test_a_simple_loss_weighs_x_0_by_its_kind(x64, kind, of_x_0):
    snr = np.exp(LEVELS)
    np.testing.assert_allclose(1.0 / process.x_0_error(kinds.build(kind), jnp.asarray(LEVELS)), of_x_0(snr), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        ("x_0", lambda snr: np.minimum(snr, 5)),
        ("eps", lambda snr: np.minimum(snr, 5) / snr),
        ("v", lambda snr: np.minimum(snr, 5) / (snr + 1)),
    ],
)
def test_min_snr_in_the_papers_forms(x64, kind, factor):
    np.testing.assert_allclose(weight("min_snr", kind), factor(np.exp(LEVELS)), rtol=1e-12)


@pytest.mark.parametrize("bias", [-3.0, 0.0, 2.0])
def test_sigmoid_is_a_sigmoid_of_the_error_of_eps(x64, bias):
    np.testing.assert_allclose(weight("sigmoid", "eps", bias=bias), 1 / (1 + np.exp(LEVELS - bias)), rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in losses.WEIGHTS if name != "simple"])
def test_a_weighted_loss_is_one_loss_whatever_the_network_predicts(x64, name):
    x_0, eps, wrong = jnp.asarray(np.random.default_rng(0).normal(size=(3, len(LEVELS), 5, 2)))
    log_snr = jnp.asarray(LEVELS)
    x_t = process.diffuse(x_0, eps, log_snr)
    guess = process.prediction(kinds.v(), wrong, x_t, log_snr)
    weighted = {}
    for name_of_kind, build in kinds.KINDS.items():
        output, target = process.target(build(), *guess, log_snr), process.target(build(), x_0, eps, log_snr)
        weighted[name_of_kind] = weight(name, name_of_kind) * losses.squared_error(output, target)
    for kind in kinds.KINDS:
        np.testing.assert_allclose(weighted[kind], weighted["x_0"], rtol=1e-9)


@pytest.mark.parametrize("kind", kinds.KINDS)
@pytest.mark.parametrize("name", losses.WEIGHTS)
def test_weights_are_finite_and_positive_at_every_level_of_float32(name, kind):
    factor = weight(name, kind, np.linspace(-20, 20, 401, dtype=np.float32))
    assert factor.dtype == jnp.float32 and jnp.isfinite(factor).all() and (factor > 0).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("p2", {}, "no weight 'p2'; there are: min_snr, sigmoid, simple"),
        ("sigmoid", {"cap": 5.0}, "weight 'sigmoid' has no option 'cap'; there are: bias"),
        ("min_snr", {"cap": 0.0}, "above 0, not 0.0"),
    ],
)
def test_bad_names_and_options_say_what_exists(name, options, message):
    with pytest.raises(UsageError, match=message):
        losses.build(name, **options)
