"""The one-dimensional U-Net that predicts noise (or v, or data) from noised samples of sound."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.errors import UsageError
from musicdiff.networks.attention import attend
from musicdiff.networks.blocks import check_widths
from musicdiff.networks.convolution import PADDINGS
from musicdiff.networks.layers import Conv1D, GroupNorm, ResBlock, dense

WAVES = 128  # learned frequencies of the noise level


class UNet1D(nn.Module):
    """The U-Net of Moûsai (arXiv 2301.11757): modulated by the noise level, its skips too; equal to a-unet's UNetV0, weight for weight.

    Each level divides time by its factor, runs its items, hands on to the next level, runs as many items, multiplies time again, and adds what it
    made, modulated, to what it was given. The defaults have 64,761,490 parameters.

    in_channels, out_channels: of the sound, 2 for stereo
    channels: the width of each level
    factors: by how much each level divides time; that of the first acts on the samples themselves
    items: a residual block, a modulation, and attention where wanted: how many in a level, on the way down and again on the way up
    attention_levels: the levels (0 = the first) whose items end in attention
    attention_heads, head_width: of attention to itself
    num_heads: of attention to tokens, which follows each attention to itself, of the same head_width; 0: a network without tokens
    width: of the embedding of the noise level and of conditions
    groups: of every GroupNorm
    zero_init: residual branches and what the network adds to its input start at zero
    padding: 'zeros', or 'circular': time is a circle, and shifts of x by `multiple` samples shift the result
    dtype: of the computation; parameters and the result's dtype are not affected
    remat: keep only the inputs of items for the backward pass
    """

    in_channels: int = 1
    out_channels: int = 1
    channels: tuple[int, ...] = (16, 32, 64, 128, 256, 256, 512, 512)
    factors: tuple[int, ...] = (1, 2, 2, 2, 2, 2, 2, 2)
    items: tuple[int, ...] = (1, 1, 1, 2, 2, 2, 4, 4)
    attention_levels: tuple[int, ...] = (3, 4, 5, 6, 7)
    attention_heads: int = 6
    head_width: int = 32
    num_heads: int = 0
    width: int = 1024
    groups: int = 8
    zero_init: bool = False
    padding: str = "zeros"
    dtype: Any = jnp.float32
    remat: bool = False

    @property
    def multiple(self) -> int:
        """Samples must be a multiple of this."""
        return math.prod(self.factors)

    @property
    def embedding_width(self) -> int:
        """The width of an embedded condition, and of the noise level's embedding that it is added to."""
        return self.width

    @nn.compact
    def __call__(
        self,
        x: Array,
        c_noise: Array,
        embedding: Array | None = None,
        tokens: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        """x [B, T, in_channels], c_noise [B] or [B, K] in 0..1000 -> [B, T, out_channels].

        Of K numbers each has an embedding of its own, and they are added.

        Args:
            embedding: [B, width], an embedded condition, added to the embedding of c_noise
            tokens: [B, L, D], what a network with `num_heads` attends to, of any width D
            mask: bool [B, L], the tokens to attend to, at least one of each example; None: all

        Raises:
            UsageError: sizes do not fit, or there are tokens for a network without `num_heads`, or none for one with it
        """
        self._check(x, embedding, tokens)
        for i, number in enumerate(c_noise[None] if c_noise.ndim == 1 else c_noise.T):
            name = "noise_embedding" if i == 0 else f"noise_embedding_{i}"
            noise = WaveEmbedding(self.width, self.dtype, name=name)(number / 1000.0)
            embedding = noise if embedding is None else noise + embedding
        context = () if tokens is None else (tokens, mask)
        conv = partial(Conv1D, padding=self.padding, dtype=self.dtype)
        levels = range(len(self.channels))

        def run(h: Array, i: int, way: str) -> Array:
            item = partial(
                nn.remat(Item) if self.remat else Item,
                conv=conv,
                groups=self.groups,
                heads=self.attention_heads if i in self.attention_levels else 0,
                token_heads=self.num_heads,
                head_width=self.head_width,
                zero_init=self.zero_init,
                dtype=self.dtype,
            )
            for j in range(self.items[i]):
                h = item(name=f"{way}_{i}_item_{j}")(h, embedding, context)
            return h

        h, given = x, []
        for i in levels:
            given.append(h)
            # A convolution of size and stride `factor` is a matrix product of what lies side by side.
            h = h.reshape(h.shape[0], h.shape[1] // self.factors[i], -1)
            h = run(dense(self.channels[i], self.dtype, name=f"down_{i}_step")(h), i, "down")
        for i in reversed(levels):
            h, skip = run(h, i, "up"), given.pop()
            # At zero only where it is the network's last: on every level no gradient would pass before as many steps as there are levels.
            made = skip.shape[-1] if i else self.out_channels
            step = conv(made, zero_init=self.zero_init and i == 0, name=f"up_{i}_step")
            h = step(jnp.repeat(h, self.factors[i], axis=1))
            scale = dense(h.shape[-1], self.dtype, name=f"up_{i}_scale")(nn.silu(embedding))
            if skip.shape[-1] != h.shape[-1]:
                skip = dense(h.shape[-1], self.dtype, name=f"up_{i}_skip")(skip)
            h = skip + scale[:, None] * h
        return h.astype(x.dtype)

    def _check(self, x: Array, embedding: Array | None, tokens: Array | None) -> None:
        for name in ("factors", "items"):
            if len(getattr(self, name)) != len(self.channels):
                raise UsageError(
                    f"{name}={getattr(self, name)}: there are {len(self.channels)} levels in channels={self.channels}"
                )
        for name in ("factors", "items", "attention_heads", "head_width"):
            if min(_as_tuple(getattr(self, name))) < 1:
                raise UsageError(f"{name}={getattr(self, name)}: 1 or more")
        for i in self.attention_levels:
            if not 0 <= i < len(self.channels):
                raise UsageError(
                    f"attention_levels={self.attention_levels}: there are levels 0 to {len(self.channels) - 1}"
                )
        if self.padding not in PADDINGS:
            raise UsageError(f"padding={self.padding!r}: it is one of {', '.join(PADDINGS)}")
        check_widths(self.channels, self.groups)
        if x.ndim != 3 or x.shape[-1] != self.in_channels:
            raise UsageError(f"the network takes [B, T, {self.in_channels}], got {list(x.shape)}")
        if x.shape[1] % self.multiple:
            below = x.shape[1] - x.shape[1] % self.multiple
            nearest = f"{below} or {below + self.multiple}" if below else f"{self.multiple}"
            raise UsageError(
                f"{x.shape[1]} samples: this network takes multiples of {self.multiple}, for example {nearest}"
            )
        if embedding is not None and embedding.shape[-1] != self.width:
            raise UsageError(f"the network takes embeddings of width {self.width}, got {embedding.shape[-1]}")
        if not self.num_heads and tokens is not None:
            raise UsageError("this network attends to no tokens; one of num_heads=8, say, does")
        if self.num_heads and tokens is None:
            raise UsageError(f"a network of num_heads={self.num_heads} attends to tokens, and was called without")
        if self.num_heads and not self.attention_levels:
            raise UsageError(
                f"num_heads={self.num_heads}: tokens are attended to at attention_levels, of which there are none"
            )


class Item(nn.Module):
    """A residual block, a modulation by the embedding, and, where there are heads, attention to itself and to tokens."""

    conv: Callable[..., nn.Module]
    groups: int
    heads: int
    token_heads: int
    head_width: int
    zero_init: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, embedding: Array, context: tuple[Array, ...]) -> Array:
        """x [B, T, C], embedding [B, E], context () or (tokens, mask) -> [B, T, C]."""
        norm = partial(GroupNorm, self.groups, dtype=self.dtype)
        x = ResBlock(x.shape[-1], self.conv, norm, self.zero_init, self.dtype, name="res")(x)
        x = Modulation(self.dtype, name="modulation")(x, embedding)
        attention = partial(Attention, head_width=self.head_width, zero_init=self.zero_init, dtype=self.dtype)
        if self.heads:
            x = attention(self.heads, name="attention")(x, x)
        if self.heads and self.token_heads:
            x = attention(self.token_heads, name="cross_attention")(x, *context)
        return x


class Modulation(nn.Module):
    """norm(x) (1 + scale) + shift, both linear in silu(embedding); the norm, over channels, has no weights (arXiv 2212.09748)."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, embedding: Array) -> Array:
        """x [B, T, C], embedding [B, E] -> [B, T, C]."""
        both = dense(2 * x.shape[-1], self.dtype, name="dense")(nn.silu(embedding))[:, None]
        scale, shift = jnp.split(both, 2, axis=-1)
        norm = nn.LayerNorm(
            1e-6, use_bias=False, use_scale=False, use_fast_variance=False, dtype=self.dtype, name="norm"
        )
        return norm(x) * (1 + scale) + shift


class Attention(nn.Module):
    """x + out(softmax(q k^T / sqrt(head_width)) v), q of norm(x), k and v of norm(tokens): linear layers without biases (arXiv 1706.03762)."""

    num_heads: int
    head_width: int
    zero_init: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, tokens: Array, mask: Array | None = None) -> Array:
        """x [B, T, C], tokens [B, L, D] (x itself: self-attention), mask bool [B, L] of those to attend to -> [B, T, C]."""

        def norm(name: str) -> nn.LayerNorm:
            return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, dtype=self.dtype, name=name)

        def heads(of: Array, name: str) -> Array:  # [B, L, D] -> [B, L, heads, width]
            h = dense(self.num_heads * self.head_width, self.dtype, use_bias=False, name=name)(of)
            return h.reshape(*of.shape[:2], self.num_heads, self.head_width)

        h, tokens = norm("norm")(x), norm("norm_tokens")(tokens)
        h = attend(heads(h, "query"), heads(tokens, "key"), heads(tokens, "value"), mask)
        out = dense(x.shape[-1], self.dtype, self.zero_init, use_bias=False, name="out")
        return x + out(h.reshape(*x.shape[:2], -1))


class WaveEmbedding(nn.Module):
    """gelu(mlp) twice, with the same weights, of gelu(dense([t, sin(2 pi w t), cos(2 pi w t)])), w learned (after arXiv 2006.10739)."""

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, t: Array) -> Array:
        """t [B], from 0 to 1 -> [B, width]."""
        frequencies = self.param("frequencies", nn.initializers.normal(1.0), (WAVES,), jnp.float32)
        angles = 2 * jnp.pi * t[:, None] * frequencies
        waves = jnp.concatenate([t[:, None], jnp.sin(angles), jnp.cos(angles)], axis=-1)
        h = nn.gelu(dense(self.width, self.dtype, name="dense_0")(waves), approximate=False)
        again = dense(self.width, self.dtype, name="dense_1")
        return nn.gelu(again(nn.gelu(again(h), approximate=False)), approximate=False)


def _as_tuple(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)
