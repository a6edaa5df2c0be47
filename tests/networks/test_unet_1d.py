import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.errors import UsageError
from musicdiff.networks.unet_1d import UNet1D

SMALL = UNet1D(
    channels=(8, 16),
    factors=(2, 4),
    items=(1, 2),
    attention_levels=(1,),
    attention_heads=2,
    head_width=4,
    width=12,
    groups=4,
)
ATTENTIVE = SMALL.clone(num_heads=3)
C_NOISE = jnp.array([3.0, 750.0])


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize(("channels", "count"), [(1, 64_761_490), (2, 64_762_580)])
def test_full_size_count(channels, count):
    network = UNet1D(in_channels=channels, out_channels=channels)
    params = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 128, channels)), jnp.zeros(1))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))
    assert (network.multiple, network.embedding_width) == (128, 1024)


@pytest.mark.parametrize("tokens", [(), (normal(1, 3, 5, seed=1), jnp.array([[True, True, False]]))])
def test_circular_padding_makes_time_a_circle(tokens, randomised):
    network = ATTENTIVE if tokens else SMALL
    x, told = normal(1, 48, 1), dict(zip(("tokens", "mask"), tokens))
    params = randomised(network, x, C_NOISE[:1], **told)

    @functools.partial(jax.jit, static_argnums=1)
    def apply(x, padding):
        return network.clone(padding=padding).apply({"params": params}, x, C_NOISE[:1], **told)

    for padding, holds in (("circular", True), ("zeros", False)):
        y = apply(x, padding)
        for shift in (8, 40):
            turned = apply(jnp.roll(x, shift, axis=1), padding)
            assert np.allclose(turned, jnp.roll(y, shift, axis=1), atol=2e-5) == holds


def test_batch_level_embedding_and_bfloat16(randomised):
    x, no_embedding = normal(2, 16, 1), jnp.zeros((2, 12))
    params = randomised(SMALL, x, C_NOISE)

    @functools.partial(jax.jit, static_argnums=3)
    def apply(x, c_noise, embedding, dtype=jnp.float32):
        return SMALL.clone(dtype=dtype).apply({"params": params}, x, c_noise, embedding)

    y = apply(x, C_NOISE, no_embedding)
    other = apply(x.at[1].set(5.0), C_NOISE.at[1].set(900.0), no_embedding.at[1].set(1.0))
    np.testing.assert_allclose(other[0], y[0], atol=1e-5)  # an example does not know its batch
    assert float(jnp.abs(apply(x, C_NOISE + 50, no_embedding) - y).max()) > 1e-4
    assert float(jnp.abs(apply(x, C_NOISE, jnp.ones((2, 12))) - y).max()) > 1e-4

    half = apply(x, C_NOISE, no_embedding, jnp.bfloat16)
    assert half.dtype == jnp.float32
    error = float(jnp.sqrt(jnp.mean((half - y) ** 2) / jnp.mean(y**2)))
    assert 1e-4 < error < 5e-2  # bfloat16 holds 8 bits


def test_a_pair_of_numbers_is_told_by_two_embeddings(randomised):
    x, pair = normal(2, 16, 1), jnp.array([[3.0, 700.0], [3.0, 20.0]])
    params = randomised(SMALL, x, pair)
    assert {"noise_embedding", "noise_embedding_1"} <= set(params)
    apply = jax.jit(lambda x, pair: SMALL.apply({"params": params}, x, pair))
    y = apply(jnp.stack([x[0], x[0]]), pair)
    assert float(jnp.abs(y[0] - y[1]).max()) > 1e-4


def test_tokens_are_heard_by_their_example_alone_and_without_order(randomised):
    x, tokens = normal(2, 16, 1), normal(2, 3, 5, seed=1)
    mask = jnp.array([[True, True, False], [True, True, True]])
    params = randomised(ATTENTIVE, x, C_NOISE, tokens=tokens)

    @jax.jit
    def apply(tokens, mask):
        return ATTENTIVE.apply({"params": params}, x, C_NOISE, tokens=tokens, mask=mask)

    y = apply(tokens, mask)
    np.testing.assert_array_equal(apply(tokens.at[0, 2].set(99.0), mask), y)  # outside the mask
    other = apply(tokens.at[1, 0].set(9.0), mask)
    np.testing.assert_allclose(other[0], y[0], atol=1e-5)
    assert float(jnp.abs(other[1] - y[1]).max()) > 1e-4
    np.testing.assert_allclose(apply(tokens[:, ::-1], mask[:, ::-1]), y, atol=1e-5)


def test_remat_computes_the_same_and_keeps_what_enters_an_item(randomised):
    x = normal(2, 64, 1)
    params = randomised(SMALL, x, C_NOISE)

    def loss(params, remat):
        return jnp.square(SMALL.clone(remat=remat).apply({"params": params}, x, C_NOISE)).sum()

    def kept(remat):  # what the forward pass leaves for the backward one
        residuals = jax.eval_shape(lambda params: jax.vjp(lambda p: loss(p, remat), params)[1], params)
        return sum(leaf.size for leaf in jax.tree.leaves(residuals)) - sum(
            leaf.size for leaf in jax.tree.leaves(params)
        )

    assert kept(remat=True) < kept(remat=False) / 4
    gradient = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    for a, b in zip(jax.tree.leaves(gradient(params, False)), jax.tree.leaves(gradient(params, True))):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(a).max()))


def test_zero_init_begins_with_the_input_itself():
    network, x = ATTENTIVE.clone(zero_init=True), normal(2, 16, 1)

    @jax.jit
    def begin(key):
        params = network.init(key, x, C_NOISE, tokens=normal(2, 3, 5))["params"]
        return params, network.apply({"params": params}, x, C_NOISE, tokens=normal(2, 3, 5))

    params, y = begin(jax.random.key(0))
    np.testing.assert_array_equal(y, x)
    item = params["down_1_item_0"]
    zero = params["up_0_step"], item["res"]["conv_1"], item["attention"]["out"], item["cross_attention"]["out"]
    assert not any(layer["kernel"].any() for layer in zero)
    assert params["up_1_step"]["kernel"].any() and item["res"]["conv_0"]["kernel"].any()


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"channels": (8, 18)}, (1, 16, 1), "18 is not divisible by groups=4"),
        ({"factors": (2,)}, (1, 16, 1), "there are 2 levels in channels"),
        ({"items": (1, 1, 1)}, (1, 16, 1), "there are 2 levels in channels"),
        ({"items": (1, 0)}, (1, 16, 1), r"items=\(1, 0\): 1 or more"),
        ({"head_width": 0}, (1, 16, 1), "head_width=0: 1 or more"),
        ({}, (1, 513, 1), "513 samples: this network takes multiples of 8, for example 512 or 520"),
        ({}, (1, 5, 1), "5 samples: this network takes multiples of 8, for example 8"),
        ({}, (1, 16, 3), r"takes \[B, T, 1\], got \[1, 16, 3\]"),
        ({"attention_levels": (2,)}, (1, 16, 1), "there are levels 0 to 1"),
        ({"num_heads": 2}, (1, 16, 1), "a network of num_heads=2 attends to tokens, and was called without"),
        ({"padding": "reflect"}, (1, 16, 1), "padding='reflect': it is one of zeros, circular"),
    ],
)
def test_sizes_that_do_not_fit_are_named(options, shape, message):
    with pytest.raises(UsageError, match=message):
        jax.eval_shape(SMALL.clone(**options).init, jax.random.key(0), jnp.zeros(shape), jnp.zeros(1))


def test_what_a_network_cannot_be_told_is_refused():
    x, tokens = jnp.zeros((1, 16, 1)), jnp.zeros((1, 2, 3))
    for network, told, message in [
        (SMALL, {"tokens": tokens}, "this network attends to no tokens"),
        (SMALL, {"embedding": jnp.zeros((1, 16))}, "takes embeddings of width 12, got 16"),
        (ATTENTIVE.clone(attention_levels=()), {"tokens": tokens}, "at attention_levels, of which there are none"),
    ]:
        with pytest.raises(UsageError, match=message):
            jax.eval_shape(network.init, jax.random.key(0), x, jnp.zeros(1), **told)
