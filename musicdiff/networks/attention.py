"""Attention in heads, and the one place that chooses how much of it is computed at once."""

import jax
from jax import Array, lax

MAX_LOGITS = 2**27  # 512 MiB in float32


def attend(query: Array, key: Array, value: Array, mask: Array | None = None) -> Array:
    """softmax(q k^T / sqrt(W)) v, the softmax in float32 (arXiv 1706.03762).

    A picture's places all attend to each other, and 65,536 of them have 2^32 logits a head. Rows of a softmax know nothing of each other:
    where there are more than MAX_LOGITS, queries are taken in slices, one after the other, and each again in the backward pass.

    Args:
        query: [B, N, heads, W]
        key, value: [B, L, heads, W]
        mask: bool [B, L], what to attend to; None: all. Of a row without any the result is finite and says nothing

    Returns:
        [B, N, heads, W]
    """
    mask = None if mask is None else mask[:, None, None]  # the same for all heads and queries

    def rows(query: Array) -> Array:
        return jax.nn.dot_product_attention(query, key, value, mask=mask)

    batch, places, heads, width = query.shape
    count = num_slices(places, MAX_LOGITS // (batch * heads * key.shape[1]))
    if count == 1:
        return rows(query)
    slices = query.reshape(batch, count, places // count, heads, width).swapaxes(0, 1)
    return lax.map(jax.checkpoint(rows), slices).swapaxes(0, 1).reshape(query.shape)


def num_slices(places: int, most: int) -> int:
    """The least number of equal slices of `places` that are no longer than `most`, or than one place."""
    return next(n for n in range(1, places + 1) if places % n == 0 and places // n <= max(most, 1))
