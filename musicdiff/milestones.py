"""The weights to sample with: averaged parameters of chosen steps, as safetensors in workdir/milestones, each with a small JSON beside it."""

import json
import math
from typing import Any, NamedTuple

from etils import epath

from musicdiff import weights
from musicdiff.errors import DataError, UsageError
from musicdiff.typing import Params


class Milestone(NamedTuple):
    """step: updates done; keep: stays for good; held_out_loss: of these weights, None where it was not measured; sha256: of the file.

    width: relative, of an average made after training (`averages`); None of the average that the run itself samples with
    """

    step: int
    keep: bool
    held_out_loss: float | None
    sha256: str
    width: float | None = None

    @property
    def name(self) -> str:
        """What it is asked for by: '400', or '400-0.07'."""
        return str(self.step) if self.width is None else f"{self.step}-{self.width:g}"


def write(
    workdir: Any, step: int, params: Params, *, keep: bool, held_out_loss: float | None, width: float | None = None
) -> Milestone:
    """Writes the weights of a step. Of those that need not be kept, only the newest and the best by held-out loss remain."""
    folder = epath.Path(workdir) / "milestones"
    folder.mkdir(parents=True, exist_ok=True)
    written = Milestone(step, keep, held_out_loss, "", width)
    weights.write_tree(_file(folder, written), params)
    written = written._replace(sha256=weights.sha256(_file(folder, written)))
    # Written last: a file without it does not count.
    _file(folder, written, ".json").write_text(json.dumps(written._asdict()))
    there = find(workdir)
    for milestone in there:
        if not (milestone.keep or milestone in _latest(there) + _best(there)):
            _remove(folder, milestone)
    return written


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
    return sorted(found, key=lambda m: (m.step, m.width or 0.0))


def drop_after(workdir: Any, step: int) -> None:
    """Removes milestones beyond `step`, where a run resumes."""
    folder = epath.Path(workdir) / "milestones"
    for milestone in find(workdir):
        if milestone.step > step:
            _remove(folder, milestone)


def read(workdir: Any, which: str = "latest") -> tuple[Milestone, Params]:
    """The weights of a step: 'latest', 'best' by held-out loss, a number of steps, or that and a width: '400-0.07'.

    Raises DataError when there is none yet or the file is damaged, UsageError with the steps that exist for another name.
    """
    there = find(workdir)
    if not there:
        raise DataError(
            f"no weights in {epath.Path(workdir) / 'milestones'}; train first: python run_train.py --workdir={workdir}"
        )
    chosen = {"latest": _latest(there), "best": _best(there)}.get(which) or [m for m in there if m.name == which]
    if not chosen:
        raise UsageError(
            f"no milestone {which!r} in {workdir}; there are: latest, best, {', '.join(m.name for m in there)}"
        )
    path = _file(epath.Path(workdir) / "milestones", chosen[0])
    if not path.exists() or weights.sha256(path) != chosen[0].sha256:
        raise DataError(f"{path} is damaged: its sha256 is not the one recorded; choose another with --milestone")
    return chosen[0], weights.read_tree(path)


def _latest(milestones: list[Milestone]) -> list[Milestone]:
    return [m for m in milestones if m.width is None][-1:]


def _best(milestones: list[Milestone]) -> list[Milestone]:
    measured = [m for m in milestones if m.held_out_loss is not None and math.isfinite(m.held_out_loss)]
    return [min(measured, key=lambda m: m.held_out_loss)] if measured else []


def _remove(folder: epath.Path, milestone: Milestone) -> None:
    _file(folder, milestone, ".json").unlink()
    _file(folder, milestone).unlink()


def _file(folder: epath.Path, milestone: Milestone, suffix: str = ".safetensors") -> epath.Path:
    width = "" if milestone.width is None else f"-{milestone.width:g}"
    return folder / f"step_{milestone.step:06d}{width}{suffix}"
