"""HTS-AT with CLAP's projection: a log-mel of 10 s -> 512 numbers. float32; trained elsewhere and only read here."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.typing import Params

FOLDS = 4  # a mel's time is cut in so many pieces, one below the other, so that it becomes a square
PATCH = 4  # bins and frames that become one token


class Htsat(nn.Module):
    """A Swin transformer (arXiv 2103.14030) on a folded mel (arXiv 2202.00874), its mean projected (arXiv 2211.06687).

    The defaults are those of the tiny one; the base one is Htsat(128, (2, 2, 12, 2)).

    width: of the first stage; each later one has twice that, and a quarter of the tokens
    depths, num_heads: blocks of each stage, and the heads of their attention
    window: tokens of a window, along either side
    projected: of the result
    """

    width: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 8
    projected: int = 512

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, T, F], 1001 frames of 64 bins as it was trained on, at most 16 F frames -> [B, projected]; not normalised."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        shift = self.param("shift", nn.initializers.zeros, x.shape[-1:])
        x = fold(x * scale + shift)[..., None]  # batch normalisation that learns no more is a line for each bin
        x = nn.Conv(self.width, (PATCH, PATCH), (PATCH, PATCH), padding="VALID", name="patches")(x)
        x = _norm("norm_patches")(x)  # [B, H, W, width]
        for i, (depth, heads) in enumerate(zip(self.depths, self.num_heads)):
            if i:
                x = Merge(name=f"merge_{i}")(x)
            for j in range(depth):
                # Where one window is all there is, a shift would only cut it.
                moved = self.window // 2 if j % 2 and min(x.shape[1:3]) > self.window else 0
                x = Block(heads, self.window, moved, name=f"block_{i}_{j}")(x)
        x = _norm("norm")(x).mean(axis=(1, 2))
        return nn.Dense(self.projected, name="project_1")(nn.relu(nn.Dense(self.projected, name="project_0")(x)))


class Block(nn.Module):
    """x + attention(norm(x)) within windows, which every second block moves by half of one, then x + dense(gelu(dense(norm(x))))."""

    num_heads: int
    window: int
    shift: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, H, W, C]; H and W are multiples of the window."""
        batch, height, width, channels = x.shape
        size, heads = self.window**2, (self.num_heads, channels // self.num_heads)
        distances = self.param("distances", nn.initializers.zeros, ((2 * self.window - 1) ** 2, self.num_heads))
        bias = distances[distance_index(self.window)].transpose(2, 0, 1)[None]  # [1, heads, size, size]

        h = jnp.roll(_norm("norm_0")(x), (-self.shift, -self.shift), (1, 2))
        h = _windows(h, self.window).reshape(-1, size, channels)
        query, key, value = jnp.split(nn.Dense(3 * channels, name="qkv")(h), 3, axis=-1)
        query, key, value = (part.reshape(-1, size, *heads) for part in (query, key, value))
        mask = np.tile(neighbours(height, width, self.window, self.shift), (batch, 1, 1))[:, None]
        h = jax.nn.dot_product_attention(query, key, value, bias, mask).reshape(-1, size, channels)
        h = nn.Dense(channels, name="out")(h)
        h = h.reshape(batch, height // self.window, width // self.window, self.window, self.window, channels)
        h = h.swapaxes(2, 3).reshape(x.shape)
        x = x + jnp.roll(h, (self.shift, self.shift), (1, 2))

        h = nn.gelu(nn.Dense(4 * channels, name="dense_0")(_norm("norm_1")(x)), approximate=False)
        return x + nn.Dense(channels, name="dense_1")(h)


class Merge(nn.Module):
    """2 x 2 tokens become one, of twice the width."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[B, H, W, C] -> [B, H / 2, W / 2, 2 C]."""
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 4, 2, 5)
        x = x.reshape(batch, height // 2, width // 2, 4 * channels)
        return nn.Dense(2 * channels, use_bias=False, name="dense")(_norm("norm")(x))


def network_of(params: Params) -> Htsat:
    """The network that these are parameters of, by their shapes."""
    stages: dict[int, list[Params]] = {}
    for name, block in params.items():
        if name.startswith("block_"):
            stages.setdefault(int(name.split("_")[1]), []).append(block)
    rows = stages[0][0]["distances"].shape[0]  # (2 window - 1)^2
    return Htsat(
        width=params["patches"]["kernel"].shape[-1],
        depths=tuple(len(stages[i]) for i in sorted(stages)),
        num_heads=tuple(stages[i][0]["distances"].shape[-1] for i in sorted(stages)),
        window=(round(rows**0.5) + 1) // 2,
        projected=params["project_1"]["kernel"].shape[-1],
    )


def fold(x: Array) -> Array:
    """[B, T, F] -> [B, 4 F, 4 F]: T stretched to 16 F frames, and four pieces of time below each other, each with bins as rows.

    Rows are bins here, unlike anywhere else in this house: what was learned about windows and neighbours depends on the order.
    """
    bins = x.shape[-1]
    x = jnp.einsum("st,btf->bsf", cubic(x.shape[1], FOLDS**2 * bins), x)
    pieces = x.reshape(len(x), FOLDS, FOLDS * bins, bins)
    return pieces.swapaxes(2, 3).reshape(len(x), FOLDS * bins, FOLDS * bins)


def cubic(length: int, stretched: int) -> np.ndarray:
    """float32 [stretched, length]: cubic convolution with a = -3/4 (Keys 1981), first and last on each other, ends repeated beyond themselves."""
    # single precision, for a place such as 999.0 or 998.99994 decides about the weights' last digits
    at = np.arange(stretched, dtype=np.float32) * (np.float32(length - 1) / np.float32(stretched - 1))
    start = np.floor(at)
    matrix = np.zeros((stretched, length), np.float32)
    for tap in range(-1, 3):
        away = np.abs(at - start - tap)
        near = (1.25 * away - 2.25) * away**2 + 1
        far = -0.75 * (((away - 5) * away + 8) * away - 4)
        column = np.clip(start.astype(int) + tap, 0, length - 1)
        np.add.at(matrix, (np.arange(stretched), column), np.where(away <= 1, near, far))
    return matrix


def distance_index(window: int) -> np.ndarray:
    """[window^2, window^2]: the row of the learned biases for each pair of a window's tokens, by their distance along both sides."""
    row, column = np.divmod(np.arange(window**2), window)
    down, right = row[:, None] - row + window - 1, column[:, None] - column + window - 1
    return down * (2 * window - 1) + right


def neighbours(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """bool [windows, window^2, window^2]: which pairs of a window are neighbours in the picture too, and not brought together by the shift."""

    def region(size: int) -> np.ndarray:
        place = np.arange(size)
        return (place >= size - window).astype(int) + (place >= size - shift) if shift else 0 * place

    regions = 3 * region(height)[:, None] + region(width)
    regions = _windows(regions[None, ..., None], window).reshape(-1, window**2)
    return regions[:, :, None] == regions[:, None, :]


def _windows(x, window: int):
    """[B, H, W, C] -> [B, H / window, W / window, window, window, C]."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // window, window, width // window, window, channels).swapaxes(2, 3)


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(1e-5, use_fast_variance=False, name=name)
