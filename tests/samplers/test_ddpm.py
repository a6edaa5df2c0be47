import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.errors import UsageError


def test_data_get_no_noise_under_the_large_variance_either(gaussian):
    x_t, keys = jnp.ones((1, 4)), jax.random.split(jax.random.key(0), 1)
    x_s, _ = samplers.build("ddpm", large=1.0).step(gaussian.denoise_fn, x_t, None, 2.0, jnp.inf, keys)
    np.testing.assert_array_equal(x_s, gaussian.denoise_fn(x_t, 2.0).x_0)


def test_a_variance_out_of_range_is_refused():
    with pytest.raises(UsageError, match="large must be within 0 and 1"):
        samplers.build("ddpm", large=2.0)
