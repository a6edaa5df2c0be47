"""The patch discriminator that an autoencoder may train against."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.blocks import check_input, check_widths
from musicdiff.networks.layers import Conv, GroupNorm


class PatchDiscriminator(nn.Module):
    """A logit for each overlapping patch of the picture (arXiv 1611.07004), GroupNorm in place of batch statistics: an example's logits are its own.

    channels: 4x4 convolutions of these widths, all of stride 2 but the last; the defaults judge patches of 70x70 places
    """

    in_channels: int = 1
    channels: tuple[int, ...] = (64, 128, 256, 512)
    groups: int = 32
    padding: str = "zeros"
    dtype: Any = jnp.float32

    @property
    def multiple(self) -> tuple[int, int]:
        """Frames and mel bins must be multiples of these two."""
        step = 2 ** (len(self.channels) - 1)
        return step, step

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, T, F, C] -> logits [B, T/f, F/f, 1], positive where a patch looks real."""
        check_widths(self.channels, self.groups)
        check_input(x, self.in_channels, self.multiple)
        conv = partial(Conv, size=4, padding=self.padding, dtype=self.dtype)
        h = x
        for i, width in enumerate(self.channels):
            last = i + 1 == len(self.channels)
            h = conv(width, stride=1 if last else 2, pad=(1, 2) if last else (1, 1), name=f"conv_{i}")(h)
            if i > 0:  # the first layer must see the level
                h = GroupNorm(self.groups, dtype=self.dtype, name=f"norm_{i}")(h)
            h = nn.leaky_relu(h, 0.2)
        return conv(1, name="conv_out")(h).astype(x.dtype)
