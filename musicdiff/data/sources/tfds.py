"""tfds:NAME[/CONFIG][:SPLIT]: every example of a tfds data set that holds audio is a track."""

import hashlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from musicdiff.audio.io import mix, resample
from musicdiff.data.labels import describe
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import DataError, UsageError

# Where a label may stand, best first: the name of a feature, or of the group of features that it is in.
STYLE = ("style", "genre", "family", "label", "instrument")
CAPTION = ("caption", "text", "description")
TEMPO = ("bpm", "tempo")
KEY = ("key",)
LABELS_VERSION = 1  # raise it whenever the same examples would have other labels


def build(argument: str) -> TrackSource:
    """The examples of the given split, or of all of them. What is not yet on disk is downloaded by tfds, which is said first.

    Labels are taken from features that are called what they are (STYLE, CAPTION, TEMPO, KEY), and read when a track is looked at; the licence is
    what tfds knows of the set's. TensorFlow is needed here, for tfds's audio features are made of it.

    Raises:
        UsageError: no name given, or TensorFlow is not installed.
        DataError: an unknown or unobtainable data set, or one without audio.
    """
    name, _, split = argument.partition(":")
    if not name:
        raise UsageError("tfds: needs the name of a data set: tfds:NAME[/CONFIG][:SPLIT]")
    builder = _builder(name)
    features = dict(_flatten(builder.info.features))
    audio = next((path for path, feature in features.items() if type(feature).__name__ == "Audio"), None)
    if audio is None:
        configs = ", ".join(builder.builder_configs) or "none"
        raise DataError(f"tfds:{name}: holds no audio, only {', '.join(features)}; its configurations: {configs}")
    if not features[audio].sample_rate:
        raise DataError(f"tfds:{name}: does not say the sample rate of its feature {audio!r}")
    _prepare(builder, name)
    splits = [split] if split else list(builder.info.splits) or ["train"]
    sizes = {key: info.num_bytes for key, info in builder.info.splits.items()}
    licence = " ".join(builder.info.redistribution_info.license.split())
    fingerprint = hashlib.sha256(repr((builder.info.full_name, sizes, splits)).encode()).hexdigest()[:16]
    try:
        tables = tuple(_Table(split, builder.as_data_source(split), audio, features, licence) for split in splits)
    except ValueError as error:
        raise DataError(f"tfds:{argument}: no split {split!r}; there are: {', '.join(builder.info.splits)}") from error
    # A version of a data set does not change, and its labels stand among its audio: they are read again only when this code or the licence does.
    return TrackSource(f"tfds:{argument}", _Tracks(tables), fingerprint, f"{LABELS_VERSION} {licence}")


@dataclass(frozen=True)
class _Table:
    """One split: examples by number, the path of the audio among their features, all features by path, and the licence of the whole set."""

    split: str
    examples: Sequence[Mapping[str, Any]]
    audio: str
    features: Mapping[str, Any]
    licence: str

    def track(self, i: int) -> Track:
        example = dict(_flatten(self.examples[i]))
        style, key = self._label(example, STYLE), self._label(example, KEY)
        try:
            tempo = float(self._label(example, TEMPO) or math.nan)
        except ValueError:
            tempo = math.nan
        caption = self._label(example, CAPTION) or describe(style, tempo, key)
        labels = {"caption": caption, "style": style, "tempo": tempo, "key": key, "licence": self.licence}
        return Track(f"{self.split}/{i:07d}", partial(self._read, i), **labels)

    def _label(self, example: Mapping[str, Any], names: Sequence[str]) -> str:
        for name in names:
            for path, value in example.items():
                if name in path.split("/") and np.ndim(value) == 0:
                    if hasattr(self.features[path], "int2str"):
                        return self.features[path].int2str(int(value)).replace("_", " ")
                    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return ""

    def _read(self, i: int, *, sample_rate: int | None = None, channels: int | None = None) -> tuple[np.ndarray, int]:
        audio = np.asarray(dict(_flatten(self.examples[i]))[self.audio])
        if audio.dtype.kind == "i":  # tfds holds files as 16-bit integers, in a wider type
            audio = audio / 2.0**15
        audio = np.asarray(audio, np.float32).reshape(len(audio), -1)
        rate = self.features[self.audio].sample_rate
        audio = mix(audio, channels or audio.shape[1])
        return resample(audio, rate, sample_rate or rate), sample_rate or rate


class _Tracks(Sequence[Track]):
    """All tracks of all splits, each made when asked for: labels stand in the records, and reading them all would delay every start."""

    def __init__(self, tables: Sequence[_Table]):
        self._places = [(table, i) for table in tables for i in range(len(table.examples))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> Track:
        table, example = self._places[i]
        return table.track(example)


def _builder(name: str) -> Any:
    try:
        import tensorflow  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        reason = "audio of tfds needs TensorFlow, which is not installed here: pip install tensorflow-cpu"
        raise UsageError(f"tfds:{name}: {reason}") from error
    try:
        return tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise DataError(f"tfds:{name}: tfds knows no such data set; tfds.list_builders() lists them") from error
    except ValueError as error:
        raise DataError(f"tfds:{name}: {_first_line(error)}") from error


def _prepare(builder: Any, name: str) -> None:
    """Sees that the data set is on disk, in a format that any example can be read from."""
    if not builder.is_prepared():
        print(f"tfds:{name}: getting {builder.info.download_size} into {builder.data_dir}", file=sys.stderr, flush=True)
        try:
            builder.download_and_prepare(file_format="array_record")
        except Exception as error:  # tfds, its data sets and their libraries raise anything
            raise DataError(f"tfds:{name}: could not be downloaded and prepared: {_first_line(error)}") from error
    elif builder.info.file_format not in type(builder.info.file_format).with_random_access():
        kind = builder.info.file_format.value
        remedy = (
            "convert it with `tfds convert_format --out_file_format=array_record`, or remove it to have it made anew"
        )
        raise DataError(f"tfds:{name}: {builder.data_dir} holds {kind} files, which have no random access; {remedy}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """('style/primary', leaf) for every leaf of nested mappings."""
    for name, value in tree.items():
        if hasattr(value, "items"):
            yield from _flatten(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
