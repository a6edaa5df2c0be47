"""How far a score would move with other clips: clips are left out in groups, or drawn again, with all their windows."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

GROUPS = 20
Seed = int | tuple[int, ...]


def groups(clips: int, count: int = GROUPS, seed: Seed = 0) -> np.ndarray:
    """A random group for each clip, int [clips]: `count` of them, or one a clip where there are fewer, as equal as can be."""
    return np.random.default_rng(seed).permutation(clips) % min(count, clips)


def pseudo_values(whole: float, without: Sequence[float], sizes: np.ndarray) -> np.ndarray:
    """h theta - (h - 1) theta_(-g) with h = n / n_g: a score that is free of bias of order 1 / n, as each group has it: [G].

    whole: the score of all; without: that without each group; sizes: windows in each group, n_g
    """
    share = sizes / sizes.sum()
    return (whole - (1.0 - share) * np.asarray(without)) / share


def jackknife(pseudo: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """(value, standard error) of pseudo-values [G]: the delete-m_j jackknife of Busing, Meijer and van der Leeden (1999).

    The value is extrapolated from n (1 - 1 / G) by way of n to infinitely many clips; the error is that of the sampling of clips.
    """
    share = sizes / sizes.sum()
    value = share @ pseudo
    return float(value), float(np.sqrt(np.mean((pseudo - value) ** 2 * share / (1.0 - share))))


def interval(value: float, error: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """value ± t error, Student's t of count - 1 degrees of freedom: count groups or clips made the error."""
    wide = float(special.stdtrit(count - 1, 0.5 + 0.5 * level)) * error
    return value - wide, value + wide


def draws(clips: int, count: int, seed: Seed = 0) -> Iterator[np.ndarray]:
    """The cluster bootstrap: `count` times, how often each clip is taken when as many are drawn with replacement: int [clips]."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(rng.integers(clips, size=clips), minlength=clips)
