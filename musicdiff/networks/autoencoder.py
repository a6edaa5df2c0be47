"""The KL autoencoder that turns a mel into a latent of fewer frames and bins, and back."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.networks.blocks import DownBlock, MiddleBlock, Parts, UpBlock, check_input, check_widths, make_parts
from musicdiff.networks.layers import depth_to_space, space_to_depth


class Autoencoder(nn.Module):
    """q(z | x) = N(mean(x), exp(log_var(x))), x = decode(z) (arXiv 1312.6114, 2112.10752): equal to diffusers' AutoencoderKL, weight for weight.

    The defaults have 83,607,691 parameters and shrink time and frequency by 8 each. Fields as in `UNet2D`, and

    latent_channels: z, the channels of a latent
    num_res_blocks: a level of the encoder, one more in the decoder
    attention: one head of attention in the middle of encoder and decoder
    """

    in_channels: int = 1
    latent_channels: int = 1
    channels: tuple[int, ...] = (128, 256, 512, 512)
    num_res_blocks: int = 2
    attention: bool = True
    groups: int = 32
    patch: int = 1
    padding: str = "zeros"
    conv_route: str = "auto"
    dtype: Any = jnp.float32
    remat: bool = False

    @property
    def multiple(self) -> tuple[int, int]:
        """Frames and mel bins must be multiples of these two: the size of the square that one place of a latent stands for."""
        step = self.patch * 2 ** (len(self.channels) - 1)
        return step, step

    def setup(self):
        check_widths(self.channels, self.groups)
        parts = make_parts(
            groups=self.groups,
            eps=1e-6,
            head_width=None,
            zero_init=False,
            padding=self.padding,
            conv_route=self.conv_route,
            dtype=self.dtype,
            remat=self.remat,
        )
        z, picture = self.latent_channels, self.in_channels * self.patch**2
        self.encoder = Encoder(self.channels, self.num_res_blocks, 2 * z, self.attention, parts)
        self.decoder = Decoder(self.channels, self.num_res_blocks, picture, self.attention, parts)
        self.moments = parts.conv(2 * z, size=1)
        self.latent = parts.conv(z, size=1)

    def encode(self, x: Array) -> tuple[Array, Array]:
        """x [B, T, F, C] -> mean and log variance of z, each [B, T/f, F/f, z]; log_var in [-30, 20]."""
        check_input(x, self.in_channels, self.multiple)
        moments = self.moments(self.encoder(space_to_depth(x, self.patch)))
        mean, log_var = jnp.split(moments.astype(x.dtype), 2, axis=-1)
        return mean, jnp.clip(log_var, -30.0, 20.0)

    def decode(self, z: Array) -> Array:
        """z [B, T/f, F/f, z] -> x [B, T, F, C]."""
        check_input(z, self.latent_channels, (1, 1))
        return depth_to_space(self.decoder(self.latent(z)), self.patch).astype(z.dtype)

    def __call__(self, x: Array) -> Array:
        """decode(mean(x)): what `init` runs, to make every parameter."""
        mean, _ = self.encode(x)
        return self.decode(mean)


class Encoder(nn.Module):
    """[B, T, F, C] -> [B, T/f, F/f, out_channels]."""

    channels: tuple[int, ...]
    num_res_blocks: int
    out_channels: int
    attention: bool
    parts: Parts

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = self.parts.conv(self.channels[0], name="conv_in")(x)
        for i, width in enumerate(self.channels):
            # Stride 2 with a row after the last place only: the one trap between this network and the U-Net.
            down_pad = (0, 1) if i + 1 < len(self.channels) else None
            h, _ = DownBlock(width, self.num_res_blocks, self.parts, False, down_pad, name=f"down_{i}")(h)
        h = MiddleBlock(self.parts, self.attention, name="middle")(h)
        h = nn.silu(self.parts.norm(name="norm_out")(h))
        return self.parts.conv(self.out_channels, name="conv_out")(h)


class Decoder(nn.Module):
    """[B, T/f, F/f, z] -> [B, T, F, out_channels]."""

    channels: tuple[int, ...]
    num_res_blocks: int
    out_channels: int
    attention: bool
    parts: Parts

    @nn.compact
    def __call__(self, z: Array) -> Array:
        h = self.parts.conv(self.channels[-1], name="conv_in")(z)
        h = MiddleBlock(self.parts, self.attention, name="middle")(h)
        for i in reversed(range(len(self.channels))):
            up = UpBlock(self.channels[i], self.num_res_blocks + 1, self.parts, False, i > 0, name=f"up_{i}")
            h = up(h)
        h = nn.silu(self.parts.norm(name="norm_out")(h))
        return self.parts.conv(self.out_channels, name="conv_out")(h)
