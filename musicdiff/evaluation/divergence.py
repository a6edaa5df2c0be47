"""Kullback-Leibler divergence of what a classifier hears in a clip from what it hears in that clip's reference, in nats."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from musicdiff.errors import DataError, UsageError


@dataclass(frozen=True)
class Divergence:
    """A mean over clips, with its standard error."""

    value: float
    error: float


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) = sum p log(p / q) of classes that exclude each other: [..., K] -> [...], float64.

    p is the reference's. Infinite where q rules out what p does not; what p rules out adds nothing.
    Raises UsageError for two numbers of classes, DataError for what does not add up to 1.
    """
    # float32's softmax adds up to 1 within 1e-6
    p, q = _probabilities(p, q, "add up to 1", lambda each: np.allclose(each.sum(axis=-1), 1.0, rtol=0.0, atol=1e-4))
    return special.rel_entr(p, q).sum(axis=-1)


def kl_tags(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """sum p log(p / q) + (1 - p) log((1 - p) / (1 - q)) of tags that are each there or not, whatever the others: [..., K] -> [...].

    For taggers such as musicnn, whose probabilities are sigmoids. Raises what `kl` raises, DataError for what is above 1.
    """
    p, q = _probabilities(p, q, "be 1 or less", lambda each: (each <= 1.0).all())
    return (special.rel_entr(p, q) + special.rel_entr(1.0 - p, 1.0 - q)).sum(axis=-1)


def mean(divergences: np.ndarray) -> Divergence:
    """The mean of [clips], each clip's from the reference of its own prompt. Raises DataError for fewer than 2."""
    if len(divergences) < 2:
        raise DataError(f"2 pairs of clips are needed at least, and here is {len(divergences)}")
    return Divergence(float(np.mean(divergences)), float(np.std(divergences, ddof=1) / np.sqrt(len(divergences))))


def _probabilities(p: np.ndarray, q: np.ndarray, rule: str, holds: Callable[[np.ndarray], bool]) -> list[np.ndarray]:
    pair = [np.asarray(each, np.float64) for each in (p, q)]
    if pair[0].shape[-1] != pair[1].shape[-1]:
        raise UsageError(f"{pair[0].shape[-1]} probabilities and {pair[1].shape[-1]} are not of one classifier")
    for each in pair:
        if not ((each >= 0.0).all() and holds(each)):
            raise DataError(
                f"probabilities must be 0 or more and {rule}; classes that exclude each other are for kl, tags for kl_tags"
            )
    return pair
