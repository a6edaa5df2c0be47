"""Clips as vectors, a vector a window: what every score but the Fréchet distance of saved statistics is computed from."""

from dataclasses import dataclass

import numpy as np

from musicdiff.errors import DataError, UsageError

BLOCK = 4096  # windows that are read at once


@dataclass(frozen=True)
class Embedded:
    """Windows as vectors, each with the clip that it was cut from: windows of a clip are alike, so what is resampled is clips.

    10,000 clips of one window and 512 numbers are 20 MB, of ten windows 200 MB; x may as well be mapped from a file.

    Args:
        clip: of each window, int [N]: 0 ... clips - 1, in any order
        x: float [N, D]
        names: of the clips, for messages; may be left out
    Raises:
        DataError: nothing there, a clip without a window, or a number that is NaN or infinite; names the clip
        UsageError: shapes that do not go together
    """

    clip: np.ndarray
    x: np.ndarray
    names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.x.ndim != 2 or self.clip.shape != self.x.shape[:1] or not np.issubdtype(self.clip.dtype, np.integer):
            shapes = f"{list(self.x.shape)} and clip {self.clip.dtype} {list(self.clip.shape)}"
            raise UsageError(f"embeddings are x [N, D] with the number of a clip for each window, not {shapes}")
        if not len(self.x):
            raise DataError("no windows: there is nothing to score")
        if self.clip.min() < 0:
            raise UsageError(f"clips are numbered from 0, not {self.clip.min()}")
        empty = np.flatnonzero(self.windows == 0)
        if len(empty):
            raise DataError(
                f"{self._name(empty[0])} has no window: count it among the unusable clips, and leave it out here"
            )
        for start in range(0, len(self.x), BLOCK):
            bad = ~np.isfinite(self.x[start : start + BLOCK]).all(axis=1)
            if bad.any():
                clip = self.clip[start + int(bad.argmax())]
                raise DataError(f"the embedding of {self._name(clip)} holds NaN or infinity: leave that clip out")

    @property
    def windows(self) -> np.ndarray:
        """How many windows each clip has: int [clips]."""
        return np.bincount(self.clip, minlength=len(self.names))

    @property
    def clips(self) -> int:
        return len(self.windows)

    @property
    def means(self) -> np.ndarray:
        """The mean of each clip's windows: float64 [clips, D]."""
        sums = np.zeros((self.clips, self.x.shape[1]))
        for start in range(0, len(self.x), BLOCK):
            np.add.at(sums, self.clip[start : start + BLOCK], self.x[start : start + BLOCK])
        return sums / self.windows[:, None]

    def need(self, clips: int) -> None:
        """Raises DataError unless there are so many clips."""
        if self.clips < clips:
            raise DataError(
                f"{clips} clips are needed at least, and here is {self.clips}: a set of clips is scored, not a clip"
            )

    def _name(self, clip: int) -> str:
        return self.names[clip] if clip < len(self.names) else f"clip {clip}"


def check_width(*widths: int) -> None:
    """Raises UsageError unless all vectors have the same length."""
    if len(set(widths)) > 1:
        raise UsageError(
            f"vectors of {' and '.join(map(str, widths))} numbers are not of one embedding: embed both sets alike"
        )
