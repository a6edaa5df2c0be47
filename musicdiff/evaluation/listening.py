"""An embedding listens to a set of clips: each is decoded, mixed to mono, resampled and cut; batches go over the borders of clips.

Nothing is dropped in silence: what cannot be used is listed with its reason.
"""

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from os import cpu_count
from typing import NamedTuple

import numpy as np
from etils import epath

from musicdiff import data, weights
from musicdiff.audio import io
from musicdiff.data.prefetch import map_ahead
from musicdiff.data.progress import track_progress
from musicdiff.data.track import Track
from musicdiff.errors import DataError
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.embedding import BATCH, Embedding
from musicdiff.evaluation.vectors import Clip, Kept

PADDED = 0.05  # of a window: with more padding than that it counts as padded
LISTED = 3  # clips that are named where none can be used


@dataclass(frozen=True)
class Heard:
    """A set of clips, by an embedding.

    embedded: usable clips, ordered by name
    padding: float32 [windows], the share of each that is no sound of its clip
    seconds: of all usable clips together
    rates, channels: of their files, in Hz: the different ones, sorted
    unusable: (name, reason) of clips that are not in `embedded`: not decodable, NaN or infinite, without a window by the protocol
    sha256: of the sorted sha256 of the usable clips: what they are called, and where they lie, is no part of it
    """

    embedded: Embedded
    padding: np.ndarray
    seconds: float
    rates: tuple[int, ...]
    channels: tuple[int, ...]
    unusable: tuple[tuple[str, str], ...]
    sha256: str

    @property
    def padded(self) -> float:
        """The share of windows with more than 5 % padding."""
        return float(np.mean(self.padding > PADDED))


class Unusable(NamedTuple):
    name: str
    reason: str


class Cut(NamedTuple):
    """clip: without vectors yet; windows: [n, ...] of them"""

    clip: Clip
    windows: np.ndarray


def folder(
    embedding: Embedding, path: epath.PathLike, *, cache_dir: epath.PathLike | None = None, progress: bool = True
) -> Heard:
    """The audio files of a tree, each known by the sha256 of its bytes; one that was heard before is not decoded again.

    Which files those are, `folder:PATH` of data.open_source says: hidden ones are passed over, linked files are read, linked folders are not entered.

    Args:
        path: local or remote
        cache_dir: of vectors; None is $XDG_CACHE_HOME/musicdiff/embeddings
        progress: tell stderr how far it is

    Raises:
        DataError: no such folder, no audio in it, none that can be used, or a cache that cannot be written.
    """
    source, root, kept = data.open_source(f"folder:{path}"), epath.Path(path).expanduser(), Kept(embedding, cache_dir)

    def listen(track: Track) -> Clip | Cut | Unusable:
        try:
            sha256 = _sha256(root / track.name, track)
            return kept.find(track.name, sha256) or _cut(embedding, track.name, sha256, *track.read())
        except (DataError, OSError) as error:
            return Unusable(track.name, str(error))

    listened = map_ahead(listen, source.tracks, min(4, cpu_count() or 1))
    told = track_progress(listened, len(source.tracks), f"{path}, heard by {embedding.name}", progress, unit="clip")
    return _hear(embedding, told, kept.keep, f"{path}")


def arrays(embedding: Embedding, clips: Iterable[tuple[str, np.ndarray]], rate: int) -> Heard:
    """(name, audio float [N, C]) at `rate` Hz, each known by the sha256 of its samples in float32 and the rate. Nothing is cached.

    Raises DataError where none can be used.
    """

    def listen(name: str, audio: np.ndarray) -> Cut | Unusable:
        audio = np.asarray(audio, np.float32)
        sha256 = hashlib.sha256(f"{rate} {audio.shape}".encode() + audio.tobytes()).hexdigest()
        try:
            return _cut(embedding, name, sha256, audio, rate)
        except DataError as error:
            return Unusable(name, str(error))

    return _hear(embedding, itertools.starmap(listen, clips), lambda clip: None, "arrays")


def _sha256(path: epath.Path, track: Track) -> str:
    try:
        return weights.sha256(path)
    except OSError:
        track.read()  # says why
        raise


def _cut(embedding: Embedding, name: str, sha256: str, audio: np.ndarray, rate: int) -> Cut:
    if not audio.size or not np.isfinite(audio).all():
        raise DataError("holds NaN or infinite samples" if audio.size else "holds no samples")
    mono = io.resample(io.mix(audio, 1), rate, embedding.sample_rate)[:, 0]
    windows = embedding.cut(mono)
    nothing = np.zeros((0, embedding.width), np.float32)
    clip = Clip(name, sha256, len(audio) / rate, rate, audio.shape[1], windows.padding.astype(np.float32), nothing)
    return Cut(clip, windows.x)


def _hear(
    embedding: Embedding, listened: Iterable[Clip | Cut | Unusable], keep: Callable[[Clip], None], where: str
) -> Heard:
    usable: list[Clip] = []
    unusable: list[Unusable] = []

    def file(clip: Clip) -> None:
        if len(clip.x):
            usable.append(clip)
        else:
            unusable.append(Unusable(clip.name, f"{clip.seconds:.3g} s are too short for a window of {embedding.name}"))

    def uncomputed() -> Iterator[Cut]:
        for each in listened:
            match each:
                case Unusable():
                    unusable.append(each)
                case Clip():
                    file(each)
                case Cut(clip, windows) if not len(windows):
                    keep(clip)
                    file(clip)
                case _:
                    yield each

    for clip in _embed(embedding, uncomputed()):
        if np.isfinite(clip.x).all():
            keep(clip)
            file(clip)
        else:
            unusable.append(Unusable(clip.name, f"{embedding.name} makes NaN or infinity of it"))
    if not usable:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(unusable)[:LISTED])
        raise DataError(f"{where}: none of {len(unusable)} clips can be used{': ' if reasons else ''}{reasons}")
    return _gather(sorted(usable, key=lambda clip: clip.name), sorted(unusable))


def _embed(embedding: Embedding, cuts: Iterable[Cut]) -> Iterator[Clip]:
    """The clips with their vectors, in order. A batch is of the next windows, whichever clips they are of."""
    windows = ((cut.clip, window) for cut in cuts for window in cut.windows)

    def rows() -> Iterator[tuple[Clip, np.ndarray]]:
        while batch := list(itertools.islice(windows, BATCH)):
            yield from zip((clip for clip, _ in batch), embedding.embed(np.stack([window for _, window in batch])))

    for clip, group in itertools.groupby(rows(), key=lambda row: row[0]):
        yield replace(clip, x=np.stack([x for _, x in group]))


def _gather(clips: list[Clip], unusable: list[Unusable]) -> Heard:
    counts = [len(clip.x) for clip in clips]
    hashes = "\n".join(sorted(clip.sha256 for clip in clips))
    return Heard(
        embedded=Embedded(
            np.repeat(np.arange(len(clips)), counts),
            np.concatenate([clip.x for clip in clips]),
            tuple(clip.name for clip in clips),
        ),
        padding=np.concatenate([clip.padding for clip in clips]),
        seconds=math.fsum(clip.seconds for clip in clips),
        rates=tuple(sorted({clip.rate for clip in clips})),
        channels=tuple(sorted({clip.channels for clip in clips})),
        unusable=tuple(map(tuple, unusable)),
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
    )
