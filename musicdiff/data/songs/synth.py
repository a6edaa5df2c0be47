"""Sound from spectra: what is made here holds nothing above the Nyquist rate, and the same below it at every sample rate."""

import functools

import numpy as np
from scipy import fft

# Seconds at which a spectrum is stated; between them a sound moves on a straight line. Denser where sounds change faster.
KNOTS = np.array([0, 0.006, 0.015, 0.03, 0.05, 0.08, 0.13, 0.2, 0.3, 0.45, 0.7, 1.1, 1.7, 2.6, 4.0, 6.5, 20.0])
TURN = 1 << 32  # a cycle of phase, in the unsigned integers that wrap by themselves
MAX_HARMONICS = 128


def generator(*seed: int) -> np.random.Generator:
    """Random numbers that depend on `seed` alone, on every machine."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))


@functools.lru_cache(maxsize=8)
def clock(sample_rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(seconds, knot before, share of the knot after) of the first 20 s of samples: each float32 or int32 [n]."""
    seconds = np.arange(int(KNOTS[-1] * sample_rate)) / sample_rate
    position = np.interp(seconds, KNOTS, np.arange(len(KNOTS)))
    before = np.minimum(position.astype(np.int32), len(KNOTS) - 2)
    return seconds.astype(np.float32), before, (position - before).astype(np.float32)


def phase(
    frequency: float, size: int, sample_rate: int, start: float = 0.0, bend: np.ndarray | None = None
) -> np.ndarray:
    """Phases uint32 [n] of a steady frequency; `bend` [n] is added in cycles. Integers keep pitch exact for any length."""
    cycles = np.arange(size, dtype=np.uint32) * np.uint32(round(frequency / sample_rate * TURN))
    cycles += np.uint32(int(start * TURN) % TURN)
    if bend is not None:
        cycles += (bend * TURN).astype(np.int64).astype(np.uint32)
    return cycles


def scan_cycles(amplitudes: np.ndarray, cycles: np.ndarray, sample_rate: int) -> np.ndarray:
    """sum_k a_k(t) sin(2 pi k phase(t)) of a harmonic sound: [len(KNOTS), K] amplitudes and uint32 [n] phases -> float32 [n].

    One wave cycle is tabulated for each knot, then read along the phase and mixed along the time: a cost free of K.
    """
    _, before, share = clock(sample_rate)
    size = len(cycles)
    bits = int(np.clip(np.ceil(np.log2(32 * amplitudes.shape[1])), 11, 13))
    knots = before[size - 1] + 2
    spectrum = np.zeros((knots, (1 << bits) // 2 + 1), np.complex64)
    spectrum[:, 1 : amplitudes.shape[1] + 1] = -0.5j * (1 << bits) * amplitudes[:knots]
    table = fft.irfft(spectrum, axis=1).ravel()
    index = (cycles >> np.uint32(32 - bits)).astype(np.int32)
    index += before[:size] << bits
    sound = table.take(index)
    index += 1 << bits
    sound += share[:size] * (table.take(index) - sound)
    return sound


def sum_partials(amplitudes: np.ndarray, frequencies: np.ndarray, size: int, sample_rate: int) -> np.ndarray:
    """sum_k a_k(t) sin(2 pi f_k t) of an inharmonic sound: [len(KNOTS), K] amplitudes, [K] Hz -> float32 [n]."""
    _, before, share = clock(sample_rate)
    before, share = before[:size], share[:size]
    sound = np.zeros(size, np.float32)
    for envelope, frequency in zip(amplitudes.T.astype(np.float32), frequencies):
        wave = np.sin(phase(frequency, size, sample_rate).astype(np.float32) * np.float32(2 * np.pi / TURN))
        sound += wave * (envelope[before] + share * np.diff(envelope)[before])
    return sound


def shape_noise(rng: np.random.Generator, seconds: float, sample_rate: int, response) -> np.ndarray:
    """Gaussian noise with the magnitude response(f in Hz) -> float32 [seconds * sample_rate], RMS 1 over 22 kHz.

    Drawn bin by bin from the lowest: another sample rate makes the same noise, cut off elsewhere.
    """
    seconds = np.ceil(seconds * 50) / 50  # so that usual rates have whole numbers of samples, and equal bins
    size = round(seconds * sample_rate)
    frequencies = np.arange(size // 2 + 1) / seconds
    bins = rng.standard_normal((len(frequencies), 2), dtype=np.float32).view(np.complex64)[:, 0]
    magnitude = response(np.maximum(frequencies, 1.0)).astype(np.float32)
    magnitude[0] = 0.0
    reference = response(np.linspace(1.0, 22050.0, 2048))
    power = 4 * np.square(reference).mean() * 22050.0 * seconds
    return fft.irfft(bins * magnitude, n=size) * np.float32(size / np.sqrt(power))


def band(low: float, high: float, tilt: float = 0.0):
    """A response for `shape_noise` that falls 12 dB an octave outside low..high Hz; inside it goes as f ** tilt."""
    return lambda f: (f / 3000) ** tilt / np.sqrt((1 + (low / f) ** 4) * (1 + (f / high) ** 4))


def fade(sound: np.ndarray, sample_rate: int, attack: float, release: float) -> np.ndarray:
    """Half a cosine up over `attack` seconds at the start, and down over `release` at the end, in place: no clicks."""
    for samples, edge in (
        (int(attack * sample_rate), slice(None)),
        (int(release * sample_rate), slice(None, None, -1)),
    ):
        samples = min(samples, sound.shape[-1])
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(samples, dtype=np.float32) / max(samples, 1))
        sound[..., edge][..., :samples] *= ramp
    return sound


def pan_gains(pan: float, channels: int) -> np.ndarray:
    """Gains [channels, 1] of equal power, 1 in the centre; one channel is the mean of the two."""
    angle = np.pi / 4 * (1 + pan)
    gains = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)
    return gains if channels == 2 else gains.mean(0, keepdims=True)
