"""The two-dimensional U-Net that predicts noise (or v, or data) from a noised mel or latent."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from musicdiff.errors import UsageError
from musicdiff.networks.blocks import DownBlock, MiddleBlock, UpBlock, check_input, check_widths, make_parts
from musicdiff.networks.layers import NoiseEmbedding, depth_to_space, space_to_depth


class UNet2D(nn.Module):
    """The U-Net of arXiv 2006.11239 in the variant of arXiv 2105.05233's blocks: equal to diffusers' UNet2DModel, weight for weight.

    With `num_heads` it attends to tokens too, by the transformers of arXiv 2112.10752, and is equal to diffusers' UNet2DConditionModel.
    The defaults have 113,668,609 parameters; of channels (128, 256, 512, 512), attention_levels (0, 1, 2), num_heads 8 and tokens of width
    512 there are 139,673,217.

    in_channels, out_channels: of the picture
    channels: the width of each level; each level after the first halves time and frequency
    num_res_blocks: a level, one more on the way up
    attention_levels: the levels (0 = full resolution) with attention after each residual block; the middle always has it
    head_width: channels of one attention head; None: one head
    num_heads: of attention in every transformer, in place of the attention that `head_width` describes; 0: a network without tokens
    groups: of every GroupNorm
    patch: side of the squares that become one place before the first level, and again squares after the last
    zero_init: residual branches and the output start at zero
    padding: 'zeros', or 'circular': time is a circle, and shifts of x by `multiple` frames shift the result
    conv_route: 'auto', or 'xla' (networks.convolution)
    dtype: of the computation; parameters and the result's dtype are not affected
    remat: keep only the inputs of residual blocks and attention for the backward pass
    """

    in_channels: int = 1
    out_channels: int = 1
    channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512)
    num_res_blocks: int = 2
    attention_levels: tuple[int, ...] = (4,)
    head_width: int | None = 8
    num_heads: int = 0
    groups: int = 32
    patch: int = 1
    zero_init: bool = False
    padding: str = "zeros"
    conv_route: str = "auto"
    dtype: Any = jnp.float32
    remat: bool = False

    @property
    def multiple(self) -> tuple[int, int]:
        """Frames and mel bins must be multiples of these two."""
        step = self.patch * 2 ** (len(self.channels) - 1)
        return step, step

    @property
    def embedding_width(self) -> int:
        """The width of an embedded condition, and of the noise level's embedding that it is added to."""
        return 4 * self.channels[0]

    @nn.compact
    def __call__(
        self,
        x: Array,
        c_noise: Array,
        embedding: Array | None = None,
        tokens: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        """x [B, T, F, in_channels], c_noise [B] or [B, K] -> [B, T, F, out_channels].

        Of K numbers each has an embedding of its own, and they are added.

        Args:
            embedding: [B, embedding_width], an embedded condition, added to the embedding of c_noise
            tokens: [B, L, D], what a network with `num_heads` attends to, of any width D
            mask: bool [B, L], the tokens to attend to, at least one of each example; None: all

        Raises:
            UsageError: sizes do not fit, or there are tokens for a network without `num_heads`, or none for one with it
        """
        self._check(x, embedding, tokens)
        context = () if tokens is None else (tokens, mask)
        parts = make_parts(
            groups=self.groups,
            eps=1e-5,
            head_width=self.head_width,
            num_heads=self.num_heads,
            zero_init=self.zero_init,
            padding=self.padding,
            conv_route=self.conv_route,
            dtype=self.dtype,
            remat=self.remat,
        )
        for i, number in enumerate(c_noise[None] if c_noise.ndim == 1 else c_noise.T):
            name = "noise_embedding" if i == 0 else f"noise_embedding_{i}"
            noise = NoiseEmbedding(self.channels[0], self.embedding_width, self.dtype, name=name)(number)
            embedding = noise if embedding is None else noise + embedding
        levels = range(len(self.channels))

        h = parts.conv(self.channels[0], name="conv_in")(space_to_depth(x, self.patch))
        skips = [h]
        for i in levels:
            down_pad = (1, 1) if i < levels[-1] else None
            down = DownBlock(
                self.channels[i], self.num_res_blocks, parts, i in self.attention_levels, down_pad, name=f"down_{i}"
            )
            h, outputs = down(h, embedding, context)
            skips += outputs
        h = MiddleBlock(parts, name="middle")(h, embedding, context)
        for i in reversed(levels):
            num_res_blocks = self.num_res_blocks + 1
            up = UpBlock(self.channels[i], num_res_blocks, parts, i in self.attention_levels, i > 0, name=f"up_{i}")
            h = up(h, embedding, context, skips[-num_res_blocks:])
            del skips[-num_res_blocks:]

        h = nn.silu(parts.norm(name="norm_out")(h))
        h = parts.conv(self.out_channels * self.patch**2, zero_init=self.zero_init, name="conv_out")(h)
        return depth_to_space(h, self.patch).astype(x.dtype)

    def _check(self, x: Array, embedding: Array | None, tokens: Array | None) -> None:
        check_widths(self.channels, self.groups)
        check_input(x, self.in_channels, self.multiple)
        if self.channels[0] % 2:
            raise UsageError(f"channels={self.channels}: the first width must be even, it is the sinusoids' number")
        for i in self.attention_levels:
            if not 0 <= i < len(self.channels):
                raise UsageError(
                    f"attention_levels={self.attention_levels}: there are levels 0 to {len(self.channels) - 1}"
                )
        for i in {*self.attention_levels, len(self.channels) - 1}:
            name = "num_heads" if self.num_heads else "head_width"
            divisor = getattr(self, name)
            if divisor is not None and (divisor < 1 or self.channels[i] % divisor):
                raise UsageError(f"channels={self.channels}: level {i} is not divisible by {name}={divisor}")
        if embedding is not None and embedding.shape[-1] != self.embedding_width:
            raise UsageError(f"the network takes embeddings of width {self.embedding_width}, got {embedding.shape[-1]}")
        if not self.num_heads and tokens is not None:
            raise UsageError("this network attends to no tokens; one of num_heads=8, say, does")
        if self.num_heads and tokens is None:
            raise UsageError(f"a network of num_heads={self.num_heads} attends to tokens, and was called without")
