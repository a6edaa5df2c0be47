import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from musicdiff.networks.blocks import make_parts
from musicdiff.networks.layers import GroupNorm
from musicdiff.networks.transformer import FeedForward, TransformerBlock

TOLERANCE = 1e-6  # in float64: jax.nn takes the softmax of attention in float32
SETTINGS = {
    "groups": 2,
    "eps": 1e-5,
    "head_width": None,
    "padding": "zeros",
    "conv_route": "auto",
    "dtype": jnp.float64,
}
MASK = jnp.array([[True, True, False], [False, True, True]])


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def layer_norm(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return p["scale"] * centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) + p["bias"]


def attention(p, x, tokens, visible):
    """Of two heads of two channels, one softmax after the other."""
    query, key, value = x @ p["query"]["kernel"], tokens @ p["key"]["kernel"], tokens @ p["value"]["kernel"]
    mixed = []
    for head in (slice(0, 2), slice(2, 4)):
        logits = query[..., head] @ key[..., head].swapaxes(1, 2) / math.sqrt(2)
        weights = jax.nn.softmax(jnp.where(visible[:, None], logits, -jnp.inf), axis=-1)
        mixed.append(weights @ value[..., head])
    return jnp.concatenate(mixed, axis=-1) @ p["out"]["kernel"] + p["out"]["bias"]


def feed_forward(p, x):
    h, gate = jnp.split(x @ p["expand"]["kernel"] + p["expand"]["bias"], 2, axis=-1)
    gelu = gate * (1 + erf(gate / math.sqrt(2))) / 2
    return (h * gelu) @ p["contract"]["kernel"] + p["contract"]["bias"]


def test_a_block_is_the_formula(x64, randomised):
    x, tokens = normal(2, 5, 4), normal(2, 3, 6, seed=1)
    block = TransformerBlock(num_heads=2, dtype=jnp.float64)
    p = randomised(block, x, tokens, dtype=jnp.float64)

    @jax.jit
    def both(x):
        h = layer_norm(p["norm_0"], x)
        y = x + attention(p["self_attention"], h, h, jnp.ones((2, 5), bool))
        y += attention(p["cross_attention"], layer_norm(p["norm_1"], y), tokens, MASK)
        y += feed_forward(p["feed_forward"], layer_norm(p["norm_2"], y))
        return block.apply({"params": p}, x, tokens, MASK), y

    np.testing.assert_allclose(*both(x), atol=TOLERANCE)


def test_the_feed_forward_layer_is_four_times_as_wide():
    shapes = jax.eval_shape(FeedForward().init, jax.random.key(0), jnp.zeros((1, 2, 3)))["params"]
    assert (shapes["expand"]["kernel"].shape, shapes["contract"]["kernel"].shape) == ((3, 24), (12, 3))


def of_pictures(remat=False, zero_init=False):
    return make_parts(**SETTINGS, remat=remat, zero_init=zero_init, num_heads=2).attention(name=None)


def test_of_pictures_the_block_is_between_two_projections(x64, randomised):
    x, tokens = 1e-3 * normal(2, 3, 2, 4), normal(2, 3, 6, seed=1)  # so quiet that the eps of the norm is heard
    p = randomised(of_pictures(), x, tokens, dtype=jnp.float64)

    @jax.jit
    def both(x):
        h = GroupNorm(groups=2, eps=1e-6, dtype=jnp.float64).apply({"params": p["norm_in"]}, x).reshape(2, 6, 4)
        h = h @ p["project_in"]["kernel"][0, 0] + p["project_in"]["bias"]
        h = TransformerBlock(num_heads=2, dtype=jnp.float64).apply({"params": p["block"]}, h, tokens, MASK)
        h = h @ p["project_out"]["kernel"][0, 0] + p["project_out"]["bias"]
        return of_pictures().apply({"params": p}, x, tokens, MASK), x + h.reshape(x.shape)

    np.testing.assert_allclose(*both(x), atol=TOLERANCE)


def test_places_of_a_picture_have_no_order(x64, randomised):
    x, tokens = normal(2, 3, 4, 4), normal(2, 3, 6, seed=1)
    params = randomised(of_pictures(), x, tokens, dtype=jnp.float64)
    apply = jax.jit(lambda x: of_pictures().apply({"params": params}, x, tokens, MASK))
    order = np.random.default_rng(2).permutation(12)
    shuffled = x.reshape(2, 12, 4)[:, order].reshape(x.shape)
    expected = apply(x).reshape(2, 12, 4)[:, order].reshape(x.shape)
    np.testing.assert_allclose(apply(shuffled), expected, atol=TOLERANCE)
    assert float(jnp.abs(apply(x) - x).max()) > 1e-2


def test_remat_changes_neither_result_nor_gradient(x64, randomised):
    x, tokens = normal(2, 3, 4, 4), normal(2, 3, 6, seed=1)
    params = randomised(of_pictures(), x, tokens, dtype=jnp.float64)

    def value_and_grad(layer):
        def loss(params, x, tokens):
            return jnp.sin(layer.apply({"params": params}, x, tokens, MASK)).sum()

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(params, x, tokens)

    results = value_and_grad(of_pictures(remat=True)), value_and_grad(of_pictures())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=TOLERANCE), *results)


def test_zero_init_makes_it_the_identity_at_first(x64):
    x, tokens = normal(2, 3, 4, 4), normal(2, 3, 6, seed=1)
    y, variables = jax.jit(of_pictures(zero_init=True).init_with_output)(jax.random.key(0), x, tokens)
    np.testing.assert_array_equal(y, x)
    assert variables["params"]["block"]["feed_forward"]["contract"]["kernel"].any()
