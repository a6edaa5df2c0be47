"""VGGish as torchvggish runs it (and fadtk with it): windows of 0.96 s without overlap, 128 numbers before the last ReLU, no PCA.

Google's own protocol is another: windows of 1 s every 0.5 s, each at its peak level.
"""

from collections.abc import Mapping
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array

from musicdiff.audio import stft
from musicdiff.evaluation.embedding import Embedding, Windows
from musicdiff.interop import pickles
from musicdiff.interop.torchvggish import convert
from musicdiff.networks.vggish import Vggish
from musicdiff.pretrained.vggish import PUBLISHED
from musicdiff.typing import Params
from musicdiff.weights import sha256

VARIANTS = ()
NETWORK = Vggish()
SAMPLE_RATE = 16_000
FRAME, FRAME_HOP, N_FFT, FRAMES = 400, 160, 512, 96
NUM_MELS, F_MIN, F_MAX = 64, 125.0, 7500.0
WINDOW, HOP = (FRAMES - 1) * FRAME_HOP + FRAME, FRAMES * FRAME_HOP  # 15600 and 15360 samples
PROTOCOL = (
    "VGGish as torchvggish and fadtk run it; log(mel magnitude + 0.01) of 64 HTK bands of 125-7500 Hz, frames of 400 every 160 samples; "
    "128 numbers before the last ReLU, no PCA; windows of 96 frames without overlap, a rest left out, nothing padded"
)


def build(variant: str, weights: epath.PathLike | None) -> Embedding:
    """weights: the published file; None where it belongs."""
    path = weights or PUBLISHED[variant].find()
    tensors = pickles.read(path)
    params = convert(tensors if isinstance(tensors, Mapping) else {}, NETWORK, str(path))
    return Embedding(
        name="vggish",
        protocol=PROTOCOL,
        sample_rate=SAMPLE_RATE,
        window=WINDOW,
        hop=HOP,
        width=NETWORK.width,
        weights=sha256(path),
        params=jax.device_put(params),
        cut=cut,
        apply=embed,
    )


def cut(audio: np.ndarray) -> Windows:
    """[N] -> [n, WINDOW]: as many as there are whole ones. A clip shorter than 0.975 s has none, and nothing is padded."""
    if len(audio) < WINDOW:
        return Windows(np.zeros((0, WINDOW), np.float32), np.zeros(0, np.float32))
    windows = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float32), WINDOW)[::HOP]
    return Windows(windows, np.zeros(len(windows), np.float32))


def embed(params: Params, windows: Array) -> Array:
    """[B, WINDOW] -> [B, 128]. Pure; for jax.jit."""
    with jax.default_matmul_precision("float32"):
        return NETWORK.apply({"params": params}, log_mel(windows))


def log_mel(windows: Array) -> Array:
    """log(|STFT| M + 0.01): [B, N] -> [B, T, 64], T = 1 + (N - 400) // 160."""
    frames = stft.frames(windows, FRAME, FRAME_HOP)
    magnitude = jnp.abs(jnp.fft.rfft(frames * stft.hann(FRAME).astype(frames.dtype), N_FFT))
    return jnp.log(jnp.matmul(magnitude, filter_bank(), precision="highest") + 0.01)


@lru_cache
def filter_bank() -> np.ndarray:
    """float32 [257, 64]: triangles on HTK's mel scale, straight in mels and not in Hz as librosa's are; none hears 0 Hz."""
    bins = _mel(np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(F_MIN), _mel(F_MAX), NUM_MELS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bank = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return bank.astype(np.float32)


def _mel(hertz):
    return 1127 * np.log1p(hertz / 700)
