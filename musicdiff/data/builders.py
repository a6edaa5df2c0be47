"""From a source of audio to a cache of log-mels, of latents, or of the audio itself, whole tracks: built once for each hash of all that shapes it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from os import cpu_count
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from musicdiff.audio.mel import MelSpec
from musicdiff.data import records
from musicdiff.data.mels import whole_mel
from musicdiff.data.prefetch import map_ahead
from musicdiff.data.progress import track_progress
from musicdiff.data.track import Track, TrackSource
from musicdiff.data.tracks import Tracks
from musicdiff.errors import DataError

FORMAT = 3  # raise it whenever the same source would make other records
TEST_SHARE = 0.08
SILENT_PEAK = 1e-3  # -60 dB of full scale
SILENT_FRAMES = 512  # of the silence whose latent fills clips longer than their track


def build(
    source: TrackSource,
    feature: str,
    spec: MelSpec,
    cache_dir: epath.PathLike,
    *,
    strict: bool = False,
    progress: bool = True,
) -> Tracks:
    """What a model of `feature` begins with: 'audio' at the rate and width of `spec`; or mels, which latents are made of too. As `build_tracks`."""
    if feature == "audio":
        return build_audio(source, spec.sample_rate, spec.channels, cache_dir, strict=strict, progress=progress)
    return build_tracks(source, spec, cache_dir, strict=strict, progress=progress)


def build_tracks(
    source: TrackSource, spec: MelSpec, cache_dir: epath.PathLike, *, strict: bool = False, progress: bool = True
) -> Tracks:
    """The log-mels of a source, float16 [T, F, C] in -1..1, built unless they are there.

    A cache is known by the audio alone; labels are those that the source has now. Silent and unreadable tracks are left out and listed in
    report.json, as are labels that could not be read when it was written. Splits are drawn by a hash of the track's name: about 8 % are 'test', at
    least one track where there are two, and a track stays where it is when others come or go.

    Args:
        cache_dir: local or remote; the cache is a directory in it, named by its fingerprint
        strict: raise at the first track that cannot be used, or file with labels that cannot be read
        progress: tell stderr how far it is

    Raises:
        DataError: no track can be used; or one cannot, or its labels, and `strict`.
    """
    silence = np.full((spec.num_mels, spec.channels), -1.0)
    kept = Kept("mel", asdict(spec), silence, lambda audio: whole_mel(audio, spec))
    return _build(source, kept, cache_dir, strict, f"mels of {source.name}", progress)


def build_audio(
    source: TrackSource,
    sample_rate: int,
    channels: int,
    cache_dir: epath.PathLike,
    *,
    strict: bool = False,
    progress: bool = True,
) -> Tracks:
    """The audio of a source, int16 [N, C] of full scale 32768, built unless it is there; all else is as of `build_tracks`.

    Samples are rounded to the nearest of 32768 steps, and clipped beyond full scale; batches hold them divided by 32768.
    """
    spec = {"sample_rate": sample_rate, "channels": channels}
    kept = Kept("audio", spec, np.zeros(channels), _pcm)
    return _build(source, kept, cache_dir, strict, f"audio of {source.name}", progress)


def build_latents(
    tracks: Tracks,
    encode: Callable[[np.ndarray], np.ndarray],
    fingerprint: str,
    cache_dir: epath.PathLike,
    *,
    progress: bool = True,
) -> Tracks:
    """The latents of whole tracks, float32 [T', F', Z], in the same splits, built unless they are there.

    A clip longer than its track is filled with the latent of silence: the middle frame of encode(-1).

    Args:
        tracks: a cache of mels
        encode: mel float32 [T, F, C] -> latent [T', F', Z]; windows long tracks itself
        fingerprint: of the encoder: its weights and how it is applied
    """
    total = _digest(FORMAT, tracks.fingerprint, fingerprint)
    home = epath.Path(cache_dir) / f"latents-{total}"
    if found := records.find(home):
        path, index = found
        labels = {
            name: {label: columns[label] for label in records.LABELS}
            for name, columns in tracks.index["splits"].items()
        }
        return Tracks(path, _with_labels(index, labels, tracks.index["labels"], tracks.unread_labels))

    def encoded() -> Iterator[tuple[str, dict[str, Any]]]:
        for name in records.SPLITS:
            split = tracks.split(name)
            for record in range(len(split)):
                (example,) = split[[record]]
                mel = example.pop("mel")
                yield name, {**example, "latent": encode(mel.astype(np.float32))}

    silent = encode(np.full((SILENT_FRAMES, *np.shape(tracks.index["silence"])), -1, np.float32))
    count = sum(len(tracks.split(name)) for name in records.SPLITS)
    examples = track_progress(encoded(), count, f"latents of {tracks.index['source']}", progress)
    header = {
        **{key: tracks.index[key] for key in ("source", "sample_rate", "spec", "labels", "unread_labels")},
        "fingerprint": total,
        "feature": "latent",
        "silence": np.asarray(silent[len(silent) // 2], np.float32).tolist(),
        "encoder": fingerprint,
    }
    return _store(home, header, examples, tracks.skipped)


class Kept(NamedTuple):
    """What is kept of a source's audio.

    feature: of records.FEATURES
    spec: all that shapes it, the sample_rate and channels that tracks are read at among it
    silence: a frame of it [...]
    of_audio: float32 [N, C] -> [T, ...], to be stored
    """

    feature: str
    spec: Mapping[str, Any]
    silence: np.ndarray
    of_audio: Callable[[np.ndarray], np.ndarray]


def _build(
    source: TrackSource, kept: Kept, cache_dir: epath.PathLike, strict: bool, what: str, progress: bool
) -> Tracks:
    if strict and source.unread_labels:
        raise _unusable(source.unread_labels[0])
    fingerprint = _digest(FORMAT, source.fingerprint, kept.spec)
    home = epath.Path(cache_dir) / f"tracks-{fingerprint}"
    if found := records.find(home):
        path, index = found
        tracks = Tracks(path, _relabelled(index, source))
        if strict and tracks.skipped:
            raise _unusable(tracks.skipped[0])
        return tracks

    skipped: list[Mapping[str, str]] = []

    def usable() -> Iterator[dict[str, Any]]:
        ordered = sorted(source.tracks, key=lambda track: _position(track.name))
        results = map_ahead(lambda track: _example(track, kept), ordered, min(4, cpu_count() or 1))
        for result in track_progress(results, len(ordered), what, progress):
            if "reason" not in result:
                yield result
            elif strict:
                raise _unusable(result)
            else:
                skipped.append(result)

    header = {
        "fingerprint": fingerprint,
        "feature": kept.feature,
        "silence": kept.silence.tolist(),
        "source": source.name,
        "sample_rate": kept.spec["sample_rate"],
        "spec": kept.spec,
        "labels": source.label_fingerprint,
        "unread_labels": list(source.unread_labels),
    }
    return _store(home, header, _split(usable()), skipped)


def _relabelled(index: Mapping[str, Any], source: TrackSource) -> Mapping[str, Any]:
    """The index of a cache with the labels that its source has now."""
    if index["labels"] == source.label_fingerprint:
        return index
    tracks = {track.name: track for track in source.tracks}
    labels = {
        name: {
            label: [records.plain(getattr(tracks[track], label)) for track in columns["name"]]
            for label in records.LABELS
        }
        for name, columns in index["splits"].items()
    }
    return _with_labels(index, labels, source.label_fingerprint, source.unread_labels)


def _with_labels(
    index: Mapping[str, Any],
    labels: Mapping[str, Mapping[str, Sequence[Any]]],  # of each split, the columns
    fingerprint: str,
    unread: Sequence[Mapping[str, str]],
) -> Mapping[str, Any]:
    splits = {name: {**columns, **labels[name]} for name, columns in index["splits"].items()}
    return {**index, "splits": splits, "labels": fingerprint, "unread_labels": list(unread)}


def _store(
    home: epath.Path,
    header: Mapping[str, Any],
    examples: Iterable[tuple[str, Mapping[str, Any]]],
    skipped: Iterable[Mapping[str, str]],  # may grow while `examples` are consumed
) -> Tracks:
    feature = header["feature"]
    with records.attempt(home) as path:
        columns = records.write(path, feature, np.shape(header["silence"]), examples)
        block = records.FEATURES[feature].block
        tracks = Tracks(path, {**header, "block": block, "skipped": list(skipped), "splits": columns})
        if not any(len(tracks.split(name)) for name in records.SPLITS):
            reasons = "; ".join(f"{track['name']}: {track['reason']}" for track in tracks.skipped[:3])
            raise DataError(f"{header['source']}: none of its {len(tracks.skipped)} tracks can be used: {reasons}")
        report = {
            "source": header["source"],
            "hours": round(tracks.hours, 3),
            "tracks": {name: len(tracks.split(name)) for name in records.SPLITS},
            "licences": tracks.licences,
            "skipped": tracks.skipped,
            "unread_labels": tracks.unread_labels,
        }
        (path / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        (path / "index.json").write_text(json.dumps(tracks.index))
    return tracks


def _example(track: Track, kept: Kept) -> dict[str, Any]:
    """The record of a track, or {'name', 'reason'} where it cannot be used."""
    try:
        audio, _ = track.read(sample_rate=kept.spec["sample_rate"], channels=kept.spec["channels"])
    except DataError as error:
        return {"name": track.name, "reason": str(error)}
    peak = float(np.max(np.abs(audio), initial=0.0))
    if not np.isfinite(peak):
        return {"name": track.name, "reason": "holds NaN or infinite samples"}
    if peak < SILENT_PEAK:
        return {
            "name": track.name,
            "reason": f"silent: its peak is below {20 * np.log10(SILENT_PEAK):.0f} dB of full scale",
        }
    return {
        "name": track.name,
        "caption": track.caption,
        "style": track.style,
        "key": track.key,
        "licence": track.licence,
        "tempo": track.tempo,
        "bar_times": np.asarray(track.bar_times, np.float32),
        "samples": len(audio),
        kept.feature: kept.of_audio(audio),
    }


def _pcm(audio: np.ndarray) -> np.ndarray:
    """round(audio / unit), within the integers there are."""
    dtype, _, unit = records.FEATURES["audio"]
    limits = np.iinfo(dtype)
    return np.clip(np.rint(audio / np.float32(unit)), limits.min, limits.max).astype(dtype)


def _split(examples: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(split, example) for examples in the order of their positions: 'test' below TEST_SHARE, and the first of all where there are two.

    The last candidate for 'test' is held back until another example follows, so that 'train' is never empty.
    """
    held, tested = None, False
    for example in examples:
        if held is not None:
            yield "test", held
            held, tested = None, True
        if _position(example["name"]) < TEST_SHARE or not tested:
            held = example
        else:
            yield "train", example
    if held is not None:
        yield "train", held


def _position(name: str) -> float:
    """A hash of the name in [0, 1): below TEST_SHARE a track is for testing."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _unusable(track: Mapping[str, str]) -> DataError:
    return DataError(f"{track['name']}: {track['reason']}; repair it or leave it out, or build without strict")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
