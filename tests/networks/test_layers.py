import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.networks.layers import GroupNorm, SelfAttention, depth_to_space, sinusoids, space_to_depth


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def test_group_norm_is_flax(x64):
    x, params = normal(2, 5, 4, 12), {"scale": normal(12, seed=1), "bias": normal(12, seed=2)}
    ours = GroupNorm(groups=3, eps=1e-3, dtype=jnp.float64).apply({"params": params}, x)
    flax = nn.GroupNorm(3, epsilon=1e-3, use_fast_variance=False).apply({"params": params}, x)
    np.testing.assert_allclose(ours, flax, atol=1e-12)


def test_group_norm_holds_against_a_large_mean():
    x = normal(1, 32, 8, 8)
    params = {"scale": jnp.ones(8), "bias": jnp.zeros(8)}
    plain, shifted = (GroupNorm(groups=4).apply({"params": params}, x + shift) for shift in (0.0, 1000.0))
    np.testing.assert_allclose(
        shifted, plain, atol=3e-4
    )  # float32 holds x + 1000 to 3e-5; E[x^2] - E[x]^2 would miss by .1


def test_group_norm_has_float32_statistics_under_bfloat16():
    x = (normal(1, 64, 64, 8) + 1).astype(jnp.bfloat16)
    params = {"scale": jnp.ones(8), "bias": jnp.zeros(8)}
    half, full = (
        GroupNorm(groups=2, dtype=dtype).apply({"params": params}, x) for dtype in (jnp.bfloat16, jnp.float32)
    )
    assert half.dtype == jnp.bfloat16
    np.testing.assert_array_equal(half, full.astype(jnp.bfloat16))


def test_self_attention_is_the_formula(x64, randomised):
    x = normal(2, 3, 2, 8)
    layer = SelfAttention(
        norm=lambda name: GroupNorm(groups=2, dtype=jnp.float64, name=name), head_width=4, dtype=jnp.float64
    )
    params = randomised(layer, x, dtype=jnp.float64)
    h = GroupNorm(groups=2, dtype=jnp.float64).apply({"params": params["norm"]}, x).reshape(2, 6, 8)
    query, key, value = (
        (h @ params[name]["kernel"] + params[name]["bias"]).reshape(2, 6, 2, 4) for name in ("query", "key", "value")
    )
    weights = jax.nn.softmax(jnp.einsum("blhw,bmhw->bhlm", query, key) / math.sqrt(4), axis=-1)
    mixed = jnp.einsum("bhlm,bmhw->blhw", weights, value).reshape(2, 6, 8)
    expected = x + (mixed @ params["out"]["kernel"] + params["out"]["bias"]).reshape(x.shape)
    np.testing.assert_allclose(
        layer.apply({"params": params}, x), expected, atol=1e-6
    )  # jax.nn takes the softmax in float32


def test_sinusoids_are_cosines_then_sines():
    angles = [7.0, 7.0 / 100.0]  # frequencies 10000^0 and 10000^(-1/2)
    expected = [[math.cos(a) for a in angles] + [math.sin(a) for a in angles]]
    np.testing.assert_allclose(sinusoids(jnp.array([7]), 4), expected, rtol=1e-6)


def test_patches_go_there_and_back():
    x = normal(2, 6, 4, 3)
    patches = space_to_depth(x, 2)
    assert patches.shape == (2, 3, 2, 12)
    np.testing.assert_array_equal(patches[0, 1, 1].reshape(2, 2, 3), x[0, 2:4, 2:4])
    np.testing.assert_array_equal(depth_to_space(patches, 2), x)
