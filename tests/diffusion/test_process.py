import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import kinds, process

LEVELS = np.array([-20.0, -10.1, -3.0, 0.0, 2.5, 9.2, 20.0])
SHAPE = (len(LEVELS), 4, 3, 2)
every_kind = pytest.mark.parametrize("kind", [build() for build in kinds.KINDS.values()], ids=kinds.KINDS)


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.fixture
def pair(x64):
    """x_0 and eps [7, 4, 3, 2], and one level an example."""
    x_0, eps = jnp.asarray(normal(2, *SHAPE))
    return x_0, eps, jnp.asarray(LEVELS)


def test_the_process_preserves_variance(x64):
    alpha, sigma = process.alpha_sigma(jnp.linspace(-30, 30, 601))
    np.testing.assert_allclose(alpha**2 + sigma**2, 1.0, rtol=1e-15)
    np.testing.assert_allclose(2 * jnp.log(alpha / sigma), jnp.linspace(-30, 30, 601), atol=1e-13)


def test_data_is_a_level_exactly():
    assert [float(value) for value in process.alpha_sigma(jnp.inf)] == [1.0, 0.0]
    x_0, eps = jnp.asarray(normal(2, 2, 3), jnp.float32)
    np.testing.assert_array_equal(process.diffuse(x_0, eps, jnp.inf), x_0)


@every_kind
def test_at_data_every_kind_predicts_x_t_itself_and_nothing_is_nan(kind):
    x_t, output = jnp.asarray(normal(2, 2, 3), jnp.float32)
    prediction = process.prediction(kind, output, x_t, jnp.inf)
    np.testing.assert_array_equal(prediction.x_0, x_t)
    assert jnp.isfinite(prediction.eps).all()


def test_a_level_an_example_is_each_example_at_its_level(pair):
    x_0, eps, log_snr = pair
    together = process.diffuse(x_0, eps, log_snr)
    for b, level in enumerate(log_snr):
        np.testing.assert_array_equal(together[b], process.diffuse(x_0[b : b + 1], eps[b : b + 1], level)[0])


@every_kind
def test_the_true_output_predicts_the_truth(pair, kind):
    x_0, eps, log_snr = pair
    x_t = process.diffuse(x_0, eps, log_snr)
    predicted = process.prediction(kind, process.target(kind, x_0, eps, log_snr), x_t, log_snr)
    np.testing.assert_allclose(predicted.x_0, x_0, atol=1e-10)  # alpha is 4.5e-5 at -20: four digits go
    np.testing.assert_allclose(predicted.eps, eps, atol=1e-10)


@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(kinds.KINDS, 2)))
def test_any_output_of_any_kind_comes_back_from_any_other(pair, kind, other):
    output, x_t, log_snr = pair  # any output: no network is right
    kind, other = kinds.build(kind), kinds.build(other)
    predicted = process.prediction(kind, output, x_t, log_snr)
    np.testing.assert_allclose(process.diffuse(*predicted, log_snr), x_t, atol=1e-11)
    converted = process.prediction(other, process.target(other, *predicted, log_snr), x_t, log_snr)
    np.testing.assert_allclose(process.target(kind, *converted, log_snr), output, rtol=1e-9, atol=1e-6)


@every_kind
def test_an_error_of_the_output_is_that_error_of_x_0(pair, kind):
    output, x_t, log_snr = pair
    right, wrong = (process.prediction(kind, out, x_t, log_snr).x_0 for out in (output, output + 1.0))
    expected = np.broadcast_to(process.x_0_error(kind, log_snr)[:, None, None, None], SHAPE)
    np.testing.assert_allclose((wrong - right) ** 2, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [kinds.eps(), kinds.v(), kinds.x_0()])
def test_these_kinds_see_x_t_itself(kind):
    x_t = jnp.asarray(normal(*SHAPE), jnp.float32)
    np.testing.assert_array_equal(process.network_input(kind, x_t, jnp.asarray(LEVELS, jnp.float32)), x_t)


def test_c_noise_is_affine_in_that_of_edm():
    """c_noise of arXiv 2206.00364 is log(sigma_ve) / 4; ours has the range of an index, 0 = data."""
    levels = np.linspace(-20.0, 20.0, 9, dtype=np.float32)
    edm = 0.25 * np.log(np.exp(-0.5 * np.float64(levels)))
    np.testing.assert_allclose(process.c_noise(jnp.asarray(levels)), 500.0 + 200.0 * edm, atol=1e-3)
    np.testing.assert_array_equal(process.c_noise(jnp.array([jnp.inf, 30.0, -30.0])), [0.0, 0.0, 1000.0])


def test_replacing_x_0_moves_eps_along(pair):
    x_t, output, log_snr = pair
    before = process.prediction(kinds.v(), output, x_t, log_snr)
    after = process.replace_x_0(before, jnp.clip(before.x_0, -1, 1), log_snr)
    np.testing.assert_allclose(process.diffuse(*after, log_snr), x_t, atol=1e-10)
    untouched = jnp.abs(before.x_0) <= 1
    assert untouched.any() and not untouched.all()
    np.testing.assert_array_equal(after.eps[untouched], before.eps[untouched])


def test_replacing_x_0_at_data_is_not_nan():
    before = process.Prediction(jnp.full((1, 2), 2.0), jnp.ones((1, 2)))
    after = process.replace_x_0(before, jnp.ones((1, 2)), jnp.inf)
    assert after.x_0.tolist() == [[1.0, 1.0]] and after.eps.tolist() == [[1.0, 1.0]]


def test_noise_of_an_example_is_its_own_keys():
    keys = jax.random.split(jax.random.key(1), 3)
    noise = process.draw_noise(keys, jnp.zeros((3, 5, 2)))
    np.testing.assert_array_equal(noise[1], process.draw_noise(keys[1:2], jnp.zeros((1, 5, 2)))[0])
    assert len(np.unique(noise)) == noise.size


def alphas_by_hand(log_snr):
    return np.sqrt(1 / (1 + np.exp(-log_snr))), 1 / (1 + np.exp(log_snr))


@pytest.mark.parametrize(("log_snr_t", "log_snr_s"), [(-5.0, -4.9), (-1.0, 3.0), (6.0, 6.01)])
def test_the_posterior_is_bayes_by_hand(x64, log_snr_t, log_snr_s):
    x_0, x_t = np.array([[0.3, -0.8]]), np.array([[1.1, 0.2]])
    (alpha_t, _), (alpha_s, variance_s) = alphas_by_hand(log_snr_t), alphas_by_hand(log_snr_s)
    # Prior N(alpha_s x_0, sigma_s^2) on x_s; likelihood N(a x_s, variance) of x_t: precisions add.
    a = alpha_t / alpha_s
    variance = 1 - a**2
    precision = 1 / variance_s + a**2 / variance
    mean, posterior_variance = process.posterior(jnp.array(x_0), jnp.array(x_t), log_snr_t, log_snr_s)
    np.testing.assert_allclose(process.variance_between(log_snr_t, log_snr_s), variance, rtol=1e-11)
    np.testing.assert_allclose(np.ravel(posterior_variance), 1 / precision, rtol=1e-11)
    np.testing.assert_allclose(mean, (alpha_s * x_0 / variance_s + a * x_t / variance) / precision, rtol=1e-11)


def test_the_posterior_at_data_is_x_0_itself():
    x_0, x_t = jnp.asarray(normal(2, 2, 3), jnp.float32)
    mean, variance = process.posterior(x_0, x_t, -4.0, jnp.inf)
    np.testing.assert_array_equal(mean, x_0)
    assert float(np.ravel(variance)[0]) == 0.0


def test_small_variances_keep_their_digits_in_float32():
    """Between the cleanest neighbours of a thousand levels the naive 1 - alpha_t^2 / alpha_s^2 has none left."""
    near = np.array([19.99, 20.0])
    exact = -np.expm1(-np.log1p(np.exp(-near[0])) + np.log1p(np.exp(-near[1])))
    ours = process.variance_between(*jnp.asarray(near, jnp.float32))
    assert float(ours) == pytest.approx(exact, rel=1e-3)
    alpha, _ = process.alpha_sigma(jnp.asarray(near, jnp.float32))
    assert float(1 - (alpha[0] / alpha[1]) ** 2) != pytest.approx(exact, rel=1e-3)
