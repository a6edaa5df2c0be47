"""What an estimator hands back, and the one way from scores of candidates to a confidence."""

from typing import Any, NamedTuple

import numpy as np

from musicdiff.audio import io

RATE = 22_050  # Hz at which tempo and key are heard


class Estimate(NamedTuple):
    """value: None where nothing can be said; confidence: 0 .. 1, the share of such estimates that are right on the built-in songs."""

    value: Any
    confidence: float


UNKNOWN = Estimate(None, 0.0)


def softmax(scores: np.ndarray) -> np.ndarray:
    """p_i = exp(s_i) / sum_j exp(s_j): float64 [N] -> [N]."""
    p = np.exp(scores - scores.max())
    return p / p.sum()


def mono(audio: np.ndarray, rate: int, to: int = RATE) -> np.ndarray:
    """audio [N] or [N, C] as one channel at another rate: float32 [M]."""
    return io.resample(io.mix(np.asarray(audio, np.float32).reshape(len(audio), -1), 1), rate, to)[:, 0]
