"""Edited: what every creative tool gives back."""

from dataclasses import dataclass

import numpy as np

from musicdiff.generation import Clips


@dataclass(frozen=True)
class Edited:
    """audio float64 [B, N, C], one clip a seed, at `rate`; clips: what the model made, at its own rate and channels; notes: lines to be said."""

    audio: np.ndarray
    rate: int
    clips: Clips
    notes: tuple[str, ...] = ()
