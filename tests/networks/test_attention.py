import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.networks import attention
from musicdiff.networks.attention import attend, num_slices

TOLERANCE = 1e-6  # in float64: jax.nn takes the softmax in float32
MASK = jnp.array([[True, True, False], [False, True, True]])


@pytest.fixture
def qkv(x64):
    """Queries [2, 6, 2, 4], keys and values [2, 3, 2, 4]."""
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.standard_normal((2, n, 2, 4))) for n in (6, 3, 3))


def test_attention_is_the_formula_and_sees_only_the_mask(qkv):
    query, key, value = qkv
    logits = jnp.einsum("bnhw,blhw->bhnl", query, key) / math.sqrt(4)
    weights = jax.nn.softmax(jnp.where(MASK[:, None, None], logits, -jnp.inf), axis=-1)
    expected = jnp.einsum("bhnl,blhw->bnhw", weights, value)
    np.testing.assert_allclose(attend(*qkv, MASK), expected, atol=TOLERANCE)
    hidden = (~MASK)[..., None, None]
    np.testing.assert_array_equal(
        attend(query, jnp.where(hidden, 9.0, key), jnp.where(hidden, -9.0, value), MASK), attend(*qkv, MASK)
    )


def test_slices_change_neither_result_nor_gradients(qkv, monkeypatch):
    def value_and_grad():
        return jax.jit(jax.value_and_grad(lambda *qkv: jnp.sin(attend(*qkv, MASK)).sum(), argnums=(0, 1, 2)))(*qkv)

    whole = value_and_grad()
    monkeypatch.setattr(attention, "MAX_LOGITS", 2 * 2 * 3 * 2)  # two queries of all examples and heads
    assert "scan" in str(jax.make_jaxpr(attend)(*qkv, MASK))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=TOLERANCE), value_and_grad(), whole)


@pytest.mark.parametrize(("places", "most", "count"), [(12, 12, 1), (12, 11, 2), (12, 5, 3), (7, 6, 7), (4, 0, 4)])
def test_slices_are_equal_and_few(places, most, count):
    assert num_slices(places, most) == count


def test_nothing_to_attend_to_is_finite_with_finite_gradients(qkv):
    mask = MASK.at[1].set(False)
    result, gradients = jax.value_and_grad(lambda *qkv: attend(*qkv, mask).sum(), argnums=(0, 1, 2))(*qkv)
    assert all(jnp.isfinite(leaf).all() for leaf in (result, *gradients))
