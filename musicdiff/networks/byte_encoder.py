"""A small encoder of bytes, trained along with the network that attends to what it makes of them."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.attention import attend

BEGIN = 256  # before the bytes, so that no text is empty
NUM_IDS = 257


class ByteEncoder(nn.Module):
    """Embedded bytes and positions through transformer layers, each x + attention(norm(x)), x + mlp(norm(x)), and a last norm."""

    width: int
    layers: int
    heads: int

    @nn.compact
    def __call__(self, ids: Array, mask: Array) -> Array:
        """ids int32 [B, L], mask bool [B, L] -> tokens [B, L, width]; those outside the mask are read by nobody."""
        small = nn.initializers.normal(0.02)
        x = nn.Embed(NUM_IDS, self.width, embedding_init=nn.initializers.normal(1.0), name="bytes")(ids)
        x += self.param("positions", small, (ids.shape[1], self.width), jnp.float32)
        mask = mask | (jnp.arange(ids.shape[1]) == 0)  # of nothing at all the first: no softmax is over none
        for i in range(self.layers):
            x = ByteLayer(self.heads, name=f"layer_{i}")(x, mask)
        return nn.LayerNorm(name="norm")(x)


class ByteLayer(nn.Module):
    """One layer of the encoder."""

    heads: int

    @nn.compact
    def __call__(self, x: Array, mask: Array) -> Array:
        """x [B, L, width], mask bool [B, L] of what is attended to -> as x."""
        width = x.shape[-1]
        split = (*x.shape[:2], self.heads, width // self.heads)  # [B, L, heads, width / heads]
        h = nn.LayerNorm(name="norm_0")(x)
        query, key, value = (nn.Dense(width, name=name)(h).reshape(split) for name in ("query", "key", "value"))
        x += nn.Dense(width, name="out")(attend(query, key, value, mask).reshape(x.shape))
        h = nn.gelu(nn.Dense(4 * width, name="dense_0")(nn.LayerNorm(name="norm_1")(x)))
        return x + nn.Dense(width, name="dense_1")(h)
