import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.errors import UsageError
from musicdiff.networks.autoencoder import Autoencoder

SMALL = Autoencoder(latent_channels=2, channels=(8, 16), num_res_blocks=1, groups=4)
TOLERANCE = 1e-6  # of float64 networks: jax.nn takes the softmax of attention in float32


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize(("channels", "latent", "count"), [(1, 1, 83_607_691), (3, 4, 83_653_863)])
def test_full_size_count(channels, latent, count):
    network = Autoencoder(in_channels=channels, latent_channels=latent)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 16, 8, channels)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_shapes_of_the_tiny_preset():
    network = Autoencoder(latent_channels=4, channels=(32, 64), num_res_blocks=1, attention=False, groups=8, patch=2)
    assert network.multiple == (4, 4)
    x = jnp.zeros((3, 512, 32, 1))
    (mean, log_var), _ = jax.eval_shape(
        lambda key: network.init_with_output(key, x, method="encode"), jax.random.key(0)
    )
    assert mean.shape == log_var.shape == (3, 128, 8, 4)
    y, _ = jax.eval_shape(lambda key: network.init_with_output(key, x), jax.random.key(0))
    assert y.shape == x.shape


def test_circular_padding_makes_time_a_circle_and_log_variance_is_bounded(x64, randomised):
    network = SMALL.clone(padding="circular", dtype=jnp.float64, patch=2)
    x = normal(1, 16, 8, 1)
    params = randomised(network, x, dtype=jnp.float64)
    step = network.multiple[0]

    @jax.jit
    def there_and_back(params, x):
        mean, log_var = network.apply({"params": params}, x, method="encode")
        return mean, log_var, network.apply({"params": params}, mean, method="decode")

    mean, log_var, y = there_and_back(params, x)
    shifted = there_and_back(params, jnp.roll(x, step, axis=1))
    for ours, expected in zip(shifted, (jnp.roll(mean, 1, 1), jnp.roll(log_var, 1, 1), jnp.roll(y, step, 1))):
        np.testing.assert_allclose(ours, expected, atol=TOLERANCE)
    assert float(jnp.abs(jnp.roll(mean, 1, 1) - mean).max()) > 1e-3

    params["moments"]["bias"] = jnp.array([500.0, 500.0, 500.0, -500.0])
    mean, log_var, _ = there_and_back(params, x)
    assert float(mean.min()) > 100
    np.testing.assert_array_equal(log_var[..., 0], 20.0)
    np.testing.assert_array_equal(log_var[..., 1], -30.0)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(UsageError, match="30 mel bins: this network takes multiples of 4, for example 28 or 32"):
        jax.eval_shape(SMALL.clone(patch=2).init, jax.random.key(0), jnp.zeros((1, 16, 30, 1)))
    with pytest.raises(UsageError, match="16 is not divisible by groups=6"):
        jax.eval_shape(SMALL.clone(channels=(12, 16), groups=6).init, jax.random.key(0), jnp.zeros((1, 16, 32, 1)))
