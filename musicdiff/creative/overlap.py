"""Windows in a row, each of which goes on from the one before: how they lie, what is held in the next, and how their audio joins."""

from typing import NamedTuple

import numpy as np

from musicdiff.errors import UsageError

GOLDEN = 0x9E3779B9  # odd, so that no two windows of a row share a seed
NOISY, CLEAN = -4.0, 4.0  # log_snr between which frames are let go, the first and the last of them


class Layout(NamedTuple):
    """Windows of `window` frames of which `overlap` are the last ones of the window before."""

    window: int
    overlap: int

    @property
    def hop(self) -> int:
        """Frames from one window to the next."""
        return self.window - self.overlap

    @property
    def settled(self) -> int:
        """Frames of the overlap that the next window leaves as they are; the others it may still change."""
        return max(1, self.overlap // 4)


def lay_out(window: int, share: float) -> Layout:
    """Windows that overlap by a share of themselves. Raises UsageError for a share of which less than a frame is held, or less than one is new."""
    overlap = round(window * share) if np.isfinite(share) else 0
    if not 1 <= overlap < window:
        raise UsageError(f"windows overlap by a share between {1 / window:.2g} and {1 - 1 / window:.2g}, not {share:g}")
    return Layout(window, overlap)


def seed_of(seed: int, number: int) -> int:
    """The seed of a window, other than that of any other window of the row; that of the first is the seed itself."""
    return (seed + number * GOLDEN) % 2**32


def starts(layout: Layout) -> np.ndarray:
    """log_snr [T] up to which each frame of a window is held: +inf what is settled, -inf what is new, and between them ever noisier.

    Held at all levels, a boundary is a seam: noise that is drawn for what is held knows nothing of what beside it is free, and neither does what is
    free of what is held, but through the network. A frame that is let go at a level was right up to it, and only what lies below is sampled anew, so
    that no two neighbours differ much in how they were made: a mask that depends on the level, as in differential diffusion (arXiv 2306.00950).
    """
    places = np.arange(layout.window)
    share = (layout.overlap - places) / (
        layout.overlap - layout.settled + 1
    )  # of the way from what is new to what is settled
    until = np.where(places < layout.overlap, NOISY + (CLEAN - NOISY) * share, -np.inf)
    return np.where(places < layout.settled, np.inf, until).astype(np.float32)


def carried(window: np.ndarray, hop: int) -> np.ndarray:
    """What the next window begins with: [T, ...] moved by `hop`, and zeros behind it."""
    return np.concatenate([window[hop:], np.zeros_like(window[:hop])])


def crossfade(before: np.ndarray, after: np.ndarray, end: int, size: int) -> np.ndarray:
    """[N, C]: `before` until `end`, then `after`, with equal gain, a half cosine, over the last `size` samples up to it. The two are in phase."""
    size = min(size, end)
    weight = np.zeros(len(after), after.dtype)
    weight[end - size : end] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / max(1, size))
    weight[end:] = 1
    return before + weight[:, None] * (after - before)
