"""Which clip is where: every training clip of every step as a pure function of (seed, step), computed without reading anything."""

from typing import NamedTuple

import numpy as np

from musicdiff.data.permutation import hash64, permute

ORDER, CROP = 1, 2  # purposes, so that the order of an epoch and the crops within it are independent


class Examples(NamedTuple):
    """Clips to read: all arrays have the same shape [b].

    index: example ids, int64: one for each clip's length of each track, stable from epoch to epoch
    track: its track's number in its split
    start: the clip's first frame; the frames of audio are its samples
    """

    index: np.ndarray
    track: np.ndarray
    start: np.ndarray


class Clips:
    """Clips of `frames` frames out of tracks of the given lengths: a track of T frames is max(1, T // frames) examples.

    The places where a clip can start are divided among a track's examples in equal strata, so that an epoch covers every track evenly; where
    in its stratum an example starts is drawn anew each epoch. A track shorter than a clip is one example that starts at 0.
    """

    def __init__(self, lengths: np.ndarray, frames: int):
        self._lengths = np.asarray(lengths, np.int64)
        self._frames = frames
        self._counts = np.maximum(1, self._lengths // frames)
        self._ends = np.cumsum(self._counts)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, seed: int, step: int, batch_size: int) -> Examples:
        """The examples of a training step: rows step * batch_size ... of the endless list of shuffled epochs. O(1) in `step`."""
        epoch, place = np.divmod(int(step) * batch_size + np.arange(batch_size, dtype=np.int64), len(self))
        index = permute(place, len(self), hash64(seed, ORDER, epoch))
        draw = hash64(seed, CROP, epoch, index) >> np.uint64(11)
        return self._locate(index, draw.astype(np.float64) * 2.0**-53)  # 53 bits: exact in a double, and below 1

    def centred(self, limit: int | None = None) -> Examples:
        """Fixed examples for evaluation, each in the middle of its stratum; with a limit, that many of them, spread over all tracks."""
        count = len(self) if limit is None else min(limit, len(self))
        return self._locate(np.arange(count, dtype=np.int64) * len(self) // max(count, 1), 0.5)

    def tracks(self, index: np.ndarray) -> np.ndarray:
        """The numbers of the tracks that examples are cut from."""
        return np.searchsorted(self._ends, index, side="right")

    def _locate(self, index: np.ndarray, fraction: np.ndarray | float) -> Examples:
        track = self.tracks(index)
        count = self._counts[track]
        stratum = index - (self._ends[track] - count)
        places = np.maximum(1, self._lengths[track] - self._frames + 1)
        low, high = stratum * places // count, (stratum + 1) * places // count
        return Examples(index, track, low + np.floor(fraction * (high - low)).astype(np.int64))
