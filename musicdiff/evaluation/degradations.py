"""Audio made worse by a known amount: what a score of quality must notice. Exact on audio float [N, C]; the same seed makes the same."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import fft

from musicdiff.evaluation.resampling import Seed

Audio = np.ndarray


class Degradation(NamedTuple):
    """unit: of a strength; strengths: from weak to strong; apply(audio, strength, seed) -> audio float32 [N, C]"""

    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Audio, float, Seed], Audio]


def noise(audio: Audio, snr: float, seed: Seed) -> Audio:
    """White Gaussian noise `snr` dB below the clip's power, exactly, in this very clip; of one seed the same at every level."""
    drawn = np.random.default_rng(seed).standard_normal(audio.shape)
    level = np.sqrt(np.mean(np.square(audio, dtype=np.float64)) / np.mean(drawn**2)) * 10 ** (-snr / 20)
    return (audio + level * drawn).astype(np.float32)


def low_pass(audio: Audio, octaves: float) -> Audio:
    """Nothing above the frequency that lies so many octaves below half the sample rate; what is below it is as it was (FFT of the clip)."""
    spectrum = fft.rfft(audio, axis=0)
    spectrum[int(len(audio) / 2 * 2.0**-octaves) + 1 :] = 0
    return fft.irfft(spectrum, len(audio), axis=0).astype(np.float32)


def gain(audio: Audio, decibels: float) -> Audio:
    """Turned up or, below 0, down. Nothing is clipped."""
    return (audio * 10 ** (decibels / 20)).astype(np.float32)


def clipping(audio: Audio, decibels: float) -> Audio:
    """Flattened so many dB below the clip's own peak."""
    limit = np.abs(audio).max() * 10 ** (-decibels / 20)
    return np.clip(audio, -limit, limit).astype(np.float32)


def silence(audio: Audio, share: float, seed: Seed) -> Audio:
    """One gap of that share of the clip, somewhere; of one seed a longer gap holds the shorter ones."""
    length = round(share * len(audio))
    start = int(np.random.default_rng(seed).uniform() * (len(audio) - length))
    muted = audio.astype(np.float32)
    muted[start : start + length] = 0
    return muted


def quantise(audio: Audio, bits: int) -> Audio:
    """As a file of so many bits holds it: the nearest of 2^bits levels from -1 to just below 1."""
    steps = 2.0 ** (bits - 1)
    return (np.clip(np.round(audio * steps), -steps, steps - 1) / steps).astype(np.float32)


DEGRADATIONS: Mapping[str, Degradation] = {
    "noise": Degradation("dB of signal to noise", (40, 30, 20, 10, 0), noise),
    "low-pass": Degradation(
        "octaves below half the rate", (1, 2, 3, 4, 5), lambda audio, octaves, seed: low_pass(audio, octaves)
    ),
    "gain": Degradation("dB", (-3, -6, -12, -24, -48), lambda audio, decibels, seed: gain(audio, decibels)),
    "clipping": Degradation(
        "dB below the peak", (6, 12, 18, 24, 30), lambda audio, decibels, seed: clipping(audio, decibels)
    ),
    "silence": Degradation("of the clip", (0.1, 0.25, 0.5, 0.75, 0.9), silence),
}
