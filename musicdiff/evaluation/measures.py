"""How loud a clip is, and how much like noise: a number of audio float [N, C] at a rate in Hz, full scale 1, N at least 1."""

from collections.abc import Callable

import numpy as np
from scipy import signal

from musicdiff.audio import io
from musicdiff.audio.loudness import lufs
from musicdiff.audio.mel import MelSpec, decibels_of, historical_log_mel

PICTURE = MelSpec(level="clip")  # 22,050 Hz, 128 bins, from 80 dB below the loudest to it
SILENCE = 1e-20  # power: below what any file holds, so that silence is a number too
SEGMENT = 2048  # samples at PICTURE's rate: 93 ms, 10.8 Hz a bin
DEPTH = 1e-10  # of the loudest bin's power: what lies deeper is rounding


def mean_db(audio: np.ndarray, rate: int) -> float:
    """The mean of the clip's picture as the talk's models have it: dB below its loudest bin, from -80, over time and mel bins; -80 of silence.

    Noise fills the picture: it is high, wherever the level. Tones leave most of it empty. A clip below 58 ms is filled with zeros.
    """
    mono = _filled(_mono(audio, rate), PICTURE.n_fft + PICTURE.hop)
    if not mono.any():
        return -PICTURE.db_range
    return float(decibels_of(historical_log_mel(mono, PICTURE), PICTURE).mean())


def rms(audio: np.ndarray, rate: int) -> float:
    """10 log10 mean x^2 over all channels: dBFS, where a full-scale sine is -3.01; -200 of silence."""
    return _decibels(np.mean(np.square(audio, dtype=np.float64)))


def flatness(audio: np.ndarray, rate: int) -> float:
    """The geometric over the arithmetic mean of the power spectrum (Welch's, at 22,050 Hz, mono): 1 of white noise, 0 of a tone and of silence."""
    mono = _filled(_mono(audio, rate), SEGMENT).astype(np.float64)
    power = signal.welch(mono[:, 0], nperseg=SEGMENT, detrend=False)[1][1:]  # without 0 Hz, which is no sound
    if not power.any():
        return 0.0
    return float(np.exp(np.mean(np.log(np.maximum(power, DEPTH * power.max())))) / power.mean())


MEASURES: dict[str, Callable[[np.ndarray, int], float]] = {
    "mean_db": mean_db,
    "rms": rms,
    "lufs": lufs,
    "flatness": flatness,
}
UNITS = {"mean_db": "dB", "rms": "dBFS", "lufs": "LUFS", "flatness": ""}


def _mono(audio: np.ndarray, rate: int) -> np.ndarray:
    return io.resample(io.mix(audio, 1), rate, PICTURE.sample_rate)


def _filled(audio: np.ndarray, length: int) -> np.ndarray:
    return np.pad(audio, ((0, max(0, length - len(audio))), (0, 0)))


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, SILENCE)))
