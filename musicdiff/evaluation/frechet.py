"""The Fréchet distance of Gaussians, |m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^(1/2), and what it is of finite sets.

With S = A^T A the last trace is the sum of the singular values of A_1 A_2^T. Nothing is added to a diagonal, no root of a
matrix is taken, and nothing can become complex: covariances of any rank have their distance to rounding, in float64.
"""

import numpy as np

from musicdiff.errors import DataError
from musicdiff.evaluation.embedded import check_width
from musicdiff.evaluation.moments import Moments


def distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr S_a + tr S_b - 2 sum sv(A_a A_b^T), 0 or more; that of a set and itself is 0 to rounding.

    Raises UsageError when the vectors' lengths differ, DataError for fewer than two windows.
    """
    check_width(len(a.mean), len(b.mean))
    for moments in (a, b):
        if moments.windows is not None and moments.windows < 2:
            raise DataError(f"a covariance needs 2 windows or more, not {moments.windows}: use more or longer clips")
    apart = a.mean - b.mean
    shared = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    return max(0.0, float(apart @ apart + np.trace(a.covariance) + np.trace(b.covariance) - 2.0 * shared))


def floor(reference: Moments, windows: int) -> float:
    """C / n, what n windows of the reference's own law score though the truth is 0, to first order in 1 / n.

    C = sum l_i + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j), l the eigenvalues of the covariance; of the identity d (d + 5) / 4.
    Of windows that are independent: those of one clip are alike, and the floor is higher then.
    """
    l = reference.spectrum[0]
    pairs = np.outer(l, l) / np.add.outer(l, l)
    return float(l.sum() + 0.5 * (pairs.sum() + np.trace(pairs))) / windows


def point_mass(reference: Moments) -> float:
    """tr S: what a generator scores that makes nothing but the reference's mean, one sound for ever."""
    return float(np.trace(reference.covariance))
