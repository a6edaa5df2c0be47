import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import losses, process

LEVELS = np.array([-12.0, -3.0, 0.0, 1.0, 2.0, 9.0])


def test_squared_error_is_a_mean_an_example_in_full_precision():
    target = jnp.asarray(np.random.default_rng(0).normal(size=(3, 64, 8)), jnp.float32)
    output = jnp.zeros((3, 64, 8), jnp.bfloat16)
    error = losses.squared_error(output, target)
    assert error.dtype == jnp.float32
    np.testing.assert_allclose(error, np.mean(np.square(target), axis=(1, 2)), rtol=1e-6)


def test_simple_weighs_the_output_itself():
    np.testing.assert_array_equal(losses.simple("v", jnp.asarray(LEVELS)), np.ones(len(LEVELS)))


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("x_0", lambda snr: np.minimum(snr, 5)),
        ("eps", lambda snr: np.minimum(snr, 5) / snr),
        ("v", lambda snr: np.minimum(snr, 5) / (snr + 1)),
    ],
)
def test_min_snr_in_the_papers_forms(x64, kind, weight):
    np.testing.assert_allclose(losses.min_snr(kind, jnp.asarray(LEVELS)), weight(np.exp(LEVELS)), rtol=1e-12)


def test_min_snr_is_one_loss_whatever_the_network_predicts(x64):
    x_0, eps, wrong = jnp.asarray(np.random.default_rng(0).normal(size=(3, len(LEVELS), 5, 2)))
    log_snr = jnp.asarray(LEVELS)
    x_t = process.diffuse(x_0, eps, log_snr)
    guess = process.prediction("v", wrong, x_t, log_snr)
    weighted = {
        kind: losses.min_snr(kind, log_snr)
        * losses.squared_error(process.target(kind, *guess, log_snr), process.target(kind, x_0, eps, log_snr))
        for kind in process.KINDS
    }
    np.testing.assert_allclose(weighted["eps"], weighted["x_0"], rtol=1e-9)
    np.testing.assert_allclose(weighted["v"], weighted["x_0"], rtol=1e-9)


@pytest.mark.parametrize("kind", process.KINDS)
@pytest.mark.parametrize("name", losses.WEIGHTS)
def test_weights_are_finite_and_positive_at_every_level_of_float32(name, kind):
    weight = losses.WEIGHTS[name](kind, jnp.linspace(-20, 20, 401, dtype=jnp.float32))
    assert jnp.isfinite(weight).all() and (weight > 0).all()
