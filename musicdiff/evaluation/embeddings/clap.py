"""CLAP's audio embedding as laion_clap computes it: windows of 10 s at 48 kHz, 512 numbers on the unit sphere."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array

from musicdiff.audio import stft
from musicdiff.errors import DataError
from musicdiff.evaluation.embedding import Embedding, Windows
from musicdiff.interop import pickles
from musicdiff.interop.laion_clap import convert
from musicdiff.networks.htsat import Htsat, network_of
from musicdiff.pretrained.clap import PUBLISHED
from musicdiff.typing import Params
from musicdiff.weights import sha256

VARIANTS = ("audio", "music", "audio-fadtk", "music-fadtk")
NETWORKS = {"audio": Htsat(), "music": Htsat(128, (2, 2, 12, 2))}
SAMPLE_RATE = 48_000
WINDOW, HOP = 480_000, 48_000  # of 10 s, every second
N_FFT, FRAME_HOP, NUM_MELS, F_MIN, F_MAX = 1024, 480, 64, 50.0, 14_000.0
POWER_FLOOR = 1e-10
PROTOCOL = (
    "dB of 64 Slaney bands of 50-14000 Hz, frames of 1024 every 480 samples, mirrored at the ends, samples of 16 bits; "
    "512 numbers of length 1; windows of 10 s every second"
)
FILLED = "whole ones; a clip below 10 s as often as it fits whole, then zeros"
FILLED_BY_FADTK = "one at each second of the clip, zeros behind its end, as fadtk has it"


def build(variant: str, weights: epath.PathLike | None) -> Embedding:
    """weights: the published file; None where it belongs."""
    variant = variant or VARIANTS[0]
    trained, _, fadtk = variant.partition("-")
    path = weights or PUBLISHED[trained].find()
    params = convert(pickles.read(path), str(path))
    if network_of(params) != NETWORKS[trained] or len(params["scale"]) != NUM_MELS:
        raise DataError(f"{path} is of another network than {PUBLISHED[trained].name}, which clap:{trained} reads")
    return Embedding(
        name=f"clap:{variant}",
        protocol=f"CLAP of {trained}; {PROTOCOL}, {FILLED_BY_FADTK if fadtk else FILLED}",
        sample_rate=SAMPLE_RATE,
        window=WINDOW,
        hop=HOP,
        width=NETWORKS[trained].projected,
        weights=sha256(path),
        params=jax.device_put(params),
        cut=cut_zero_padded if fadtk else cut,
        apply=embed,
    )


def cut(audio: np.ndarray) -> Windows:
    """[N] -> [n, WINDOW]: a window each second as long as there are whole ones.

    A clip shorter than 10 s is one window, as in laion_clap: the clip as often as it fits whole, then zeros; all but the clip itself is padding.
    Samples are rounded to 16 bits there.
    """
    if not len(audio):
        return _none()
    padding = max(0, 1 - len(audio) / WINDOW)
    if padding:
        repeated = np.tile(audio, WINDOW // len(audio))
        audio = np.pad(repeated, (0, WINDOW - len(repeated)))
    windows = _view(audio)
    return Windows(windows, np.full(len(windows), padding, np.float32))


def cut_zero_padded(audio: np.ndarray) -> Windows:
    """The same as fadtk does it, and as its published statistics were made: a window at each whole second of the clip, zeros behind its end."""
    if not len(audio):
        return _none()
    starts = np.arange(0, len(audio), HOP)
    windows = _view(np.pad(audio, (0, WINDOW)))[: len(starts)]
    return Windows(windows, np.maximum(0, 1 - (len(audio) - starts) / WINDOW).astype(np.float32))


def embed(params: Params, windows: Array) -> Array:
    """[B, WINDOW] -> [B, 512], each of length 1. Pure; for jax.jit."""
    with jax.default_matmul_precision("float32"):
        x = network_of(params).apply({"params": params}, log_mel(windows))
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def log_mel(windows: Array) -> Array:
    """10 log10 max(|STFT|^2 M, 1e-10): [B, N] -> [B, 1 + N // 480, 64]; frames are centred, and the signal is mirrored at its ends."""
    mirrored = jnp.pad(windows, ((0, 0), (N_FFT // 2, N_FFT // 2)), mode="reflect")
    frames = stft.frames(mirrored, N_FFT, FRAME_HOP)
    spectrum = jnp.fft.rfft(frames * stft.hann(N_FFT).astype(frames.dtype))
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return 10 * jnp.log10(jnp.maximum(jnp.matmul(power, filter_bank(), precision="highest"), POWER_FLOOR))


@lru_cache
def filter_bank() -> np.ndarray:
    """Slaney's, normalised by area: float32 [513, 64]."""
    import librosa.filters

    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=NUM_MELS, fmin=F_MIN, fmax=F_MAX).T


def _none() -> Windows:
    return Windows(np.zeros((0, WINDOW), np.float32), np.zeros(0, np.float32))


def _view(audio: np.ndarray) -> np.ndarray:
    """Windows every HOP samples, [n, WINDOW], which share their memory: each sample is in ten."""
    return np.lib.stride_tricks.sliding_window_view(_sixteen_bits(audio), WINDOW)[::HOP]


def _sixteen_bits(audio: np.ndarray) -> np.ndarray:
    """What is left of samples in laion_clap, which truncates them to integers of 16 bits."""
    return np.trunc(np.clip(audio, -1, 1) * np.float32(32767)).astype(np.float32) / np.float32(32767)
