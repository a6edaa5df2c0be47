"""BERT's encoder: token ids -> a state for each token. float32; trained elsewhere and only read here."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

# Our layers and the published ones; {} is the number of a block.
BLOCK = "encoder.layer.{}"
NAMES = {
    "tokens": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "block_{}/query": f"{BLOCK}.attention.self.query",
    "block_{}/key": f"{BLOCK}.attention.self.key",
    "block_{}/value": f"{BLOCK}.attention.self.value",
    "block_{}/out": f"{BLOCK}.attention.output.dense",
    "block_{}/norm_0": f"{BLOCK}.attention.output.LayerNorm",
    "block_{}/dense_0": f"{BLOCK}.intermediate.dense",
    "block_{}/dense_1": f"{BLOCK}.output.dense",
    "block_{}/norm_1": f"{BLOCK}.output.LayerNorm",
}


class BertEncoder(nn.Module):
    """Blocks of norm(x + attention(x)), then norm(x + dense(gelu(dense(x)))), on tokens and positions (arXiv 1810.04805). The defaults are MiniLM's.

    Without BERT's pooler: its weights were trained for another task than the states of the tokens.
    """

    vocabulary: int = 30522
    width: int = 384
    num_layers: int = 6
    num_heads: int = 12
    hidden: int = 1536
    max_length: int = 512
    num_types: int = 2  # of segments; a single text is of the first
    eps: float = 1e-12
    first: int = 0  # position of a text's first token; RoBERTa's are counted from 2

    @nn.compact
    def __call__(self, ids: Array, mask: Array) -> Array:
        """ids int [B, L], mask bool [B, L] of the tokens to attend to -> [B, L, width]; L is at most max_length - first."""
        x = nn.Embed(self.vocabulary, self.width, name="tokens")(ids)
        x += nn.Embed(self.max_length, self.width, name="positions")(self.first + jnp.arange(ids.shape[1]))
        x += nn.Embed(self.num_types, self.width, name="types")(jnp.zeros(1, int))
        x = _norm(self.eps, "norm")(x)
        for i in range(self.num_layers):
            x = Block(self.num_heads, self.hidden, self.eps, name=f"block_{i}")(x, mask)
        return x


class Block(nn.Module):
    """One layer of `BertEncoder`."""

    num_heads: int
    hidden: int
    eps: float

    @nn.compact
    def __call__(self, x: Array, mask: Array) -> Array:
        """x [B, L, D], mask bool [B, L]."""
        width = x.shape[-1]
        heads = (*x.shape[:2], self.num_heads, width // self.num_heads)
        query, key, value = (nn.Dense(width, name=name)(x).reshape(heads) for name in ("query", "key", "value"))
        h = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None, None]).reshape(x.shape)
        x = _norm(self.eps, "norm_0")(x + nn.Dense(width, name="out")(h))
        h = nn.gelu(nn.Dense(self.hidden, name="dense_0")(x), approximate=False)
        return _norm(self.eps, "norm_1")(x + nn.Dense(width, name="dense_1")(h))


def _norm(eps: float, name: str) -> nn.LayerNorm:
    return nn.LayerNorm(eps, use_fast_variance=False, name=name)
