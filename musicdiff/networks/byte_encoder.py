"""A small encoder of bytes, trained along with the network that attends to what it makes of them."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.attention import attend

BEGIN = 256  # before the bytes, so that no text is empty
NUM_IDS = 257
LONGEST = 8  # bytes of a gram: '120 bpm' is one


class ByteEncoder(nn.Module):
    """Embedded bytes, grams and positions through transformer layers, each x + attention(norm(x)), x + mlp(norm(x)), and a last norm.

    A byte is embedded with the grams of 2 to 8 bytes that end at it, each by its row of a hashed table (arXiv 2412.09871): a word has a
    vector from the first step on. Spelled by bytes alone, words were not learnt in 36,000 captioned clips.

    buckets: rows of the table of each length
    """

    width: int
    layers: int
    heads: int
    buckets: int = 4096

    @nn.compact
    def __call__(self, ids: Array, mask: Array) -> Array:
        """ids int32 [B, L], mask bool [B, L] -> tokens [B, L, width]; those outside the mask are read by nobody."""
        wide, small = nn.initializers.normal(1.0), nn.initializers.normal(0.02)
        x = nn.Embed(NUM_IDS, self.width, embedding_init=wide, name="bytes")(ids)
        places = jnp.arange(ids.shape[1])
        for length, gram in enumerate(hashes(ids), start=2):
            known = nn.Embed(self.buckets, self.width, embedding_init=wide, name=f"grams_{length}")(gram % self.buckets)
            x += jnp.where(places[:, None] >= length - 1, known, 0.0)  # whole ones only
        x /= jnp.sqrt(float(LONGEST))
        x += self.param("positions", small, (ids.shape[1], self.width), jnp.float32)
        mask = mask | (places == 0)  # of nothing at all the first: no softmax is over none
        for i in range(self.layers):
            x = ByteLayer(self.heads, name=f"layer_{i}")(x, mask)
        return nn.LayerNorm(name="norm")(x)


def hashes(ids: Array) -> list[Array]:
    """Of each length 2 ... 8 a number for the gram that ends at each place: uint32 [B, L] each. Polynomials in an odd number, mixed."""
    own = ids.astype(jnp.uint32) + 1
    polynomial, found = own, []
    for length in range(2, LONGEST + 1):
        earlier = jnp.pad(own, ((0, 0), (length - 1, 0)))[:, : ids.shape[1]]
        polynomial = polynomial * jnp.uint32(0x01000193) + earlier
        mixed = (polynomial ^ (polynomial >> 16)) * jnp.uint32(0x85EBCA6B)
        found.append(mixed ^ (mixed >> 13))
    return found


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
