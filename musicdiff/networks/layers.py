"""The layers that networks of pictures and of sound are made of. Parameters are float32; `dtype` is what they compute in."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import Array

from musicdiff.networks.attention import attend
from musicdiff.networks.convolution import convolve

# Uniform in +-1/sqrt(fan_in), as PyTorch draws the weights of both its linear layers and its convolutions.
fan_in_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Conv(nn.Module):
    """A square convolution. `pad` (before, after) holds for both axes; None keeps the size at stride 1."""

    channels: int
    size: int = 3
    stride: int = 1
    pad: tuple[int, int] | None = None
    zero_init: bool = False
    padding: str = "zeros"
    route: str = "auto"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel_init = nn.initializers.zeros if self.zero_init else fan_in_uniform
        kernel = self.param("kernel", kernel_init, (self.size, self.size, x.shape[-1], self.channels), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        pad = ((self.size - 1) // 2, self.size // 2) if self.pad is None else self.pad
        return convolve(x, kernel, self.stride, pad, self.padding, self.route) + bias


class Conv1D(nn.Module):
    """A convolution of time of odd size and stride 1 that keeps the length; 'circular' continues time by its own other end."""

    channels: int
    size: int = 3
    zero_init: bool = False
    padding: str = "zeros"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, T, C] -> [B, T, channels]."""
        kernel_init = nn.initializers.zeros if self.zero_init else fan_in_uniform
        kernel = self.param("kernel", kernel_init, (self.size, x.shape[-1], self.channels), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        side = self.size // 2
        if self.padding == "circular":
            x, side = jnp.pad(x, ((0, 0), (side, side), (0, 0)), mode="wrap"), 0
        # XLA's own: on CPU too it is faster than a matrix product of patches, forward and backward (docs/networks.md).
        return (
            jax.lax.conv_general_dilated(x, kernel, (1,), ((side, side),), dimension_numbers=("NWC", "WIO", "NWC"))
            + bias
        )


class GroupNorm(nn.Module):
    """y = scale (x - mean) / sqrt(var + eps) + bias, mean and variance over all places and a group's channels (arXiv 1803.08494).

    x is [B, T, F, C] or [B, T, C]. Sums run over the places first and over a group's channels after, which XLA vectorises; the variance is
    taken about the mean (two passes), and both are float32 whatever x is.
    """

    groups: int = 32
    eps: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)

        places = tuple(range(1, x.ndim - 1))

        def over_groups(moments: Array) -> Array:  # [B, C] -> [B, 1, 1, C], or [B, 1, C]
            grouped = moments.reshape(-1, self.groups, channels // self.groups).mean(-1)
            return jnp.expand_dims(jnp.repeat(grouped, channels // self.groups, axis=-1), places)

        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = x - over_groups(x.mean(places))
        variance = over_groups(jnp.square(centred).mean(places))
        return (centred * (scale * jax.lax.rsqrt(variance + self.eps)) + bias).astype(self.dtype)


class ResBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + dense(silu(embedding))))), the residual path projected where the width changes.

    `conv` and `norm` are the network's `Conv` and `GroupNorm` with everything but widths and names bound.
    """

    channels: int
    conv: Any
    norm: Any
    zero_init: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, embedding: Array | None = None) -> Array:
        """x [B, T, F, C] or [B, T, C], embedding [B, E] or None -> the same places, `channels` of them."""
        h = self.conv(self.channels, name="conv_0")(nn.silu(self.norm(name="norm_0")(x)))
        if embedding is not None:
            told = dense(self.channels, self.dtype, name="time")(nn.silu(embedding))
            h += jnp.expand_dims(told, tuple(range(1, x.ndim - 1)))
        h = nn.silu(self.norm(name="norm_1")(h))
        h = self.conv(self.channels, zero_init=self.zero_init, name="conv_1")(h)
        if x.shape[-1] != self.channels:
            x = self.conv(self.channels, size=1, name="shortcut")(x)
        return x + h


class SelfAttention(nn.Module):
    """x + out(softmax(q k^T / sqrt(width)) v) over all places of time and frequency, in heads of `head_width` (None: one head)."""

    norm: Any
    head_width: int | None = None
    zero_init: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch, frames, bins, channels = x.shape
        h = self.norm(name="norm")(x).reshape(batch, frames * bins, channels)
        heads = (batch, frames * bins, -1, self.head_width or channels)  # [B, L, heads, width]
        query, key, value = (
            dense(channels, self.dtype, name=name)(h).reshape(heads) for name in ("query", "key", "value")
        )
        h = attend(query, key, value).reshape(batch, frames, bins, channels)
        return x + dense(channels, self.dtype, zero_init=self.zero_init, name="out")(h)


class NoiseEmbedding(nn.Module):
    """dense(silu(dense([cos(c w), sin(c w)]))), w = 10000^(-i / (width / 2)), i = 0 .. width / 2 - 1 (arXiv 1706.03762)."""

    width: int
    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, c_noise: Array) -> Array:
        """c_noise [B] -> [B, features]."""
        h = sinusoids(c_noise, self.width)
        h = nn.silu(dense(self.features, self.dtype, name="dense_0")(h))
        return dense(self.features, self.dtype, name="dense_1")(h)


def dense(
    features: int, dtype: Any, zero_init: bool = False, use_bias: bool = True, name: str | None = None
) -> nn.Dense:
    """A linear layer on the last axis."""
    kernel_init = nn.initializers.zeros if zero_init else fan_in_uniform
    return nn.Dense(features, use_bias, dtype=dtype, kernel_init=kernel_init, name=name)


def sinusoids(positions: Array, width: int) -> Array:
    """[cos(p w), sin(p w)] at width / 2 frequencies w that fall geometrically from 1 towards 1 / 10000: [B] -> [B, width]."""
    positions = positions.astype(jnp.promote_types(positions.dtype, jnp.float32))
    frequencies = jnp.exp(-math.log(10000) * jnp.arange(width // 2, dtype=positions.dtype) / (width // 2))
    angles = positions[:, None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def space_to_depth(x: Array, patch: int) -> Array:
    """[B, T, F, C] -> [B, T/patch, F/patch, patch patch C]: each patch of the picture becomes the channels of one place."""
    batch, frames, bins, channels = x.shape
    x = x.reshape(batch, frames // patch, patch, bins // patch, patch, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, frames // patch, bins // patch, -1)


def depth_to_space(x: Array, patch: int) -> Array:
    """The inverse of `space_to_depth`."""
    batch, frames, bins, channels = x.shape
    x = x.reshape(batch, frames, bins, patch, patch, channels // patch**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, frames * patch, bins * patch, -1)
