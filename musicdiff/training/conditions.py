"""What the tracks of a data set tell a model: their labels -> the 'cond' of batches; each different value is read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import conditioning
from musicdiff import config as configuration
from musicdiff.conditioning.label import fold
from musicdiff.data import TrackSource, TrackSplit
from musicdiff.training import encodings
from musicdiff.typing import Cond, Condition


@dataclass(frozen=True, eq=False)
class Column:
    """What the tracks of a split tell of one condition.

    values: of each track, None where its label says nothing or the condition refuses it
    refused: (track, why) of labels that the condition cannot say
    rows: arrays [1 + different values, ...], the first of no value
    row: int64 [tracks], which of them is a track's
    """

    values: Sequence[Any]
    refused: Sequence[tuple[str, str]]
    rows: Any
    row: np.ndarray

    def entry(self, tracks: np.ndarray) -> dict[str, Any]:
        """The entry of a Cond for clips of these tracks [b]."""
        row = self.row[tracks]
        return {"value": jax.tree.map(lambda array: array[row], self.rows), "present": row > 0}

    @property
    def share(self) -> float:
        """Of the tracks, those that tell it."""
        return float(np.mean(self.row > 0))


@dataclass(frozen=True, eq=False)
class Told:
    """What the tracks of a split tell: a column for each condition of a model."""

    columns: Mapping[str, Column]

    def describe(self, tracks: np.ndarray) -> dict[str, Cond]:
        """What `data.batches` adds to clips of these tracks: {'cond': ...}, nothing without conditions."""
        return {"cond": {name: column.entry(tracks) for name, column in self.columns.items()}} if self.columns else {}

    def values(self, track: int) -> dict[str, Any]:
        """{condition: value} that a track tells."""
        found = {name: column.values[track] for name, column in self.columns.items()}
        return {name: value for name, value in found.items() if value is not None}


def of_tracks(conditions: Mapping[str, Condition], split: TrackSplit, cache_dir: epath.PathLike) -> Told:
    """What the labels of a split's tracks tell. What a frozen encoder makes of texts is kept in `cache_dir` (see `encodings`)."""
    return Told({name: _column(name, condition, split, cache_dir) for name, condition in conditions.items()})


def report(*parts: Told) -> str:
    """A line for each condition: how many of the tracks tell it, and the first label that it refuses."""
    lines = []
    for name in parts[0].columns:
        columns = [part.columns[name] for part in parts]
        told, count = (sum(map(int, numbers)) for numbers in zip(*((np.sum(c.row > 0), len(c.row)) for c in columns)))
        refused = [fault for column in columns for fault in column.refused]
        first = (
            f"; {len(refused)} labels ignored, the first of {refused[0][0]}: {name} {refused[0][1]}" if refused else ""
        )
        lines.append(f"{name}: told by {told} of {count} tracks{first}")
    return "\n".join(lines)


def fill_classes(config: Mapping[str, Any], workdir: epath.PathLike, source: TrackSource) -> Mapping[str, Any]:
    """The configuration with the classes that its `label` conditions leave open: the workdir's own, even if none, else all that the tracks name."""
    sections, begun = config.get("conditions", {}), (epath.Path(workdir) / "config.json").exists()
    there = configuration.read(workdir).get("conditions", {}) if begun else {}
    filled = {}
    for name, section in sections.items():
        if section.get("name") == "label" and name in conditioning.LABELS and not section.get("classes"):
            kept = there.get(name, {}).get("classes")
            classes = _classes(source, conditioning.LABELS[name]) if kept is None else kept
            filled[name] = {**section, "classes": classes}
    return {**config, "conditions": {**sections, **filled}} if filled else config


def _classes(source: TrackSource, label: str) -> tuple[str, ...]:
    """The different names, sorted; of several spellings of one, the first."""
    spelled: dict[str, str] = {}
    for name in sorted({getattr(track, label) for track in source.tracks}):
        if conditioning.is_known(name):
            spelled.setdefault(fold(name), name)
    return tuple(spelled[key] for key in sorted(spelled))


def _column(name: str, condition: Condition, split: TrackSplit, cache_dir: epath.PathLike) -> Column:
    labels = split.labels[conditioning.LABELS[name]]
    if labels.dtype.kind == "f":
        labels = labels.astype(str).astype(float)  # 94.1 as it was written, not 94.0999985
    labels = [label if conditioning.is_known(label) else None for label in labels.tolist()]
    reasons = {label: condition.refuse(label) for label in set(labels) - {None}}
    values = [None if reasons.get(label) else label for label in labels]
    refused = [
        (track, reasons[label]) for track, label in zip(split.labels["name"].tolist(), labels) if reasons.get(label)
    ]
    different = sorted(set(values) - {None})
    places = {value: place for place, value in enumerate([None, *different])}
    row = np.array([places[value] for value in values], np.int64)
    return Column(values, refused, _rows(condition, different, cache_dir), row)


def _rows(condition: Condition, values: Sequence[Any], cache_dir: epath.PathLike) -> Any:
    """Arrays [1 + n, ...] of no value and these."""
    if not condition.fingerprint:
        return condition.read([None, *values])
    nothing, encoded = condition.read([None]), encodings.read(condition, values, cache_dir)
    return jax.tree.map(lambda *parts: np.concatenate(parts), nothing, encoded)
