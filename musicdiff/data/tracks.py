"""What is in a cache of tracks: two splits of whole tracks, with lengths and labels known before anything is read.

A cache is made of audio; labels are those that its source has when it is opened.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from etils import epath

from musicdiff.data import records
from musicdiff.errors import UsageError


@dataclass(frozen=True)
class Tracks:
    """A cache that is whole.

    path: its directory
    index: what its builder noted of it: fingerprint, feature, lengths and labels of each split, skipped tracks; the labels
        as they are now
    """

    path: epath.Path
    index: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """A hash of the source's audio, of how it was read (rate, width, the MelSpec, the encoder), and of the version of this code."""
        return self.index["fingerprint"]

    @property
    def label_fingerprint(self) -> str:
        """The source's hash of its labels."""
        return self.index["labels"]

    @property
    def feature(self) -> str:
        """'mel', 'latent' or 'audio'."""
        return self.index["feature"]

    @property
    def skipped(self) -> Sequence[Mapping[str, str]]:
        """Tracks that could not be used: {'name', 'reason'} each."""
        return self.index["skipped"]

    @property
    def unread_labels(self) -> Sequence[Mapping[str, str]]:
        """Files with labels that could not be read, or not wholly: {'name', 'reason'} each."""
        return self.index["unread_labels"]

    @property
    def hours(self) -> float:
        """Hours of audio in both splits."""
        return sum(self.split(name).hours for name in records.SPLITS)

    @property
    def licences(self) -> dict[str, int]:
        """Number of tracks under each licence, 'unknown' where the source gives none."""
        return dict(
            Counter(licence or "unknown" for split in self.index["splits"].values() for licence in split["licence"])
        )

    def split(self, name: str) -> "TrackSplit":
        """'train' or 'test'; 'test' is empty when the source has one usable track."""
        if name not in records.SPLITS:
            raise UsageError(f"no split {name!r}; there are: {', '.join(records.SPLITS)}")
        return TrackSplit(self, name)

    def held_out_split(self) -> "TrackSplit":
        """What to evaluate on: 'test', or 'train' where one track is all there is."""
        test = self.split("test")
        return test if len(test) else self.split("train")


class TrackSplit:
    """Whole tracks by number: a typing.Source whose lengths and labels are known without reading any.

    frames: int64 [n], length of each track's array: samples, of audio
    labels: name, caption, style, key, licence: str [n]; tempo, seconds: float32 [n]
    silence: float32 [F, C], or [C] of audio, a frame of silence, that clips longer than their track are filled with
    """

    def __init__(self, tracks: Tracks, name: str):
        columns = tracks.index["splits"][name]
        self.fingerprint = f"{tracks.fingerprint}/{name}"
        self.feature = tracks.feature
        self.frames = np.asarray(columns["frames"], np.int64)
        self.labels = {label: np.asarray(columns[label]) for label in records.LABELS if label != "tempo"}
        self.labels["tempo"] = np.asarray(columns["tempo"], np.float32)
        seconds = np.asarray(columns["samples"], np.float64) / tracks.index["sample_rate"]
        self.labels["seconds"] = seconds.astype(np.float32)
        self.silence = np.asarray(tracks.index["silence"], np.float32)
        self.hours = float(seconds.sum()) / 3600
        self._path, self._name, self._block = tracks.path, name, tracks.index["block"]

    @cached_property
    def records(self) -> records.Records:
        """The stored records, opened at first use."""
        return records.Records(self._path, self._name, self.feature, self._block, self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Whole tracks: `feature` [T, F, C] or [T, C] as records hold it, labels, bar_times [n] in seconds, samples."""
        return [self.records.example(i) | {label: self.labels[label][i] for label in records.LABELS} for i in ids]
