import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.errors import UsageError


def test_mean_and_variance_are_those_of_the_chain(chain_ends):
    def ddpm(large):
        def coefficients(alpha_t, sigma_t, alpha_s, sigma_s):
            beta = 1 - alpha_t**2 / alpha_s**2
            small = sigma_s**2 / sigma_t**2 * beta
            return alpha_s, np.sqrt(sigma_s**2 - small), np.sqrt(small ** (1 - large) * beta**large)

        return coefficients

    for x_s, mean, variance in chain_ends(lambda large: samplers.build("ddpm", large=large), [0.0, 0.5, 1.0], ddpm):
        assert x_s.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / x_s.size))
        assert x_s.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / x_s.size))


def test_data_get_no_noise_under_the_large_variance_either(gaussian):
    x_t, keys = jnp.ones((1, 4)), jax.random.split(jax.random.key(0), 1)
    x_s, _ = samplers.build("ddpm", large=1.0).step(gaussian.denoise_fn, x_t, None, 2.0, jnp.inf, keys)
    np.testing.assert_array_equal(x_s, gaussian.denoise_fn(x_t, 2.0).x_0)


def test_a_variance_out_of_range_is_refused():
    with pytest.raises(UsageError, match="large must be within 0 and 1"):
        samplers.build("ddpm", large=2.0)
