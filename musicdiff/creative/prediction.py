"""Autoregressive interpolation: samples that are lost are those which a linear predictor of what is around them errs on least."""

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.signal

from musicdiff.creative.regions import Region

ORDERS = (
    32,
    512,
)  # of the predictor, the least and the most; between them three times the gap's samples (Janssen et al. 1986)
CONTEXT = 4  # orders of samples to each side that the predictor is fitted to
LEAST = 1024  # samples of that context, at least
ROUNDS = 2  # of fitting to what was filled in, and filling in anew
SPAN = 512  # samples that are solved for together at most, unless one gap is longer
HEADROOM = 4.0  # ceilings that a clipped peak may reach: 12 dB


def fit(x: np.ndarray, order: int) -> np.ndarray:
    """a [order + 1], a_0 = 1, of the prediction error e_n = sum_k a_k x_{n-k}, by Burg's method: stable, and exact for tones without a window."""
    a, forward, backward = np.ones(1), x, x
    for _ in range(min(order, len(x) - 1)):
        forward, backward = forward[1:], backward[:-1]
        power = forward @ forward + backward @ backward
        k = -2 * (forward @ backward) / power if power > 0 else 0.0
        a = np.append(a, 0.0)
        a = a + k * a[::-1]
        forward, backward = forward + k * backward, backward + k * forward
    return a


def interpolate(x: np.ndarray, lost: np.ndarray, ceiling: tuple[float, float] | None = None) -> np.ndarray:
    """argmin over x_lost of sum_n e_n^2 (A. Janssen, R. Veldhuis, L. Vries, IEEE Trans. ASSP 34, 317, 1986).

    Args:
        x: one channel [N]; what it holds where it is lost counts for nothing, but for the sign of what is clipped
        lost: bool [N]
        ceiling: (lowest, highest) that the clip could hold: lost samples end at or beyond that of their sign (consistent declipping)
    Returns:
        float64 [N]; where nothing is lost, x itself
    """
    x, lost = np.asarray(x, np.float64), np.asarray(lost, bool)
    if not lost.any() or lost.all():
        return x.copy()
    sign = np.sign(x)
    out = x.copy() if ceiling else np.where(lost, np.interp(np.arange(len(x)), np.flatnonzero(~lost), x[~lost]), x)
    for start, stop in _spans(lost):
        gap = max(len(run) for run in _runs(np.flatnonzero(lost[start:stop])))
        order = int(np.clip(3 * gap + 2, *ORDERS)) if ceiling is None else ORDERS[0]
        beside = max(LEAST, CONTEXT * order)
        low, high = max(0, start - beside), min(len(x), stop + beside)
        unknown = np.arange(start, stop)[lost[start:stop]] - low
        bound = None
        if ceiling:
            side = sign[low:high][unknown]
            bound = side, np.where(side < 0, -ceiling[0], ceiling[1])
        for _ in range(ROUNDS):
            a = fit(out[low:high], min(order, (high - low) // 3))
            out[low:high][unknown] = _solve(out[low:high], unknown, a, bound)
    return out


def regions_of(lost: np.ndarray) -> list[Region]:
    """Where bool [N] is True, as regions."""
    edges = np.flatnonzero(np.diff(np.pad(np.asarray(lost, np.int8), 1)))
    return [Region(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _runs(places: np.ndarray) -> list[np.ndarray]:
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)


def _spans(lost: np.ndarray) -> list[Region]:
    """Gaps that lie nearer to each other than the lowest order are solved for together."""
    spans: list[Region] = []
    for region in regions_of(lost):
        near = spans and region.start - spans[-1].stop <= ORDERS[0] and region.stop - spans[-1].start <= SPAN
        if near:
            spans[-1] = Region(spans[-1].start, region.stop)
        else:
            spans.append(region)
    return spans


def _solve(
    x: np.ndarray, unknown: np.ndarray, a: np.ndarray, bound: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray:
    """argmin |A_u u + A_k x_k|^2 of the unknown samples, or the same where sign u >= ceiling."""
    known = x.copy()
    known[unknown] = 0.0
    gram, product = _normal(known, unknown, a)
    gram[np.diag_indices_from(gram)] *= 1 + 1e-9  # of tones there may be more unknowns than there is to know
    if bound is None:
        return scipy.linalg.solve(gram, -product, assume_a="pos")
    side, ceiling = bound
    # u = side (ceiling + y), y >= 0, of the triangle R' R = A_u' A_u: as many equations as unknowns.
    upper = scipy.linalg.cholesky(gram * side * side[:, None])
    aim = -side * (product + gram @ (side * ceiling))
    y, _ = scipy.optimize.nnls(upper, scipy.linalg.solve_triangular(upper, aim, trans="T"))
    return side * np.minimum(ceiling + y, HEADROOM * ceiling)


def _normal(known: np.ndarray, unknown: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(A_u' A_u, A_u' A_k x_k): within the clip both are of the autocorrelation of a alone.

    At an end errors are missing; there A predicts by the same coefficients from after, too, or the samples first in the clip would be free.
    """
    order = len(a) - 1
    if unknown[0] >= order and unknown[-1] + order < len(known):
        correlation = np.correlate(a, a, "full")
        apart = np.abs(unknown[:, None] - unknown)
        gram = np.where(apart <= order, correlation[np.minimum(order + apart, 2 * order)], 0.0)
        return gram, scipy.signal.fftconvolve(known, correlation, mode="same")[unknown]
    gram, product = np.zeros((len(unknown), len(unknown))), np.zeros(len(unknown))
    for x, places in ((known, unknown), (known[::-1], len(known) - 1 - unknown)):
        lags = np.arange(order, len(x))[:, None] - places
        matrix = np.where((lags >= 0) & (lags <= order), a[np.clip(lags, 0, order)], 0.0)
        gram += matrix.T @ matrix
        product += matrix.T @ np.convolve(x, a)[order : len(x)]
    return gram, product
