"""A score of those clips that a filter keeps, beside its control: the score of as many clips that are kept by chance.

Fewer clips have another score whichever they are: a filter has done something where its clips score other than random ones.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from etils import epath

from musicdiff import data
from musicdiff.data.progress import track_progress
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import fad, rows
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.fad import Fad
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.measures import MEASURES, UNITS
from musicdiff.evaluation.reference import Reference
from musicdiff.evaluation.rows import Row

WRITTEN = re.compile(r"(?P<measure>\w+)\s*(?P<side>[<>])\s*(?P<limit>[-+]?(\d+\.?\d*|\.\d+))(?P<share>\s*%)?")
SETS = 20  # of random clips


@dataclass(frozen=True)
class Filter:
    """Keeps clips on one side of a limit: 'lufs<-14'; or a share of them: 'mean_db<75%' the lower three quarters, 'mean_db>75%' the others.

    measure: of measures.MEASURES
    below: the side that is kept
    limit: in the measure's unit, or, where `share`, of the clips in order of their measures: 0 to 1
    """

    measure: str
    below: bool
    limit: float
    share: bool = False

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """Raises UsageError for anything else."""
        found = WRITTEN.fullmatch(text.strip())
        if not found or found["measure"] not in MEASURES:
            raise UsageError(
                f"{text!r} is no filter: write MEASURE<LIMIT, > or a share, as in lufs<-14 or mean_db<75%; measures: {', '.join(MEASURES)}"
            )
        limit, share = float(found["limit"]), found["share"] is not None
        if share and not 0 <= limit <= 100:
            raise UsageError(f"{text!r}: a share is from 0 to 100 %, not {limit:g}")
        return cls(found["measure"], found["side"] == "<", limit / 100 if share else limit, share)

    def __str__(self) -> str:
        unit = UNITS[self.measure]
        limit = f"{100 * self.limit:g} %" if self.share else f"{self.limit:g} {unit}".rstrip()
        return f"{self.measure} {'<' if self.below else '>'} {limit}"

    def keeps(self, values: np.ndarray) -> np.ndarray:
        """Which clips, by their measures float [N], ties of a share in the clips' order: bool [N]."""
        if not self.share:
            return values < self.limit if self.below else values > self.limit
        lower = np.zeros(len(values), bool)
        lower[np.argsort(values, kind="stable")[: round(self.limit * len(values))]] = True
        return lower if self.below else ~lower


@dataclass(frozen=True)
class Filtered:
    """A set before and after a filter. `dataclasses.asdict` is its JSON.

    filter: as text; values: {clip: measure}, of all scored clips; dropped: those that the filter does not keep
    random: scores of random sets of as many clips as are kept, without replacement from all
    as_low: of these sets, those that score as low as the kept clips; a filter without effect has half of them on average
    """

    filter: str
    values: Mapping[str, float]
    dropped: tuple[str, ...]
    before: Row
    after: Row
    random: tuple[Fad, ...]
    as_low: int


def measure_arrays(clips: Iterable[tuple[str, np.ndarray]], rate: int, measure: str) -> dict[str, float]:
    """{name: measure} of (name, audio float [N, C])."""
    return {name: MEASURES[measure](audio, rate) for name, audio in clips}


def measure_folder(path: epath.PathLike, measure: str, *, progress: bool = True) -> dict[str, float]:
    """{name: measure} of the audio files of a tree that can be read: names are those of listening.folder, which tells of the others.

    Raises DataError where there is no such folder, or no audio in it.
    """
    tracks, values = data.open_source(f"folder:{path}").tracks, {}
    for track in track_progress(tracks, len(tracks), f"{path}, {measure}", progress, unit="clip"):
        try:
            values[track.name] = MEASURES[measure](*track.read())
        except DataError:
            continue  # among the unusable clips of what was heard
    return values


def compare(
    embedding: Embedding,
    heard: Heard,
    values: Mapping[str, float],
    keep: Filter,
    reference: Reference,
    *,
    label: str = "clips",
    sets: int = SETS,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> Filtered:
    """What was heard, before and after a filter, and random sets of as many clips; values: {name: measure} of each usable clip.

    Raises UsageError for a clip without a measure, DataError where fewer than 2 clips are kept, and what rows.score raises.
    """
    embedded = heard.embedded
    missing = [name for name in embedded.names if name not in values]
    if missing or not embedded.names:
        raise UsageError(
            f"{keep.measure} is not known of {missing[0] if missing else 'clips without names'}: measure it"
        )
    measured = {name: values[name] for name in embedded.names}
    kept = keep.keeps(np.array(list(measured.values())))
    if kept.sum() < 2:
        low, high = min(measured.values()), max(measured.values())
        raise DataError(
            f"{keep} keeps {kept.sum()} of {len(kept)} clips, and 2 are needed: here {keep.measure} is {low:.4g} to {high:.4g}"
        )
    options = {"max_padded": max_padded, "seed": seed}
    rng, scores = np.random.default_rng(seed), []
    for _ in range(sets):
        chosen = rng.choice(len(kept), size=kept.sum(), replace=False)
        scores.append(fad.measure(rows.part(heard, chosen).embedded, reference.moments, seed=seed))
    after = rows.score(embedding, rows.part(heard, np.flatnonzero(kept)), reference, label=label, **options)
    return Filtered(
        filter=str(keep),
        values=measured,
        dropped=tuple(name for name, own in zip(embedded.names, kept) if not own),
        before=rows.score(embedding, heard, reference, label=label, **options),
        after=after,
        random=tuple(scores),
        as_low=sum(each.value <= after.fad.value for each in scores),
    )


def render(found: Sequence[Filtered]) -> str:
    """The talk's table with its control: a row a filter. Raises UsageError when the scores differ in more than their clips."""
    for each in found[1:]:
        rows.difference(found[0].before, each.before)  # refuses what is not compared
    metric = found[0].before.metric
    columns = (
        "",
        "filter",
        "kept",
        f"{metric} before",
        "after",
        "of random sets",
        "as low",
        "raw before",
        "after",
        "of random sets",
    )
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for each in found:
        before, after = each.before, each.after
        scores = [
            _scored(before.fad), _scored(after.fad), _spread([fad.value for fad in each.random]), f"{each.as_low} of {len(each.random)}",
            f"{before.fad.raw:.4g}", f"{after.fad.raw:.4g}", _spread([fad.raw for fad in each.random]),
        ]  # fmt: skip
        kept = f"{after.key.clips}/{before.key.clips}"
        lines.append(f"| {' | '.join((before.label, each.filter, kept, *scores))} |")
    count = max(len(each.random) for each in found)
    lines += [
        "",
        f"Random sets: {count} of as many clips as are kept, their mean ± their deviation; as low: those that score as low as the kept clips.",
    ]
    return "\n".join(lines)


def _scored(found: Fad) -> str:
    return f"{found.value:.4g} ± {found.error:.2g}"


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"
