"""Transformers: sequences that attend to themselves and to the tokens of a context, and pictures as such sequences."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.attention import attend
from musicdiff.networks.layers import dense


class Attention(nn.Module):
    """out(softmax(q k^T / sqrt(width)) v) in heads of width C / num_heads: queries of x, keys and values of tokens (arXiv 1706.03762)."""

    num_heads: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, tokens: Array, mask: Array | None = None) -> Array:
        """x [B, N, C], tokens [B, L, D] (x itself: self-attention), mask bool [B, L] of those to attend to -> [B, N, C].

        Where a mask has no token at all the result is finite and says nothing, an even mean of what was not to be attended to: callers
        put one learned token there instead.
        """
        channels = x.shape[-1]

        def heads(of: Array, name: str) -> Array:  # [B, L, D] -> [B, L, heads, width]
            h = dense(channels, self.dtype, use_bias=False, name=name)(of)
            return h.reshape(*of.shape[:2], self.num_heads, channels // self.num_heads)

        query, key, value = heads(x, "query"), heads(tokens, "key"), heads(tokens, "value")
        return dense(channels, self.dtype, name="out")(attend(query, key, value, mask).reshape(x.shape))


class FeedForward(nn.Module):
    """contract(h gelu(gate)), (h, gate) = expand(x), each 4 times as wide as x: GEGLU (arXiv 2002.05202), gelu by erf."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, N, C] -> [B, N, C]."""
        width = x.shape[-1]
        h, gate = jnp.split(dense(8 * width, self.dtype, name="expand")(x), 2, axis=-1)
        return dense(width, self.dtype, name="contract")(h * nn.gelu(gate, approximate=False))


class TransformerBlock(nn.Module):
    """x + attention(norm(x)) to itself, then the same to the tokens, then x + feed_forward(norm(x))."""

    num_heads: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, tokens: Array, mask: Array | None = None) -> Array:
        """x [B, N, C], tokens [B, L, D], mask bool [B, L] of the tokens to attend to -> [B, N, C]."""

        def norm(name: str) -> nn.LayerNorm:
            # The variance about the mean, as GroupNorm here: a large mean costs no digits.
            return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, dtype=self.dtype, name=name)

        h = norm("norm_0")(x)
        x += Attention(self.num_heads, self.dtype, name="self_attention")(h, h)
        x += Attention(self.num_heads, self.dtype, name="cross_attention")(norm("norm_1")(x), tokens, mask)
        return x + FeedForward(self.dtype, name="feed_forward")(norm("norm_2")(x))


class SpatialTransformer(nn.Module):
    """x + project_out(block(project_in(norm(x)))), all places of time and frequency as one sequence without positions (arXiv 2112.10752).

    `conv` and `norm` are the network's `Conv` and `GroupNorm` with everything but widths and names bound.
    """

    conv: Any
    norm: Any
    num_heads: int
    zero_init: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, tokens: Array, mask: Array | None = None) -> Array:
        """x [B, T, F, C], tokens [B, L, D], mask bool [B, L] of the tokens to attend to -> [B, T, F, C]."""
        batch, frames, bins, channels = x.shape
        h = self.norm(eps=1e-6, name="norm_in")(x)
        h = self.conv(channels, size=1, name="project_in")(h).reshape(batch, frames * bins, channels)
        h = TransformerBlock(self.num_heads, self.dtype, name="block")(h, tokens, mask).reshape(x.shape)
        return x + self.conv(channels, size=1, zero_init=self.zero_init, name="project_out")(h)
