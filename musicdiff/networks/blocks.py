"""One resolution of a network: residual blocks, attention where wanted, and the step to the next resolution.

A block is told what to build with, never how: `parts` holds its layers with everything bound but widths and names, so that another kind of
attention is another part, not another block. `context` is what attention is given beside the picture: nothing, or tokens and their mask.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.errors import UsageError
from musicdiff.networks.convolution import PADDINGS, ROUTES
from musicdiff.networks.layers import Conv, GroupNorm, ResBlock, SelfAttention
from musicdiff.networks.transformer import SpatialTransformer


class Parts(NamedTuple):
    """What the blocks of one network build with: layer factories, called as `conv(channels, name=...)`, `norm(name=...)` and so on."""

    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]
    res: Callable[..., nn.Module]
    attention: Callable[..., nn.Module]


def make_parts(
    *,
    groups: int,
    eps: float,
    head_width: int | None,
    zero_init: bool,
    padding: str,
    conv_route: str,
    dtype: Any,
    remat: bool,
    num_heads: int = 0,
) -> Parts:
    """The parts of a network; with `num_heads` its attention is to tokens too, and `head_width` of no account.

    With `remat` residual blocks and attention keep only their input, and compute again in the backward pass.
    """
    for name, value, allowed in (("padding", padding, PADDINGS), ("conv_route", conv_route, ROUTES)):
        if value not in allowed:
            raise UsageError(f"{name}={value!r}: it is one of {', '.join(allowed)}")
    wrap = nn.remat if remat else lambda layer: layer
    conv = partial(Conv, padding=padding, route=conv_route, dtype=dtype)
    norm = partial(GroupNorm, groups=groups, eps=eps, dtype=dtype)
    res = partial(wrap(ResBlock), conv=conv, norm=norm, zero_init=zero_init, dtype=dtype)
    if not num_heads:
        attention = partial(wrap(SelfAttention), norm=norm, head_width=head_width, zero_init=zero_init, dtype=dtype)
    else:
        attention = partial(
            wrap(SpatialTransformer), conv=conv, norm=norm, num_heads=num_heads, zero_init=zero_init, dtype=dtype
        )
    return Parts(conv, norm, res, attention)


class DownBlock(nn.Module):
    """Residual blocks, each followed by attention where wanted, then a convolution of stride 2 (`down_pad` None: no step down)."""

    channels: int
    num_res_blocks: int
    parts: Parts
    attention: bool
    down_pad: tuple[int, int] | None

    @nn.compact
    def __call__(
        self, x: Array, embedding: Array | None = None, context: Sequence[Array] = ()
    ) -> tuple[Array, list[Array]]:
        """Returns the result [B, T, F, channels] (half of T and F after a step down) and every layer's output on the way, the last included."""
        outputs = []
        for i in range(self.num_res_blocks):
            x = self.parts.res(self.channels, name=f"res_{i}")(x, embedding)
            if self.attention:
                x = self.parts.attention(name=f"attention_{i}")(x, *context)
            outputs.append(x)
        if self.down_pad is not None:
            x = self.parts.conv(self.channels, stride=2, pad=self.down_pad, name="downsample")(x)
            outputs.append(x)
        return x, outputs


class MiddleBlock(nn.Module):
    """Residual block, attention where wanted, residual block."""

    parts: Parts
    attention: bool = True

    @nn.compact
    def __call__(self, x: Array, embedding: Array | None = None, context: Sequence[Array] = ()) -> Array:
        x = self.parts.res(x.shape[-1], name="res_0")(x, embedding)
        if self.attention:
            x = self.parts.attention(name="attention_0")(x, *context)
        return self.parts.res(x.shape[-1], name="res_1")(x, embedding)


class UpBlock(nn.Module):
    """Residual blocks, each followed by attention where wanted, then every place doubled on both axes and convolved (`upsample`)."""

    channels: int
    num_res_blocks: int
    parts: Parts
    attention: bool
    upsample: bool

    @nn.compact
    def __call__(
        self, x: Array, embedding: Array | None = None, context: Sequence[Array] = (), skips: Sequence[Array] = ()
    ) -> Array:
        """`skips`: a concatenation for the input of each residual block, the last first; or none."""
        for i in range(self.num_res_blocks):
            if skips:
                x = jnp.concatenate([x, skips[-1 - i]], axis=-1)
            x = self.parts.res(self.channels, name=f"res_{i}")(x, embedding)
            if self.attention:
                x = self.parts.attention(name=f"attention_{i}")(x, *context)
        if self.upsample:
            x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
            x = self.parts.conv(self.channels, name="upsample")(x)
        return x


def check_widths(channels: Sequence[int], groups: int) -> None:
    """Raises UsageError unless every width can be normalised in `groups` groups."""
    for width in channels:
        if width % groups:
            raise UsageError(f"channels={tuple(channels)}: {width} is not divisible by groups={groups}")


def check_input(x: Array, channels: int, multiple: tuple[int, int]) -> None:
    """Raises UsageError unless x is [B, T, F, channels] with T and F multiples of `multiple`."""
    if x.ndim != 4 or x.shape[-1] != channels:
        raise UsageError(f"the network takes [B, T, F, {channels}], got {list(x.shape)}")
    for name, size, step in zip(("frames", "mel bins"), x.shape[1:3], multiple):
        if size % step:
            below = size - size % step
            nearest = f"{below} or {below + step}" if below else f"{step}"
            raise UsageError(f"{size} {name}: this network takes multiples of {step}, for example {nearest}")
