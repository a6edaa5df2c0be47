"""CLAP's audio embedding as laion_clap computes it: windows of 10 s at 48 kHz, 512 numbers on the unit sphere."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.audio import stft
from musicdiff.interop.laion_clap import FILES, convert
from musicdiff.networks.htsat import network_of
from musicdiff.typing import Params

__all__ = [
    "FILES",
    "HOP",
    "LICENCE",
    "PUBLISHED",
    "SAMPLE_RATE",
    "WINDOW",
    "convert",
    "embed",
    "log_mel",
    "windows",
    "zero_padded",
]

LICENCE, PUBLISHED = "CC0-1.0, as laion_clap says of itself", "checkpoints of laion_clap"
SAMPLE_RATE = 48_000
WINDOW, HOP = 480_000, 48_000  # of 10 s, every second
N_FFT, FRAME_HOP, NUM_MELS, F_MIN, F_MAX = 1024, 480, 64, 50.0, 14_000.0
POWER_FLOOR = 1e-10


def windows(audio: np.ndarray) -> np.ndarray:
    """[N] at SAMPLE_RATE -> [n, WINDOW]: a window each second as long as there are whole ones.

    A clip shorter than 10 s is one window, as in laion_clap: the clip as often as it fits whole, then zeros. Samples are rounded to 16 bits there.
    """
    if len(audio) < WINDOW:
        repeated = np.tile(audio, WINDOW // max(len(audio), 1))
        audio = np.pad(repeated, (0, WINDOW - len(repeated)))
    return np.lib.stride_tricks.sliding_window_view(_sixteen_bits(audio), WINDOW)[::HOP].copy()


def zero_padded(audio: np.ndarray) -> np.ndarray:
    """`windows` as fadtk cuts them, and as its published statistics were made: one at each whole second of the clip, zeros behind its end."""
    padded = np.pad(_sixteen_bits(audio), (0, WINDOW))
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(audio) : HOP].copy()


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


def _sixteen_bits(audio: np.ndarray) -> np.ndarray:
    """What is left of samples in laion_clap, which truncates them to integers of 16 bits."""
    return np.trunc(np.clip(audio, -1, 1) * np.float32(32767)).astype(np.float32) / np.float32(32767)
