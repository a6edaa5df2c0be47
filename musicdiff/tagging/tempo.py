"""The tempo of a piece: how well its rhythm repeats at the beats, bars and divisions of each candidate.

A conditional logit over candidate tempi: the score of one is a weighted sum of the onsets' autocorrelation at RATIOS of its beat, in three bands of
frequency, and of a parabola in log tempo. Its softmax is the confidence. The weights are fitted to built-in songs by experiments/tagging.py.
"""

import numpy as np

from musicdiff.tagging.estimate import RATE, UNKNOWN, Estimate, mono, softmax

HOP = 220  # samples: 100 frames a second
BANDS = (0, 11, 32, 64)  # edges, in mel bins: below about 600 Hz, to 2 kHz, and above
CANDIDATES = np.exp(np.arange(np.log(40), np.log(220), 0.005))  # beats a minute
RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 3 / 2, 2, 3, 4, 6, 8)  # of a beat
LONGEST = 0.75  # of the piece: at longer lags too little of it is compared
CENTRE = 110.0  # beats a minute, of the parabola
SHORTEST = 2.0  # seconds
TOLERANCE = 0.04
WEIGHTS = np.array(
    [
        1.84, 2.95, 4.06, -0.39, -1.78, 6.95, 0.26, 2.67, -1.16, 7.33, 0.04, 1.77,
        -1.74, -7.85, -0.05, -2.92, 0.47, 3.09, -0.4, -0.31, -1.87, -0.91, -1.64, -2.02,
        -8.25, -6.49, 2.18, -5.15, 1.42, 1.13, -1.97, 5.06, 2.54, 1.56, 2.65, 4.17,
        -1.96, -3.31,
    ]  # by band, from the lowest; then of the parabola
)  # fmt: skip


def estimate(audio: np.ndarray, rate: int) -> Estimate:
    """Beats a minute, and the probability that they are within 4 %. audio [N] or [N, C]; of nothing, silence, or less than 2 s nothing is said."""
    if len(audio) < SHORTEST * rate:
        return UNKNOWN
    onsets = envelopes(mono(audio, rate))
    if not onsets.any():
        return UNKNOWN
    return from_features(features(onsets))


def from_features(heard: np.ndarray) -> Estimate:
    """[candidates, features] of `features`."""
    p = softmax(heard @ WEIGHTS)
    near = np.abs(CANDIDATES / CANDIDATES[p.argmax()] - 1) < TOLERANCE
    confidence = p[near].sum()
    return Estimate(float(np.exp(np.log(CANDIDATES[near]) @ p[near] / confidence)), float(confidence))


def envelopes(audio: np.ndarray) -> np.ndarray:
    """How much louder each band gets from frame to frame, in dB: float32 [N] at RATE -> [3, T]."""
    import librosa

    power = librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=2048, hop_length=HOP, n_mels=BANDS[-1])
    return librosa.onset.onset_strength_multi(S=librosa.power_to_db(power), sr=RATE, channels=BANDS)


def features(onsets: np.ndarray, frames_per_second: float = RATE / HOP) -> np.ndarray:
    """What each candidate is judged by: [3, T] -> [candidates, features]."""
    centred = onsets - onsets.mean(axis=1, keepdims=True)
    num = centred.shape[1]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * num)) ** 2)[:, :num]
    correlation *= num / np.arange(num, 0, -1)  # fewer frames are compared at longer lags
    correlation /= np.maximum(correlation[:, :1], 1e-9)
    lags = np.array(RATIOS) * 60 / CANDIDATES[:, None] * frames_per_second  # [candidates, ratios]
    heard = [np.where(lags < LONGEST * num, np.interp(lags, np.arange(num), band), 0) for band in correlation]
    octaves = np.log2(CANDIDATES / CENTRE)[:, None]
    return np.concatenate([*heard, octaves, octaves**2], axis=1)
