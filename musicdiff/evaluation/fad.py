"""The Fréchet distance of generated clips to a reference, told of its bias and its error: one number a set is neither.

The truth that is estimated is the distance of all that a generator could make to this reference as it stands: the
reference is a yardstick, and its own sampling is no part of the error. Whatever is left out or drawn again is clips.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import frechet, moments, resampling
from musicdiff.evaluation.embedded import BLOCK, Embedded, check_width
from musicdiff.evaluation.moments import Moments
from musicdiff.evaluation.resampling import Seed

FADTK_SIZES, FADTK_FEWEST = 25, 500


@dataclass(frozen=True)
class Fad:
    """A score with its error.

    raw: the distance itself, higher than the truth by about C / n, more where windows of a clip are alike
    value: without that bias, by the jackknife over groups of clips; it may be below 0
    error: standard error of value, over clips; interval: 95 %
    floor: what as many independent windows of the reference's own law would score raw
    windows: n
    """

    raw: float
    value: float
    error: float
    interval: tuple[float, float]
    floor: float
    windows: int


@dataclass(frozen=True)
class Infinity:
    """A line through scores of subsets over 1 / n, and where it meets n = infinity.

    error: standard error of value by the fit's residuals alone: what other subsets would change, not what other clips would
    points: (n, score), of clips or, fadtk's way, of windows
    """

    value: float
    error: float
    slope: float
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Comparison:
    """Score of A less that of B to the same reference.

    difference, error, interval: as Fad has them
    share: of bootstrap draws in which the difference, less its bias, has the sign of `difference`; .5 is not to be told apart
    """

    difference: float
    error: float
    interval: tuple[float, float]
    share: float


def measure(generated: Embedded, reference: Moments, *, seed: int = 0) -> Fad:
    """The score by 20 groups of clips, put together at random by the seed; by as many as there are clips where they are fewer.

    Raises DataError for fewer than 2 clips, UsageError for vectors of another length than the reference's.
    """
    return of_groups(_groups(generated, seed), reference)


def of_groups(groups: Sequence[Moments], reference: Moments) -> Fad:
    """The score of moments [G] that were gathered group by group: no window need be kept, and processes can share the work.

    All windows of a clip belong into one group, and groups should be about equal.
    """
    raw, pseudo, sizes = _pseudo_values(groups, reference)
    value, error = resampling.jackknife(pseudo, sizes)
    windows = int(sizes.sum())
    interval = resampling.interval(value, error, len(groups))
    return Fad(raw, value, error, interval, frechet.floor(reference, windows), windows)


def infinity(generated: Embedded, reference: Moments, *, parts: int = 3, repeats: int = 8, seed: int = 0) -> Infinity:
    """FAD-infinity (arXiv 2311.01616, after arXiv 1911.07023) by clips WITHOUT replacement: n, n / 2 ... n / parts clips, even in 1 / n.

    Each subset is a part of a random partition, so that each repeat uses every clip once a size. Parts should have more clips
    than the vectors have numbers: smaller ones bend the line.

    Raises UsageError for fewer than 2 parts or repeats, DataError for parts of fewer than 2 clips.
    """
    if parts < 2 or repeats < 2:
        raise UsageError(f"a line needs 2 parts and 2 repeats or more, not parts={parts}, repeats={repeats}")
    generated.need(2 * parts)
    rng = np.random.default_rng(seed)
    points = [(float(generated.clips), frechet.distance(moments.of(generated.x), reference))]
    for count in range(2, parts + 1):
        for _ in range(repeats):
            group = rng.permutation(generated.clips) % count
            scores = [frechet.distance(part, reference) for part in moments.of_groups(generated, group)]
            points.append((generated.clips / count, float(np.mean(scores))))
    return _fit(points, [repeats] + [1] * (len(points) - 1))  # all sizes weigh the same


def fadtk(generated: Embedded, reference: Moments, *, seed: int = 0) -> Infinity:
    """FAD-infinity as fadtk 1.1.0 computes it, for comparison with published numbers: windows WITH replacement, n from 500 to all.

    A draw with replacement has the bias of the set that it is drawn from on top of its own, so the line leads to the raw score.
    Raises DataError for 500 windows or fewer.
    """
    rng, total = np.random.default_rng(seed), len(generated.x)
    if total <= FADTK_FEWEST:
        raise DataError(f"fadtk's way needs more than {FADTK_FEWEST} windows, and here are {total}: use `infinity`")
    points = []
    for count in np.linspace(FADTK_FEWEST, total, FADTK_SIZES).astype(int):
        counts = np.bincount(rng.integers(total, size=count), minlength=total)
        points.append((float(count), frechet.distance(moments.of(generated.x, counts), reference)))
    return _fit(points, [1] * len(points))


def compare(
    a: Embedded, b: Embedded, reference: Moments, *, paired: bool = True, num_draws: int = 200, seed: int = 0
) -> Comparison:
    """A against B. difference and error are by the groups of `measure`, share by a bootstrap over clips.

    paired: clip i of A and clip i of B belong together, as of one prompt or one seed do: they are left out and drawn together.
    Raises UsageError for pairs of unequal numbers of clips, and what `measure` raises.
    """
    if paired and a.clips != b.clips:
        raise UsageError(
            f"{a.clips} clips and {b.clips} are no pairs: make as many of each, or compare with paired=False"
        )
    sets, seeds = (a, b), (seed, seed) if paired else ((seed, 0), (seed, 1))
    found = [_pseudo_values(_groups(each, own), reference) for each, own in zip(sets, seeds)]
    (value_a, error_a), (value_b, error_b) = (resampling.jackknife(pseudo, sizes) for _, pseudo, sizes in found)
    (_, pseudo_a, sizes), (_, pseudo_b, _) = found
    difference = value_a - value_b
    error = resampling.jackknife(pseudo_a - pseudo_b, sizes)[1] if paired else float(np.hypot(error_a, error_b))
    drawn = np.subtract(*(list(_draws(each, reference, num_draws, own)) for each, own in zip(sets, seeds)))
    drawn += difference - drawn.mean()  # a draw has the bias twice: of the set, and of its own
    share = float(np.mean(0.5 + 0.5 * np.sign(drawn) * np.sign(difference)))
    count = min(len(pseudo_a), len(pseudo_b))
    return Comparison(difference, error, resampling.interval(difference, error, count), share)


def influences(generated: Embedded, reference: Moments) -> np.ndarray:
    """How fast the raw score rises as each clip is weighted more: float64 [clips], their sum 0; the highest are the outliers.

    The gradient in the mean is 2 (m - m_r), in the covariance I - T, T the optimal transport map from S to S_r. Without
    clip i the score is lower by about influence_i / N of all windows.
    """
    own = moments.of(generated.x)
    check_width(len(own.mean), len(reference.mean))
    values, vectors = own.spectrum
    turn, scale, _ = np.linalg.svd(own.factor @ reference.factor.T, full_matrices=False)
    root = (vectors / np.sqrt(values)) @ (turn * np.sqrt(scale))  # [D, r] with T = root root^T
    rises = np.zeros(generated.clips)
    for start in range(0, len(generated.x), BLOCK):
        x = generated.x[start : start + BLOCK] - own.mean
        each = 2.0 * x @ (own.mean - reference.mean) + (x**2).sum(axis=1) - ((x @ root) ** 2).sum(axis=1)
        rises += np.bincount(generated.clip[start : start + BLOCK], each, minlength=generated.clips)
    return rises - generated.windows * rises.sum() / len(generated.x)


def _groups(embedded: Embedded, seed: Seed) -> list[Moments]:
    embedded.need(2)
    return moments.of_groups(embedded, resampling.groups(embedded.clips, seed=seed))


def _pseudo_values(groups: Sequence[Moments], reference: Moments) -> tuple[float, np.ndarray, np.ndarray]:
    """(the raw score of all, pseudo-values [G], windows in each group [G])."""
    raw = frechet.distance(moments.merge(groups), reference)
    without = [
        frechet.distance(moments.merge(other for other in groups if other is not group), reference) for group in groups
    ]
    sizes = np.array([group.windows for group in groups])
    return raw, resampling.pseudo_values(raw, without, sizes), sizes


def _draws(embedded: Embedded, reference: Moments, count: int, seed: Seed) -> Iterator[float]:
    for counts in resampling.draws(embedded.clips, count, seed):
        yield frechet.distance(moments.of(embedded.x, counts[embedded.clip]), reference)


def _fit(points: Sequence[tuple[float, float]], weights: Sequence[float]) -> Infinity:
    """The line of weighted least squares through scores over 1 / n."""
    n, scores = np.array(points, np.float64).T
    weights = np.array(weights) / np.sum(weights)
    middle = weights @ (1.0 / n)
    x = 1.0 / n - middle
    spread = weights @ x**2
    slope = (weights * x) @ scores / spread
    value = weights @ scores - slope * middle
    residuals = scores - value - slope / n
    error = np.sqrt(weights @ residuals**2 / (len(n) - 2) * (1.0 + middle**2 / spread))
    return Infinity(float(value), float(error), float(slope), tuple(points))
