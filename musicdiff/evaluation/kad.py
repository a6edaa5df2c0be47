"""KAD (arXiv 2502.15602): the squared maximum mean discrepancy of two sets, by a Gaussian kernel, times 100.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),    k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2))

No Gaussian is fitted, and at any number of clips it is unbiased: x and x' are windows of different clips, for those of
one clip are alike. So it may be negative.
"""

from dataclasses import dataclass

import numpy as np

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import distances, resampling
from musicdiff.evaluation.embedded import Embedded

SCALE = 100.0


@dataclass(frozen=True)
class Kad:
    """A score with its error. bandwidth: of the kernel; error: over the clips of both sets, interval: 95 %."""

    value: float
    error: float
    interval: tuple[float, float]
    bandwidth: float


@dataclass(frozen=True)
class Difference:
    """Of two sets' scores: below 0 where the first is nearer. error: over the clips of all sets, interval: 95 %."""

    value: float
    error: float
    interval: tuple[float, float]


def measure(generated: Embedded, reference: Embedded, *, bandwidth: float | None = None) -> Kad:
    """KAD of two sets. bandwidth: by default the median distance of the reference's windows, so that it is that of all who are compared to it.

    Memory grows with the number of windows, not with its square. The error is a jackknife over clips, in closed form.
    Raises DataError for fewer than 3 clips, or a reference that is mostly one vector; UsageError for vectors of two lengths.
    """
    generated.need(3)
    bandwidth = _bandwidth(reference, bandwidth)
    value, of_generated, of_reference = _pseudo_values(generated, reference, bandwidth)
    error = float(np.hypot(_error(of_generated, generated.windows), _error(of_reference, reference.windows)))
    count = min(generated.clips, reference.clips)
    return Kad(value, error, resampling.interval(value, error, count), bandwidth)


def compare(
    a: Embedded, b: Embedded, reference: Embedded, *, paired: bool = True, bandwidth: float | None = None
) -> Difference:
    """KAD of A less that of B, by one kernel. The reference is the same for both, so that little of its error is left in the difference.

    paired: clip i of A and clip i of B belong together, as of one prompt or one seed do: they are left out together.
    Raises UsageError for pairs of unequal numbers of clips, and what `measure` raises.
    """
    if paired and a.clips != b.clips:
        raise UsageError(
            f"{a.clips} clips and {b.clips} are no pairs: make as many of each, or compare with paired=False"
        )
    for embedded in (a, b):
        embedded.need(3)
    bandwidth = _bandwidth(reference, bandwidth)
    (value_a, own_a, common_a), (value_b, own_b, common_b) = (
        _pseudo_values(embedded, reference, bandwidth) for embedded in (a, b)
    )
    if paired:
        own = _error(own_a - own_b, (a.windows + b.windows) / 2)
    else:
        own = float(np.hypot(_error(own_a, a.windows), _error(own_b, b.windows)))
    difference = value_a - value_b
    error = float(np.hypot(own, _error(common_a - common_b, reference.windows)))
    return Difference(difference, error, resampling.interval(difference, error, min(a.clips, b.clips)))


def _bandwidth(reference: Embedded, asked: float | None) -> float:
    reference.need(3)
    if asked is None and not (asked := distances.median(distances.centre(reference.x)[0])) > 0.0:
        raise DataError("half of the reference's windows or more are the same: it is no reference")
    if not asked > 0.0:
        raise UsageError(f"the bandwidth of a kernel must be above 0, not {asked:g}")
    return asked


def _pseudo_values(generated: Embedded, reference: Embedded, bandwidth: float) -> tuple[float, np.ndarray, np.ndarray]:
    """KAD, and what it would be without each clip as pseudo-values [clips], of the one set and of the other."""
    y, x = distances.centre(reference.x, generated.x)
    within_x = _within(x, generated, bandwidth)
    within_y = _within(y, reference, bandwidth)
    across_x, across_y = _across(x, y, generated, reference, bandwidth)
    mean_x, mean_y = _mean(within_x, generated), _mean(within_y, reference)
    value = mean_x + mean_y - 2.0 * across_x.sum() / (len(x) * len(y))
    pseudo = []
    sides = ((generated, within_x, across_x, mean_y, len(y)), (reference, within_y, across_y, mean_x, len(x)))
    for embedded, within, across, other_mean, other_windows in sides:
        sizes = embedded.windows
        pairs = (len(embedded.x) - sizes) * other_windows
        without = _mean_without(within, embedded) + other_mean - 2.0 * (across.sum() - across) / pairs
        pseudo.append(SCALE * resampling.pseudo_values(value, without, sizes))
    return SCALE * float(value), *pseudo


def _error(pseudo: np.ndarray, sizes: np.ndarray) -> float:
    return resampling.jackknife(pseudo, sizes)[1]


def _within(x: np.ndarray, embedded: Embedded, bandwidth: float) -> np.ndarray:
    """The sum of the kernel of each clip's windows with those of all other clips: [clips]."""
    sums = np.zeros(len(x))
    for rows, squares in distances.blocks(x, x):
        kernel = _kernel(squares, bandwidth)
        kernel[embedded.clip[rows, None] == embedded.clip] = 0.0
        sums[rows] = kernel.sum(axis=1)
    return np.bincount(embedded.clip, sums)


def _across(
    x: np.ndarray, y: np.ndarray, generated: Embedded, reference: Embedded, bandwidth: float
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the kernel of each clip's windows with all of the other set: [clips] of either set."""
    row_sums, column_sums = np.zeros(len(x)), np.zeros(len(y))
    for rows, squares in distances.blocks(x, y):
        kernel = _kernel(squares, bandwidth)
        row_sums[rows] = kernel.sum(axis=1)
        column_sums += kernel.sum(axis=0)
    return np.bincount(generated.clip, row_sums), np.bincount(reference.clip, column_sums)


def _kernel(squares: np.ndarray, bandwidth: float) -> np.ndarray:
    squares *= -0.5 / bandwidth**2
    return np.exp(squares, out=squares)


def _mean(within: np.ndarray, embedded: Embedded) -> float:
    sizes = embedded.windows
    return within.sum() / (sizes.sum() ** 2 - (sizes**2).sum())


def _mean_without(within: np.ndarray, embedded: Embedded) -> np.ndarray:
    """The same mean without each clip: [clips]. A clip's pairs are in the sums twice, once from either side."""
    sizes = embedded.windows
    total = sizes.sum()
    pairs = total**2 - (sizes**2).sum() - 2 * sizes * (total - sizes)
    return (within.sum() - 2.0 * within) / pairs
