"""A network that is told conditions: what embeds each of them, and what brings them to it."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from musicdiff.typing import Cond, Params


class Embedding(NamedTuple):
    """What a network is told: a vector [B, E] beside the noise level, tokens [B, L, D] with their mask bool [B, L] to attend to, or both.

    Of an example without the condition it is a learned null: its mask has a token, always, for a softmax over none is NaN.
    """

    vector: Array | None = None
    tokens: Array | None = None
    mask: Array | None = None


def init(
    network: nn.Module, embedders: Mapping[str, nn.Module], key: Array, x: Any, c_noise: Any, cond: Cond
) -> Params:
    """{'network', 'embedders': {name: ...}}: parameters of a network and of what embeds its conditions; x, c_noise and cond may be shapes."""
    names = sorted(embedders)
    key, *keys = jax.random.split(key, 1 + len(names))
    parts = {
        name: embedders[name].lazy_init(own, cond[name]["value"], cond[name]["present"])["params"]
        for name, own in zip(names, keys)
    }
    told = jax.eval_shape(functools.partial(embed, embedders), parts, cond)
    return {"network": network.lazy_init(key, x, c_noise, **told)["params"], "embedders": parts}


def shapes(embedders: Mapping[str, nn.Module], cond: Cond) -> dict[str, Embedding]:
    """The shapes of what each embedder makes of its condition."""
    key = jax.random.key(0)
    return {
        name: jax.eval_shape(module.init_with_output, key, cond[name]["value"], cond[name]["present"])[0]
        for name, module in embedders.items()
    }


def embed(embedders: Mapping[str, nn.Module], params: Params, cond: Cond) -> dict[str, Array]:
    """What a network is told beside x and c_noise, by its argument: the sum of the vectors, all tokens, their mask; only what there is."""
    parts = [
        embedders[name].apply({"params": params[name]}, cond[name]["value"], cond[name]["present"])
        for name in sorted(embedders)
    ]
    told = {}
    if vectors := [part.vector for part in parts if part.vector is not None]:
        told["embedding"] = sum(vectors)
    if sequences := [part for part in parts if part.tokens is not None]:
        told["tokens"] = jnp.concatenate([part.tokens for part in sequences], axis=1)
        told["mask"] = jnp.concatenate([part.mask for part in sequences], axis=1)
    return told


class NumberEmbedder(nn.Module):
    """A number in [-1, 1] -> waves of octaves of it -> dense, silu, dense."""

    width: int
    octaves: int = 8

    @nn.compact
    def __call__(self, value: Array, present: Array) -> Embedding:
        """value float [B]."""
        angles = jnp.pi * 2.0 ** jnp.arange(-1, self.octaves - 1) * value[:, None]
        waves = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        vector = nn.Dense(self.width, name="dense_1")(nn.silu(nn.Dense(self.width, name="dense_0")(waves)))
        return Embedding(_or_null(self, vector, present))


class ClassEmbedder(nn.Module):
    """One of `capacity` classes -> its learned vector."""

    width: int
    capacity: int

    @nn.compact
    def __call__(self, value: Array, present: Array) -> Embedding:
        """value int [B]."""
        # As wide as NumberEmbedder's vectors at first: none drowns the others, or the noise level.
        spread = nn.initializers.normal(0.4)
        vector = nn.Embed(self.capacity, self.width, embedding_init=spread, name="classes")(value)
        return Embedding(_or_null(self, vector, present))


class TokenEmbedder(nn.Module):
    """Tokens as they are, and their mean as a vector; of an absent text one learned null token, and nothing behind it.

    Attention that begins by looking everywhere alike learns late what to look at: the vector says what a text is about from the first
    step on (arXiv 2205.11487, section 2.3).
    """

    width: int

    @nn.compact
    def __call__(self, value: tuple[Array, Array], present: Array) -> Embedding:
        """value: tokens [B, L, D] and mask [B, L]."""
        tokens, mask = value
        vector = PooledEmbedder(self.width, name="pooled")(value, present).vector
        null = self.param("null", nn.initializers.normal(1.0), tokens.shape[-1:], jnp.float32).astype(tokens.dtype)
        present = (present & mask.any(1))[:, None]  # a text of no tokens says nothing
        first = jnp.arange(tokens.shape[1]) == 0
        return Embedding(vector, jnp.where(present[..., None], tokens, null), jnp.where(present, mask, first))


class PooledEmbedder(nn.Module):
    """dense(the mean of the tokens): a whole text as one vector."""

    width: int

    @nn.compact
    def __call__(self, value: tuple[Array, Array], present: Array) -> Embedding:
        """value: tokens [B, L, D] and mask [B, L]."""
        tokens, mask = value
        weight = mask[..., None].astype(tokens.dtype)
        mean = (tokens * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0)
        return Embedding(_or_null(self, nn.Dense(self.width, name="dense")(mean), present & mask.any(1)))


class Encoded(nn.Module):
    """head(encoder(value), present): a text by an encoder that is trained along, and then as tokens or pooled."""

    encoder: nn.Module
    head: nn.Module

    def __call__(self, value: tuple[Array, Array], present: Array) -> Embedding:
        """value: ids int [B, L] and mask [B, L]."""
        return self.head((self.encoder(*value), value[1]), present)


def _or_null(module: nn.Module, vector: Array, present: Array) -> Array:
    null = module.param("null", nn.initializers.zeros, vector.shape[-1:], jnp.float32).astype(vector.dtype)
    return jnp.where(present[:, None], vector, null)
