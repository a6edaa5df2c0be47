"""musicnn's 200 numbers before the tags (arXiv 1909.06654): windows of 3 s, heard as the tagger hears them. The default embedding."""

import jax
import numpy as np
from etils import epath
from jax import Array

from musicdiff import pretrained
from musicdiff.evaluation.embedding import Embedding, Windows
from musicdiff.interop import published
from musicdiff.networks.musicnn import Musicnn
from musicdiff.tagging import tags
from musicdiff.typing import Params
from musicdiff.weights import read_tree, sha256

VARIANTS = ("mtt", "msd")  # trained on MagnaTagATune, on the Million Song Dataset
WINDOW, HOP = (
    (tags.FRAMES - 1) * tags.HOP,
    tags.FRAMES * tags.HOP,
)  # 47616 samples have 187 frames, each 47872 more as many
WIDTH = 200
PROTOCOL = (
    "log10(1 + 10000 mel power) of 96 Slaney bands, frames of 512 every 256 samples, mirrored at the ends, power in half precision; "
    "200 numbers before the tags; windows of 187 frames without overlap, a rest left out, what is shorter repeated, no window below 512 samples"
)


def build(variant: str, weights: epath.PathLike | None) -> Embedding:
    """weights: a safetensors file of `networks.musicnn.Musicnn`; None for the fetched one of the variant."""
    corpus = (variant or VARIANTS[0]).upper()
    path = weights or pretrained.find(tags.WEIGHTS) / f"{corpus}_musicnn.safetensors"
    params = published.check(read_tree(path), Musicnn(), (1, tags.FRAMES, tags.NUM_MELS), str(path))
    return Embedding(
        name="musicnn" if variant in ("", VARIANTS[0]) else f"musicnn:{variant}",
        protocol=f"musicnn of {corpus}; {PROTOCOL}",
        sample_rate=tags.RATE,
        window=WINDOW,
        hop=HOP,
        width=WIDTH,
        weights=sha256(path),
        params=jax.device_put(params),
        cut=cut,
        apply=embed,
    )


def cut(audio: np.ndarray) -> Windows:
    """[N] -> log-mels [n, 187, 96]. On the host: rounding to half precision would show where another FFT rounds otherwise."""
    if len(audio) < tags.N_FFT:
        return Windows(np.zeros((0, tags.FRAMES, tags.NUM_MELS), np.float32), np.zeros(0, np.float32))
    mel = tags.log_mel(audio)
    x = tags.cut(mel)
    return Windows(x, np.full(len(x), max(0, 1 - len(mel) / tags.FRAMES), np.float32))


def embed(params: Params, x: Array) -> Array:
    """[B, 187, 96] -> [B, 200]. Pure; for jax.jit."""
    with jax.default_matmul_precision("float32"):
        return Musicnn().apply({"params": params}, x)[1]
