"""Averages of any length after training (arXiv 2312.02696): snapshots of a few, and every other as a sum of these.

An average of relative width w after t updates weighs the parameters after update tau by p(tau) = (g + 1) tau^g / t^(g + 1),
whose standard deviation is w t. A run keeps the averages of `config.optim.ema_profiles` at certain steps in workdir/ema; the sum
of them whose weights over tau come closest to those of another width is that width's average.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array

from musicdiff import milestones, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.milestones import Milestone
from musicdiff.typing import Params

FOLDER = "ema"
NARROWEST, WIDEST = 1e-4, 0.28  # 0.289 is the plain mean of all steps: g = 0
# Of the weights over tau, relative: beyond it the snapshots lie too far apart for so narrow an average.
MOST_ERROR = 0.1


class Snapshot(NamedTuple):
    """step: updates done; widths: of the averages in the file; sha256: of the file."""

    step: int
    widths: tuple[float, ...]
    sha256: str


def exponent(width: float) -> float:
    """g of a relative width: the largest root of g^3 + 7 g^2 + (16 - 1/w^2) g + 12 - 1/w^2 = 0."""
    check_width(width)
    roots = np.roots([1.0, 7.0, 16.0 - width**-2, 12.0 - width**-2])
    return float(max(root.real for root in roots if abs(root.imag) < 1e-9))


def is_width(width: Any) -> bool:
    """Whether an average can have this relative width."""
    return isinstance(width, float) and NARROWEST <= width <= WIDEST


def check_width(width: float) -> None:
    """Raises UsageError for a relative width that no average has."""
    if not is_width(width):
        raise UsageError(f"an average's relative width is a number from {NARROWEST} to {WIDEST}, not {width!r}")


def share(width: float, update: Array) -> Array:
    """1 - (1 - 1/t)^(g + 1): what the parameters after update t = 1, 2, ... count for in the average, the first for all."""
    return -jnp.expm1((exponent(width) + 1.0) * jnp.log1p(-1.0 / update))


def write(workdir: Any, step: int, averages: Mapping[float, Params]) -> None:
    """Keeps the averages {width: params} of a step."""
    folder = epath.Path(workdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = _file(workdir, step)
    weights.write_tree(path, {str(width): params for width, params in averages.items()})
    snapshot = Snapshot(step, tuple(averages), weights.sha256(path))
    # Written last: without it a file does not count.
    _file(workdir, step, ".json").write_text(json.dumps(snapshot._asdict()))


def find(workdir: Any) -> list[Snapshot]:
    """The complete snapshots of a workdir, by step."""
    folder = epath.Path(workdir) / FOLDER
    found = []
    for path in folder.glob("step_*.json") if folder.exists() else ():
        try:
            record = json.loads(path.read_text())
            found.append(Snapshot(record["step"], tuple(record["widths"]), record["sha256"]))
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # killed while writing it: its weights do not count either
    return sorted(found)


def drop_after(workdir: Any, step: int) -> None:
    """Removes snapshots beyond `step`, where a run resumes."""
    for snapshot in find(workdir):
        if snapshot.step > step:
            _file(workdir, snapshot.step, ".json").unlink()
            _file(workdir, snapshot.step).unlink()


def build(workdir: Any, width: float, step: int | None = None) -> tuple[Milestone, float]:
    """Writes the average of a relative width at a snapshot's step, by default the last, as a milestone.

    Returns the milestone and the relative error of its weights over tau.
    Raises DataError without snapshots or with damaged ones, UsageError for another step, or for a width that they cannot make.
    """
    check_width(width)
    there = find(workdir)
    if not there:
        raise DataError(
            f"no snapshots in {epath.Path(workdir) / FOLDER}; they are kept by a run that begins with --config.optim.ema_profiles='(0.05,0.1)'"
        )
    step = there[-1].step if step is None else step
    used = [snapshot for snapshot in there if snapshot.step <= step]
    if not used or used[-1].step != step:
        raise UsageError(f"no snapshot of step {step} in {workdir}; there are: {', '.join(str(s.step) for s in there)}")
    factors, error = combine([(s.step, profile) for s in used for profile in s.widths], width, step)
    if error > MOST_ERROR:
        raise UsageError(
            f"the {len(used)} snapshots up to step {step} lie too far apart for an average of relative width {width:g}, "
            f"whose weights they miss by {error:.0%}: take one nearer to {' or '.join(f'{w:g}' for w in used[-1].widths)}"
        )
    total, factor_of = {}, iter(factors)
    for snapshot in used:  # one file in memory at a time
        stored = _read(workdir, snapshot)
        for profile in snapshot.widths:
            total = _add(total, next(factor_of), stored[str(profile)])
    params = jax.tree.map(np.float32, total)
    return milestones.write(workdir, step, params, keep=True, held_out_loss=None, width=width), error


def combine(given: Sequence[tuple[int, float]], width: float, step: int) -> tuple[np.ndarray, float]:
    """Factors x, one for each (step, width) given, of sum 1: those that minimise |sum x_i p_i - p|^2, by least squares in float64.

    Returns the factors, and the distance that is left relative to |p|. The sum of 1 keeps what does not change exactly as it is.
    """
    steps = np.array([s for s, _ in given], np.float64) / step
    exponents = np.array([exponent(w) for _, w in given])
    wanted = exponent(width)
    products = _dot(steps[:, None], exponents[:, None], steps, exponents)
    towards = _dot(steps, exponents, 1.0, wanted)
    ones = np.ones((len(given), 1))
    bordered = np.block([[products, ones], [ones.T, np.zeros((1, 1))]])  # the sum's Lagrange multiplier
    factors = np.linalg.lstsq(bordered, np.append(towards, 1.0), rcond=None)[0][:-1]
    whole = _dot(1.0, wanted, 1.0, wanted)
    left = whole - 2.0 * factors @ towards + factors @ products @ factors
    return factors, float(np.sqrt(max(left, 0.0) / whole))


def _add(total: Params, factor: float, params: Params) -> Params:
    """total + factor params in float64; `total` may be empty."""
    term = jax.tree.map(lambda x: factor * x.astype(np.float64), params)
    return jax.tree.map(np.add, total, term) if total else term


def _dot(t_a: Any, g_a: Any, t_b: Any, g_b: Any) -> Any:
    """Integral of p_a p_b over tau, which ends at the smaller of the two times."""
    least, most = np.minimum(t_a, t_b), np.maximum(t_a, t_b)
    of_later = np.where(t_a < t_b, g_b, g_a)  # the exponent of the average that reaches further
    return (g_a + 1) * (g_b + 1) / (g_a + g_b + 1) * (least / most) ** of_later / most


def _read(workdir: Any, snapshot: Snapshot) -> dict[str, Params]:
    path = _file(workdir, snapshot.step)
    if not path.exists() or weights.sha256(path) != snapshot.sha256:
        raise DataError(
            f"{path} is damaged: its sha256 is not the one recorded; remove it with its .json to do without it"
        )
    return weights.read_tree(path)


def _file(workdir: Any, step: int, suffix: str = ".safetensors") -> epath.Path:
    return epath.Path(workdir) / FOLDER / f"step_{step:06d}{suffix}"
