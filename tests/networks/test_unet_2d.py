import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.errors import UsageError
from musicdiff.networks.unet_2d import UNet2D

SMALL = UNet2D(channels=(8, 16), num_res_blocks=1, attention_levels=(1,), groups=4)
ATTENTIVE = SMALL.clone(num_heads=2)
C_NOISE = jnp.array([3.0, -7.5])
TOLERANCE = 1e-6  # of float64 networks: jax.nn takes the softmax of attention in float32


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize(("channels", "count"), [(1, 113_668_609), (3, 113_673_219), (4, 113_675_524)])
def test_full_size_count(channels, count):
    network = UNet2D(in_channels=channels, out_channels=channels)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, channels)), jnp.zeros(1))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_full_size_count_with_tokens():
    network = UNet2D(channels=(128, 256, 512, 512), attention_levels=(0, 1, 2), num_heads=8)
    inputs = jnp.zeros((1, 8, 8, 1)), jnp.zeros(1), None, jax.ShapeDtypeStruct((1, 3, 512), jnp.float32)
    params = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 139_673_217
    assert network.embedding_width == 512


@pytest.mark.parametrize("tokens", [(), (normal(1, 3, 5, seed=1), jnp.array([[True, True, False]]))])
def test_circular_padding_makes_time_a_circle(tokens, x64, randomised):
    network = (ATTENTIVE if tokens else SMALL).clone(padding="circular", dtype=jnp.float64, patch=2)
    assert network.multiple == (4, 4)
    x = normal(1, 16, 8, 1)
    told = dict(zip(("tokens", "mask"), tokens))
    params = randomised(network, x, C_NOISE[:1], dtype=jnp.float64, **told)
    apply = jax.jit(lambda x: network.apply({"params": params}, x, C_NOISE[:1], **told))
    y = apply(x)
    for shift in (4, 12):
        np.testing.assert_allclose(apply(jnp.roll(x, shift, axis=1)), jnp.roll(y, shift, axis=1), atol=TOLERANCE)
    in_frequency = apply(jnp.roll(x, 4, axis=2))
    assert float(jnp.abs(in_frequency - jnp.roll(y, 4, axis=2)).max()) > 1e-3


def test_batch_level_embedding_and_bfloat16(randomised):
    x, no_embedding = normal(2, 4, 4, 1).astype(jnp.float32), jnp.zeros((2, 32))
    params = randomised(SMALL, x, C_NOISE)

    @functools.partial(jax.jit, static_argnums=3)
    def apply(x, c_noise, embedding, dtype=jnp.float32):
        return SMALL.clone(dtype=dtype).apply({"params": params}, x, c_noise, embedding)

    y = apply(x, C_NOISE, no_embedding)
    other = apply(x.at[1].set(5.0), C_NOISE.at[1].set(9.0), no_embedding.at[1].set(1.0))
    np.testing.assert_allclose(other[0], y[0], atol=1e-6)  # an example does not know its batch
    assert float(jnp.abs(apply(x, C_NOISE + 0.5, no_embedding) - y).max()) > 1e-4
    assert float(jnp.abs(apply(x, C_NOISE, jnp.ones((2, 32))) - y).max()) > 1e-4

    half = apply(x, C_NOISE, no_embedding, jnp.bfloat16)
    assert half.dtype == jnp.float32
    error = float(jnp.sqrt(jnp.mean((half - y) ** 2) / jnp.mean(y**2)))
    assert 1e-4 < error < 3e-2  # bfloat16 holds 8 bits


def test_tokens_are_heard_by_their_example_alone_and_without_order(randomised):
    x, tokens = normal(2, 4, 4, 1).astype(jnp.float32), normal(2, 3, 5, seed=1).astype(jnp.float32)
    mask = jnp.array([[True, True, False], [True, True, True]])
    params = randomised(ATTENTIVE, x, C_NOISE, tokens=tokens)

    @jax.jit
    def apply(tokens, mask):
        return ATTENTIVE.apply({"params": params}, x, C_NOISE, tokens=tokens, mask=mask)

    y = apply(tokens, mask)
    np.testing.assert_array_equal(apply(tokens.at[0, 2].set(99.0), mask), y)  # outside the mask
    other = apply(tokens.at[1, 0].set(9.0), mask)
    np.testing.assert_allclose(other[0], y[0], atol=1e-6)
    assert float(jnp.abs(other[1] - y[1]).max()) > 1e-4
    np.testing.assert_allclose(apply(tokens[:, ::-1], mask[:, ::-1]), y, atol=1e-5)


def test_zero_init_is_of_the_last_convolutions():
    network = SMALL.clone(zero_init=True, patch=2, out_channels=3)

    @jax.jit
    def kernels(key):
        params = network.init(key, jnp.zeros((1, 8, 4, 1)), C_NOISE[:1])["params"]
        middle = params["middle"]
        zero = params["conv_out"], middle["res_0"]["conv_1"], middle["attention_0"]["out"]
        return [p["kernel"] for p in zero], middle["res_0"]["conv_0"]["kernel"]

    zero, drawn = kernels(jax.random.key(0))
    assert zero[0].shape == (3, 3, 8, 12)
    assert not any(kernel.any() for kernel in zero)
    assert drawn.any()


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"channels": (8, 18)}, (1, 4, 4, 1), "18 is not divisible by groups=4"),
        ({}, (1, 513, 4, 1), "513 frames: this network takes multiples of 2, for example 512 or 514"),
        ({}, (1, 4, 1, 1), "1 mel bins: this network takes multiples of 2, for example 2"),
        ({}, (1, 4, 4, 3), r"takes \[B, T, F, 1\], got \[1, 4, 4, 3\]"),
        ({"attention_levels": (2,)}, (1, 4, 4, 1), "there are levels 0 to 1"),
        ({"head_width": 5}, (1, 4, 4, 1), "level 1 is not divisible by head_width=5"),
        ({"num_heads": 3}, (1, 4, 4, 1), "level 1 is not divisible by num_heads=3"),
        ({"num_heads": 2}, (1, 4, 4, 1), "a network of num_heads=2 attends to tokens, and was called without"),
        ({"padding": "reflect"}, (1, 4, 4, 1), "padding='reflect': it is one of zeros, circular"),
        ({"conv_route": "fast"}, (1, 4, 4, 1), "conv_route='fast': it is one of auto, xla"),
    ],
)
def test_sizes_that_do_not_fit_are_named(options, shape, message):
    with pytest.raises(UsageError, match=message):
        jax.eval_shape(SMALL.clone(**options).init, jax.random.key(0), jnp.zeros(shape), jnp.zeros(1))


def test_tokens_for_a_network_without_attention_to_them_are_refused():
    with pytest.raises(UsageError, match="this network attends to no tokens"):
        jax.eval_shape(SMALL.init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)), jnp.zeros(1), None, jnp.zeros((1, 2, 3)))


def test_an_embedding_of_another_width_is_refused():
    assert SMALL.embedding_width == 32
    with pytest.raises(UsageError, match="takes embeddings of width 32, got 16"):
        jax.eval_shape(SMALL.init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)), jnp.zeros(1), jnp.zeros((1, 16)))
