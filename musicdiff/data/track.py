"""A track: one piece of audio and what is known of it. Every source of data is a sequence of tracks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Track:
    """One piece of audio, read when asked for; unknown fields are empty, never guessed.

    name: unique within its source and stable between machines; splits are drawn by it
    read(sample_rate=None, channels=None) -> (audio float32 [N, C] within about -1..1, sample_rate); None means the track's own.
        Raises DataError, one line that says why, when the audio cannot be used; whoever shows it puts the track's name before it.
    tempo: beats a minute, nan when unknown
    key: as 'C minor'
    bar_times: seconds of the downbeats
    licence: of this track's audio
    """

    name: str
    read: Callable[..., tuple[np.ndarray, int]]
    caption: str = ""
    style: str = ""
    tempo: float = float("nan")
    key: str = ""
    bar_times: tuple[float, ...] = ()
    licence: str = ""


@dataclass(frozen=True)
class TrackSource:
    """What a plugin of data/sources builds.

    fingerprint: changes whenever a track comes, goes or is renamed, or its audio changes: what is made of the audio is known by it
    label_fingerprint: changes whenever a label would
    unread_labels: {'name', 'reason'} of files with labels that could not be read, or not wholly
    """

    name: str
    tracks: Sequence[Track]
    fingerprint: str
    label_fingerprint: str = ""
    unread_labels: Sequence[Mapping[str, str]] = ()
