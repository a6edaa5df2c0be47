"""Squared distances between windows, a block of rows at a time, in float64; and their median."""

from collections.abc import Iterator

import numpy as np

from musicdiff.evaluation.embedded import check_width

BLOCK = 2**22  # distances that are held at once: 32 MiB
SAME = 2.0**-40  # of |x|^2 + |y|^2: what the rounding of their difference may leave
BINS = 2**16


def centre(x: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """All in float64, less the mean of the first: digits that all have in common would be lost to the difference of squares."""
    check_width(x.shape[1], *(other.shape[1] for other in others))
    mean = x.mean(axis=0, dtype=np.float64)
    return [each - mean for each in (x, *others)]


def blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, |x_i - y_j|^2 [rows, M]) of centred x [N, D] and y [M, D]: |x|^2 + |y|^2 - 2 x.y.

    Where that is within rounding of 0, it is 0: copies are at no distance, and vectors are one from 1e-6 of their lengths on.
    """
    x_squares, y_squares = (np.einsum("nd,nd->n", each, each) for each in (x, y))
    count = max(1, BLOCK // len(y))
    for start in range(0, len(x), count):
        rows = slice(start, start + count)
        sums = x_squares[rows, None] + y_squares
        squares = sums - 2.0 * (x[rows] @ y.T)
        squares[squares < SAME * sums] = 0.0
        yield rows, squares


def median(x: np.ndarray) -> float:
    """The median distance of all pairs of centred x [N, D], the lower of two middle ones, to 1e-7 of the largest or better.

    By counting: three passes over the blocks, each for the 65536th part of the range that the one before left.
    """
    pairs = len(x) * (len(x) - 1) // 2
    rank = len(x) + 2 * ((pairs - 1) // 2)  # of all N^2: first the N to themselves, then each pair twice
    low, width = 0.0, 4.001 * float(np.einsum("nd,nd->n", x, x).max())
    if not width:
        return 0.0
    for _ in range(3):
        counts = np.zeros(BINS + 2, np.int64)  # the first and the last: below and above the range
        for _, squares in blocks(x, x):
            squares -= low
            squares *= BINS / width
            places = np.clip(np.floor(squares, out=squares), -1, BINS, out=squares).astype(np.int64) + 1
            counts += np.bincount(places.ravel(), minlength=BINS + 2)
        place = int(np.searchsorted(np.cumsum(counts), rank, side="right")) - 1
        width /= BINS
        low += place * width
    return float(np.sqrt(low + 0.5 * width)) if low > 0.0 else 0.0
