"""The key of a piece: the pitch classes of its spectral peaks, compared with a profile of the major and one of the minor keys.

A conditional logit over the 24 keys, as in tempo.py: the score of one is the profile, turned to its tonic, times the share of each pitch class. The
profiles are fitted to built-in songs by experiments/tagging.py; docs/tagging.md compares them with published ones.
"""

import numpy as np

from musicdiff.data.songs.harmony import key_name
from musicdiff.tagging.estimate import RATE, UNKNOWN, Estimate, mono, softmax

N_FFT, HOP = 8192, 2048  # 2.7 Hz between bins: a semitone apart from 90 Hz on, peaks are told apart
LOWEST, HIGHEST = 50.0, 2000.0  # Hz
TUNED_FROM = 250.0  # Hz: below, bins lie too far apart to tell how an instrument is tuned
FLOOR = 1e-3  # of the loudest frame: softer ones are not brought to the level of the others
MODES = ("major", "minor")
PROFILES = np.array(
    [
        [17.34, -6.85, 6.3, -14.16, 14.08, 4.56, -12.68, 12.46, -7.23, -4.8, -13.57, 3.71],
        [19.16, -12.12, 2.99, 10.0, -9.15, -5.43, -5.56, 11.76, -2.4, -12.24, 3.06, 0.76],
    ]  # major, minor; by semitones above the tonic
)  # fmt: skip
MINOR = 0.82  # what a minor key is ahead before anything is heard
# The longer a piece, the surer what stands out in it is the key and not a chord: scores are multiplied by SHARPNESS (seconds / LONG)^GROWTH.
LONG, SHARPNESS, GROWTH = 30.0, 5.05, 0.83


def estimate(audio: np.ndarray, rate: int) -> Estimate:
    """The key, as 'C minor', and the probability that it is this of the 24. audio [N] or [N, C]; of silence nothing is said."""
    classes = pitch_classes(mono(audio, rate)) if len(audio) else np.zeros(12)
    return from_pitch_classes(classes, len(audio) / rate)


def from_pitch_classes(classes: np.ndarray, seconds: float) -> Estimate:
    """[12] shares from C up, of which the sum is 1; zeros for silence. seconds: of the audio they were heard in."""
    if not classes.any():
        return UNKNOWN
    p = softmax(scores(classes) * SHARPNESS * (min(seconds, LONG) / LONG) ** GROWTH)
    best = int(p.argmax())
    return Estimate(key_name(best % 12, MODES[best // 12]), float(p[best]))


def scores(classes: np.ndarray) -> np.ndarray:
    """[12] -> [24]: the major keys from C up, then the minor ones."""
    turned = np.stack([np.roll(classes, -tonic) for tonic in range(12)])  # [tonic, degree]
    return np.concatenate([turned @ PROFILES[0], turned @ PROFILES[1] + MINOR])


def pitch_classes(audio: np.ndarray) -> np.ndarray:
    """The share of each pitch class, from C up, in the spectral peaks; each frame counts alike: float32 [N] at RATE -> [12]."""
    import librosa

    audio = np.pad(audio, (0, max(0, N_FFT - len(audio))))
    spectrum = np.abs(librosa.stft(audio, n_fft=N_FFT, hop_length=HOP)).T  # [T, K]
    hertz = librosa.fft_frequencies(sr=RATE, n_fft=N_FFT)
    inside = (hertz > LOWEST) & (hertz < HIGHEST)
    bins = np.flatnonzero(inside)
    here = spectrum[:, bins]
    peaks = np.where((here >= spectrum[:, bins - 1]) & (here >= spectrum[:, bins + 1]), here, 0)
    total = peaks.sum(axis=1, keepdims=True)
    strength = (peaks / np.maximum(total, FLOOR * total.max() + 1e-12)).mean(axis=0)
    semitones = librosa.hz_to_midi(hertz[bins])
    semitones -= _tuning(semitones, strength * (hertz[bins] > TUNED_FROM))
    nearest = np.round(semitones)
    strength *= np.cos(np.pi * (semitones - nearest)) ** 2  # what lies between two notes is neither
    classes = np.bincount(nearest.astype(int) % 12, strength, 12)
    return classes / max(classes.sum(), 1e-12)


def _tuning(semitones: np.ndarray, strength: np.ndarray) -> float:
    """How far the peaks lie above equal temperament at 440 Hz, in semitones, -0.5 .. 0.5: their circular mean."""
    return float(np.angle(strength @ np.exp(2j * np.pi * semitones)) / (2 * np.pi))
