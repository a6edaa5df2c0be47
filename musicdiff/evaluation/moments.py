"""Mean and covariance of windows: gathered in blocks, merged in any order, kept in the layout of published statistics."""

import functools
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath

from musicdiff.errors import DataError
from musicdiff.evaluation.embedded import BLOCK, Embedded

EPSILON = np.finfo(np.float64).eps
LAYOUT = ("mu", "cov", "windows")

Words = Mapping[str, Mapping[str, str | int | float]]


@dataclass(frozen=True)
class Moments:
    """What the Fréchet distance knows of a set.

    mean: float64 [D]
    covariance: float64 [D, D], of N - 1 as numpy.cov and the public tools have it; zeros where N is 1
    windows: N, or None where published statistics do not tell
    """

    mean: np.ndarray
    covariance: np.ndarray
    windows: int | None = None

    @functools.cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues [r] above rounding and their vectors [D, r]: N windows have N - 1 at most, and the rest is noise."""
        values, vectors = np.linalg.eigh(self.covariance)
        real = values > len(values) * EPSILON * values[-1]
        return values[real], vectors[:, real]

    @functools.cached_property
    def factor(self) -> np.ndarray:
        """A [r, D] of full rank, with A^T A the covariance."""
        values, vectors = self.spectrum
        return (vectors * np.sqrt(values)).T


def of(x: np.ndarray, counts: np.ndarray | None = None) -> Moments:
    """The moments of windows x [N, D], float64, in blocks: what is held beside x does not grow with N.

    counts: int [N], how often each is taken, as a resampling says; None takes each once
    Raises DataError when there are none, and for NaN and infinity, of which Embedded names the clip.
    """
    counts = np.ones(len(x), np.int64) if counts is None else counts
    if not counts.any():
        raise DataError("no windows: there are no statistics of nothing")
    blocks = (slice(start, start + BLOCK) for start in range(0, len(x), BLOCK))
    return merge(_of_block(x[block], counts[block]) for block in blocks if counts[block].any())


def of_groups(embedded: Embedded, group: np.ndarray) -> list[Moments]:
    """The moments of each group of clips; group: int [clips], of each clip."""
    own = group[embedded.clip]
    return [of(embedded.x, own == number) for number in range(group.max() + 1)]


def merge(parts: Iterable[Moments]) -> Moments:
    """Chan, Golub and LeVeque's update: S = S_a + S_b + n_a n_b / (n_a + n_b) d d^T of scatters S = (N - 1) covariance, d = m_b - m_a.

    The order of the parts, and what they were cut by, changes rounding alone.
    """
    return functools.reduce(_merge, parts)


def _of_block(x: np.ndarray, counts: np.ndarray) -> Moments:
    taken = counts > 0
    x, counts = x[taken].astype(np.float64), counts[taken].astype(np.float64)
    if not np.isfinite(x).all():
        raise DataError("a window holds NaN or infinity: leave its clip out")
    total = counts.sum()
    mean = counts @ x / total
    x = (x - mean) * np.sqrt(counts)[:, None]
    return Moments(mean, x.T @ x / max(total - 1, 1), int(total))


def _merge(a: Moments, b: Moments) -> Moments:
    if a.windows is None or b.windows is None:
        raise DataError(
            "statistics that do not tell of how many windows they are cannot be merged: start from the audio"
        )
    total = a.windows + b.windows
    apart = b.mean - a.mean
    scatter = (a.windows - 1) * a.covariance + (b.windows - 1) * b.covariance
    scatter += a.windows * (b.windows / total) * np.outer(apart, apart)
    return Moments(a.mean + apart * (b.windows / total), scatter / (total - 1), total)


def write(path: epath.PathLike, models: Mapping[str, Moments], words: Words | None = None) -> None:
    """{embedding: moments} into an .npz, each as `NAME.mu` and `NAME.cov`, the published layout, and `NAME.windows` where it is known.

    words: {embedding: {word: what is to be known of its moments}}, as `NAME.WORD`
    """
    arrays = {}
    for name, moments in models.items():
        arrays |= {f"{name}.mu": moments.mean, f"{name}.cov": moments.covariance}
        arrays |= {} if moments.windows is None else {f"{name}.windows": moments.windows}
        arrays |= {f"{name}.{word}": value for word, value in (words or {}).get(name, {}).items()}
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    epath.Path(path).write_bytes(packed.getvalue())


def read(path: epath.PathLike, name: str) -> Moments:
    """The moments of one embedding out of a file of `write`, or of published statistics such as FMA-Pop's.

    Raises DataError when the file is missing, no such file, or without that embedding; it names those that it holds.
    """
    arrays = _load(path)
    if name not in (held := _names(arrays)):
        raise DataError(f"{path} has no statistics of {name!r}; it holds: {', '.join(held) or 'none'}")
    try:
        mean, covariance = (arrays[f"{name}.{key}"].astype(np.float64) for key in ("mu", "cov"))
        windows = int(arrays[f"{name}.windows"]) if f"{name}.windows" in arrays else None
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    if covariance.shape != 2 * mean.shape or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(
            f"{path}: {name}.mu {list(mean.shape)} and {name}.cov {list(covariance.shape)} are no finite mean and covariance"
        )
    return Moments(mean, covariance, windows)


def read_words(path: epath.PathLike) -> dict[str, dict[str, Any]]:
    """{embedding: {word: value}} as `write` was given them; {} of an embedding about which a published file says nothing."""
    arrays = _load(path)
    return {name: dict(_words(arrays, name)) for name in _names(arrays)}


def _names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    return [key.removesuffix(".mu") for key in arrays if key.endswith(".mu")]


def _words(arrays: Mapping[str, np.ndarray], name: str) -> Iterator[tuple[str, str | int | float]]:
    for key in arrays:
        own, _, word = key.rpartition(".")
        if own == name and word not in LAYOUT and not arrays[key].ndim:
            yield word, arrays[key].item()


def _load(path: epath.PathLike) -> dict[str, np.ndarray]:
    """All arrays of an .npz: what is read whole is also checked whole."""
    try:
        packed = io.BytesIO(epath.Path(path).read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path") from error
    try:
        with np.load(packed) as arrays:
            return dict(arrays)
    except Exception as error:  # there is little that numpy and zipfile do not raise over damaged bytes
        raise _damaged(path) from error


def _damaged(path: epath.PathLike) -> DataError:
    return DataError(f"{path} is damaged, or no .npz of statistics (NAME.mu and NAME.cov)")
