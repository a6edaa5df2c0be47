"""Short-time Fourier transform and its inverse: periodic Hann, centred frames, zero-padded or circular."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.errors import UsageError

PADDINGS = {"zeros": "constant", "circular": "wrap"}  # ours -> jnp.pad's mode


def num_frames(num_samples: int, hop: int) -> int:
    """T = ceil(N / hop): one frame centred at each multiple of hop inside the signal."""
    return -(-num_samples // hop)


def hann(n_fft: int) -> np.ndarray:
    """w[n] = sin^2(pi n / n_fft): the periodic Hann window, float64."""
    return np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2


def stft(audio: Array, n_fft: int, hop: int, padding: str = "zeros") -> Array:
    """X[t, k] = sum_n w[n] x[t hop + n - n_fft/2] exp(-2 pi i k n / n_fft).

    Args:
        audio: real [..., N]
        n_fft: even frame length, at least 3 hop
        hop: samples between frames; need not divide n_fft
        padding: what lies outside the signal: 'zeros', or 'circular', where N must be a multiple of hop

    Returns:
        complex [..., T, n_fft // 2 + 1], T = ceil(N / hop). librosa.stft has one frame more where hop divides N.
    """
    _check(n_fft, hop, padding)
    num_samples = audio.shape[-1]
    length, overlap = num_frames(num_samples, hop), -(-n_fft // hop)
    if padding == "circular" and num_samples % hop:
        raise UsageError(f"circular padding needs a multiple of hop {hop} samples; got {num_samples}")
    before = n_fft // 2
    after = (length + overlap - 1) * hop - before - num_samples
    widths = [(0, 0)] * (audio.ndim - 1)
    padded = jnp.pad(audio, [*widths, (before, max(after, 0))], mode=PADDINGS[padding])[
        ..., : before + num_samples + after
    ]
    return jnp.fft.rfft(frames(padded, n_fft, hop) * hann(n_fft).astype(audio.dtype))


def frames(signal: Array, size: int, hop: int) -> Array:
    """[..., N] -> [..., T, size], T = 1 + (N - size) // hop: frame t begins at sample t hop; nothing is padded, and a rest is left out."""
    length, overlap = 1 + (signal.shape[-1] - size) // hop, -(-size // hop)
    # A frame is `overlap` neighbouring blocks of hop samples side by side: slices and one concatenation, no gather.
    num_samples = (length + overlap - 1) * hop
    widths = [(0, 0)] * (signal.ndim - 1)
    signal = jnp.pad(signal, [*widths, (0, max(num_samples - signal.shape[-1], 0))])[..., :num_samples]
    blocks = signal.reshape(*signal.shape[:-1], length + overlap - 1, hop)
    return jnp.concatenate([blocks[..., i : i + length, :] for i in range(overlap)], axis=-1)[..., :size]


def istft(spectrum: Array, n_fft: int, hop: int, length: int | None = None, padding: str = "zeros") -> Array:
    """x[m] = sum_t w[m - t hop] y_t[m - t hop] / sum_t w^2[m - t hop]: the least-squares inverse (Griffin & Lim 1984).

    Args:
        spectrum: complex [..., T, n_fft // 2 + 1]
        n_fft, hop, padding: as in `stft`
        length: samples to return, at most T * hop, which is the default; circular signals are always whole

    Returns:
        real [..., length]
    """
    _check(n_fft, hop, padding)
    num = spectrum.shape[-2]
    frames = jnp.fft.irfft(spectrum, n_fft)
    frames = frames * hann(n_fft).astype(frames.dtype)
    signal = _overlap_add(frames, hop, padding, jnp)
    # The sum of windows depends on shapes only. numpy makes it while tracing: XLA would fold it for up to 18 s.
    weights = _overlap_add(np.broadcast_to(hann(n_fft) ** 2, (num, n_fft)), hop, padding, np)
    return (signal / weights.astype(frames.dtype))[..., : num * hop if length is None else length]


def _overlap_add(frames, hop: int, padding: str, xp):
    """Frames [..., T, n_fft], frame t centred at t hop, summed to [..., T hop], with the array module `xp`."""
    *batch, num, n_fft = frames.shape
    overlap, start = -(-n_fft // hop), n_fft // 2
    no_pad = [(0, 0)] * len(batch)
    blocks = xp.pad(frames, [*no_pad, (0, 0), (0, overlap * hop - n_fft)]).reshape(*batch, num, overlap, hop)
    if padding == "circular":
        signal = sum(xp.roll(blocks[..., i, :], i, axis=-2) for i in range(overlap))
        return xp.roll(signal.reshape(*batch, num * hop), -start, axis=-1)
    signal = sum(xp.pad(blocks[..., i, :], [*no_pad, (i, overlap - 1 - i), (0, 0)]) for i in range(overlap))
    return signal.reshape(*batch, (num + overlap - 1) * hop)[..., start : start + num * hop]


def _check(n_fft: int, hop: int, padding: str) -> None:
    if padding not in PADDINGS:
        raise UsageError(f"padding must be 'zeros' or 'circular'; got {padding!r}")
    if n_fft % 2 or not 3 <= 3 * hop <= n_fft:  # with longer hops, the windows hardly reach the last samples
        raise UsageError(f"n_fft must be even and hop at most a third of it; got n_fft {n_fft}, hop {hop}")
