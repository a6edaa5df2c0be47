"""T5's encoder: token ids -> a state for each token. float32; trained elsewhere and only read here."""

import math

import flax.linen as nn
import jax
import numpy as np
from jax import Array


class T5Encoder(nn.Module):
    """Blocks of x + attention(norm(x)), then x + feed_forward(norm(x)), and a last norm (arXiv 1910.10683). The defaults are T5-small's.

    Norms subtract no mean and add no bias, attention does not divide by sqrt(head_width), and positions are only a learned bias of
    attention's logits by distance, the same in all blocks.
    """

    vocabulary: int = 32128
    width: int = 512
    num_layers: int = 6
    num_heads: int = 8
    head_width: int = 64
    hidden: int = 2048
    num_buckets: int = 32
    max_distance: int = 128
    eps: float = 1e-6
    gated: bool = False  # gelu(dense_0(x)) dense_gate(x) for relu(dense_0(x)), as in T5 v1.1 (arXiv 2002.05202)

    @nn.compact
    def __call__(self, ids: Array, mask: Array) -> Array:
        """ids int [B, L], mask bool [B, L] of the tokens to attend to -> [B, L, width]."""
        x = nn.Embed(self.vocabulary, self.width, name="tokens")(ids)
        buckets = distance_buckets(ids.shape[1], self.num_buckets, self.max_distance)
        bias = nn.Embed(self.num_buckets, self.num_heads, name="distances")(buckets)
        bias = bias.transpose(2, 0, 1)[None]  # [1, heads, L, L]
        for i in range(self.num_layers):
            block = Block(self.num_heads, self.head_width, self.hidden, self.eps, self.gated, name=f"block_{i}")
            x = block(x, bias, mask)
        return nn.RMSNorm(self.eps, name="norm")(x)


class Block(nn.Module):
    """One layer of `T5Encoder`."""

    num_heads: int
    head_width: int
    hidden: int
    eps: float
    gated: bool

    @nn.compact
    def __call__(self, x: Array, bias: Array, mask: Array) -> Array:
        """x [B, L, D], bias [1, heads, L, L], mask bool [B, L]."""

        def dense(features: int, name: str) -> nn.Dense:
            return nn.Dense(features, use_bias=False, name=name)

        h = nn.RMSNorm(self.eps, name="norm_0")(x)
        heads = (*x.shape[:2], self.num_heads, self.head_width)
        query, key, value = (
            dense(self.num_heads * self.head_width, name)(h).reshape(heads) for name in ("query", "key", "value")
        )
        h = jax.nn.dot_product_attention(query, key, value, bias, mask[:, None, None], scale=1.0)
        x = x + dense(x.shape[-1], "out")(h.reshape(*x.shape[:2], -1))

        h = nn.RMSNorm(self.eps, name="norm_1")(x)
        first = dense(self.hidden, "dense_0")(h)
        first = nn.gelu(first) * dense(self.hidden, "dense_gate")(h) if self.gated else nn.relu(first)
        return x + dense(x.shape[-1], "dense_1")(first)


def distance_buckets(length: int, num_buckets: int, max_distance: int) -> np.ndarray:
    """[L, L]: the bucket of key j seen from query i. Half of them for j > i; of each half one a distance up to its middle, then by its logarithm."""
    distance = np.arange(length)[None] - np.arange(length)[:, None]
    half = num_buckets // 2
    exact = half // 2
    away = np.abs(distance)
    # float32, for the published weights were trained with its rounding at the edges of the buckets
    share = np.log(np.maximum(away, 1).astype(np.float32) / exact) / np.float32(math.log(max_distance / exact))
    far = np.minimum(exact + (share * (half - exact)).astype(int), half - 1)
    return np.where(distance > 0, half, 0) + np.where(away < exact, away, far)
