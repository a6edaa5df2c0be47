"""Audio that is a circle: its STFT with frames at any places of it, for loops whose samples no hop divides, and its resampling without a seam."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.audio.stft import hann
from musicdiff.errors import UsageError


def places(num_frames: int, num_samples: int) -> np.ndarray:
    """round(t N / T), the sample that frame t is centred at: int [T]."""
    return np.round(np.arange(num_frames) * (num_samples / num_frames)).astype(np.int64)


def stft(audio: Array, n_fft: int, centres: np.ndarray) -> Array:
    """X[t, k] = sum_n w[n] x[c_t + n - n_fft/2] exp(-2 pi i k n / n_fft), x a circle: real [..., N] -> complex [..., T, n_fft // 2 + 1].

    centres: int [T], as of `places`; neighbours at most a third of n_fft apart
    """
    indices = _indices(n_fft, centres, audio.shape[-1])
    return jnp.fft.rfft(audio[..., indices] * hann(n_fft).astype(audio.dtype))


def istft(spectrum: Array, n_fft: int, centres: np.ndarray, num_samples: int) -> Array:
    """x[m] = sum_t w[m - c_t] y_t[m - c_t] / sum_t w^2[m - c_t], around the circle: the least-squares inverse (Griffin & Lim 1984).

    Returns real [..., num_samples].
    """
    frames = jnp.fft.irfft(spectrum, n_fft)
    frames = frames * hann(n_fft).astype(frames.dtype)
    indices = _indices(n_fft, centres, num_samples)
    signal = jnp.zeros((*frames.shape[:-2], num_samples), frames.dtype).at[..., indices].add(frames)
    weights = np.zeros(num_samples)
    np.add.at(weights, indices, np.broadcast_to(hann(n_fft) ** 2, indices.shape))
    return signal / weights.astype(frames.dtype)


def resample(audio: Array | np.ndarray, num_samples: int) -> Array | np.ndarray:
    """[..., N, C] -> [..., num_samples, C]: the same periodic signal at as many places of the circle, by one FFT; numpy in double precision.

    What both numbers of samples can hold is kept exactly, and higher frequencies are left out: no filter rings, and the wrap is like any other place.
    """
    xp = jnp if isinstance(audio, Array) else np
    given = audio.shape[-2]
    if num_samples < 1 or not given:
        raise UsageError(f"a circle has at least one sample; {given} cannot become {num_samples}")
    if num_samples == given:
        return audio
    kept = (min(given, num_samples) + 1) // 2  # of an even number, the highest frequency has no phase
    spectrum = xp.fft.rfft(audio, axis=-2)[..., :kept, :]
    above = [(0, 0)] * (audio.ndim - 2) + [(0, num_samples // 2 + 1 - kept), (0, 0)]
    return xp.fft.irfft(xp.pad(spectrum, above), num_samples, axis=-2) * (num_samples / given)


def _indices(n_fft: int, centres: np.ndarray, num_samples: int) -> np.ndarray:
    """Which sample each frame's n-th is: int [T, n_fft]. Raises UsageError for frames too far apart to reach every sample well."""
    widest = np.diff(centres, append=centres[0] + num_samples).max()
    if 3 * widest > n_fft:
        raise UsageError(f"frames of {n_fft} samples may lie at most a third of that apart, not {widest}")
    return (centres[:, None] + np.arange(n_fft) - n_fft // 2) % num_samples
