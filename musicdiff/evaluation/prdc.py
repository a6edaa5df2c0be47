"""Precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797): is it like the reference, and all of it.

A set's manifold is balls around its clips, each as wide as the distance to the k-th nearest other clip. A clip is the mean
of its windows: windows of one clip are alike, each other's nearest neighbours, and balls around them would hold nothing else.
"""

from dataclasses import dataclass

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.evaluation import distances
from musicdiff.evaluation.embedded import Embedded

EDGE = 1.0 - 2.0**-30  # a copy of the k-th neighbour is on the edge, not within, whatever rounding says


@dataclass(frozen=True)
class Prdc:
    """Shares of 0 to 1; density may exceed 1.

    precision: of generated clips within a ball of the reference; recall: of the reference's within a generated ball
    density: mean number of the reference's balls around a generated clip, over k
    coverage: of the reference's balls with a generated clip in them
    """

    precision: float
    recall: float
    density: float
    coverage: float


def measure(generated: Embedded, reference: Embedded, *, k: int = 5) -> Prdc:
    """The four shares, inside being strictly less; memory grows with the number of clips, not with its square.

    They depend on how many clips there are: compare sets of one size. Raises DataError for sets of k clips or fewer, UsageError
    for k below 1 and vectors of two lengths.
    """
    if k < 1:
        raise UsageError(f"k must be 1 or more, not {k}")
    for embedded in (generated, reference):
        embedded.need(k + 1)
    real, fake = distances.centre(reference.means, generated.means)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    around, recalled, covered = np.zeros(len(fake), np.int64), 0, 0
    for rows, squares in distances.blocks(real, fake):
        inside = squares < real_radii[rows, None]
        around += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((squares < fake_radii).any(axis=1).sum())
    return Prdc(
        precision=float(np.mean(around > 0)),
        recall=recalled / len(real),
        density=float(around.mean() / k),
        coverage=covered / len(real),
    )


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each to the k-th nearest other: [N]. It is itself the nearest of all."""
    radii = np.zeros(len(x))
    for rows, squares in distances.blocks(x, x):
        radii[rows] = np.partition(squares, k, axis=1)[:, k]
    return EDGE * radii
