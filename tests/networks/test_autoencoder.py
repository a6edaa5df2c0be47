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


def encode(network, params, x):
    return jax.jit(lambda params, x: network.apply({"params": params}, x, method="encode"))(params, x)


def decode(network, params, z):
    return jax.jit(lambda params, z: network.apply({"params": params}, z, method="decode"))(params, z)


@pytest.mark.parametrize(("channels", "latent", "count"), [(1, 1, 83_607_691), (3, 4, 83_653_863)])
def test_full_size_count(channels, latent, count):
    network = Autoencoder(in_channels=channels, latent_channels=latent)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 16, 8, channels)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_shapes_of_the_tiny_preset():
    network = Autoencoder(latent_channels=4, channels=(32, 64), num_res_blocks=1, attention=False, groups=8, patch=2)
    assert network.multiple == (4, 4)
    x = jnp.zeros((3, 512, 32, 1))
    (mean, log_var), _ = jax.eval_shape(lambda key: network.init_with_output(key, x, method="encode"), jax.random.key(0))
    assert mean.shape == log_var.shape == (3, 128, 8, 4)
    y, _ = jax.eval_shape(lambda key: network.init_with_output(key, x), jax.random.key(0))
    assert y.shape == x.shape


def test_circular_padding_makes_time_a_circle(x64, randomised):
    network = SMALL.clone(padding="circular", dtype=jnp.float64, patch=2)
    x = normal(2, 16, 8, 1)
    params = randomised(network, x, dtype=jnp.float64)
    step = network.multiple[0]
    mean, log_var = encode(network, params, x)
    shifted_mean, shifted_log_var = encode(network, params, jnp.roll(x, step, axis=1))
    np.testing.assert_allclose(shifted_mean, jnp.roll(mean, 1, axis=1), atol=TOLERANCE)
    np.testing.assert_allclose(shifted_log_var, jnp.roll(log_var, 1, axis=1), atol=TOLERANCE)
    y, shifted = (decode(network, params, z) for z in (mean, jnp.roll(mean, 1, axis=1)))
    np.testing.assert_allclose(shifted, jnp.roll(y, step, axis=1), atol=TOLERANCE)
    assert float(jnp.abs(encode(network.clone(padding="zeros"), params, x)[0] - mean).max()) > 1e-3


def test_log_variance_is_bounded(randomised):
    x = normal(1, 4, 4, 1).astype(jnp.float32)
    params = randomised(SMALL, x)
    params["moments"]["bias"] = jnp.array([500.0, 500.0, 500.0, -500.0])
    mean, log_var = encode(SMALL, params, x)
    assert float(mean.min()) > 100
    np.testing.assert_array_equal(log_var[..., 0], 20.0)
    np.testing.assert_array_equal(log_var[..., 1], -30.0)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(UsageError, match="30 mel bins: this network takes multiples of 4, for example 28 or 32"):
        jax.eval_shape(SMALL.clone(patch=2).init, jax.random.key(0), jnp.zeros((1, 16, 30, 1)))
    with pytest.raises(UsageError, match="16 is not divisible by groups=6"):
        jax.eval_shape(SMALL.clone(channels=(12, 16), groups=6).init, jax.random.key(0), jnp.zeros((1, 16, 32, 1)))
