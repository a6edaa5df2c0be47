"""The weights to sample with: averaged parameters of chosen steps, as safetensors in workdir/milestones, each with a small JSON beside it."""

import json
import math
from typing import Any, NamedTuple

from etils import epath

from musicdiff import weights
from musicdiff.errors import DataError, UsageError
from musicdiff.typing import Params


class Milestone(NamedTuple):
    """step: updates done; keep: stays for good; held_out_loss: of these weights, None where it was not measured; sha256: of the file."""

    step: int
    keep: bool
    held_out_loss: float | None
    sha256: str


def write(workdir: Any, step: int, params: Params, *, keep: bool, held_out_loss: float | None) -> None:
    """Writes the weights of a step. Of those that need not be kept, only the newest and the best by held-out loss remain."""
    folder = epath.Path(workdir) / "milestones"
    folder.mkdir(parents=True, exist_ok=True)
    weights.write_tree(_file(folder, step), params)
    milestone = Milestone(step, keep, held_out_loss, weights.sha256(_file(folder, step)))
    _file(folder, step, ".json").write_text(
        json.dumps(milestone._asdict())
    )  # written last: a file without it does not count
    there = find(workdir)
    wanted = {m.step for m in there if m.keep} | {max(m.step for m in there)} | {m.step for m in _best(there)}
    for milestone in there:
        if milestone.step not in wanted:
            _file(folder, milestone.step, ".json").unlink()
            _file(folder, milestone.step).unlink()


def find(workdir: Any) -> list[Milestone]:
    """The complete milestones of a workdir, by step."""
    folder = epath.Path(workdir) / "milestones"
    if not folder.exists():
        return []
    found = []
    for path in folder.glob("step_*.json"):
        try:
            found.append(Milestone(**json.loads(path.read_text())))
        except (json.JSONDecodeError, TypeError):
            continue  # killed while writing it: its weights do not count either
    return sorted(found)


def drop_after(workdir: Any, step: int) -> None:
    """Removes milestones beyond `step`, where a run resumes."""
    folder = epath.Path(workdir) / "milestones"
    for milestone in find(workdir):
        if milestone.step > step:
            _file(folder, milestone.step, ".json").unlink()
            _file(folder, milestone.step).unlink()


def read(workdir: Any, which: str = "latest") -> tuple[Milestone, Params]:
    """The weights of a step: 'latest', 'best' by held-out loss, or a number of steps.

    Raises DataError when there is none yet or the file is damaged, UsageError with the steps that exist for another name.
    """
    there = find(workdir)
    if not there:
        raise DataError(
            f"no weights in {epath.Path(workdir) / 'milestones'}; train first: python run_train.py --workdir={workdir}"
        )
    chosen = {"latest": there[-1:], "best": _best(there)}.get(which) or [m for m in there if str(m.step) == which]
    if not chosen:
        raise UsageError(
            f"no milestone {which!r} in {workdir}; there are: latest, best, {', '.join(str(m.step) for m in there)}"
        )
    path = _file(epath.Path(workdir) / "milestones", chosen[0].step)
    if not path.exists() or weights.sha256(path) != chosen[0].sha256:
        raise DataError(f"{path} is damaged: its sha256 is not the one recorded; choose another with --milestone")
    return chosen[0], weights.read_tree(path)


def _best(milestones: list[Milestone]) -> list[Milestone]:
    measured = [m for m in milestones if m.held_out_loss is not None and math.isfinite(m.held_out_loss)]
    return [min(measured, key=lambda m: m.held_out_loss)] if measured else []


def _file(folder: epath.Path, step: int, suffix: str = ".safetensors") -> epath.Path:
    return folder / f"step_{step:06d}{suffix}"
