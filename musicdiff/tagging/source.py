"""From a source to its sidecars: each track is heard once, and what is heard with enough confidence is written where nobody wrote."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from etils import epath

import musicdiff
from musicdiff import data
from musicdiff.data import labels
from musicdiff.data.prefetch import map_ahead
from musicdiff.data.progress import track_progress
from musicdiff.data.track import Track
from musicdiff.errors import DataError, UsageError
from musicdiff.tagging import key, sidecars, tags, tempo
from musicdiff.tagging.estimate import RATE
from musicdiff.tagging.sidecars import Finding, Sidecar

FIELDS = ("tempo", "key", "tags", "caption")
LEAST = {"tempo": 0.6, "key": 0.6, "tags": 0.3}  # confidence; docs/tagging.md has what it is worth
LONGEST = 120.0  # seconds out of the middle of a track, which are listened to
WORKERS = 2


@dataclass
class Report:
    """written: number of sidecars made or changed; filled: {field: tracks in whose sidecar the tagger's stands}
    unused: {'name', 'reason'} of tracks that could not be read or whose sidecars are no JSON
    no_tags: why there are none, with the remedy; '' where musicnn was heard
    """

    source: str
    tracks: int
    written: int = 0
    filled: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    unused: list[dict[str, str]] = field(default_factory=list)
    no_tags: str = ""


def tag(
    text: str, out: epath.PathLike | None = None, *, least: Mapping[str, float] = LEAST, progress: bool = True
) -> Report:
    """Writes tempo, key, tags and a caption of them into sidecars: NAME.json beside each NAME of a folder, or in `out`.

    In `out`, where no audio is, a sidecar also holds what the source says of the track. Labels that a person wrote, in whatever file, stay.

    Args:
        text: 'folder:PATH', 'builtin:14', 'tfds:NAME', as for data.open_source
        least: confidence that a field needs, {'tempo', 'key', 'tags': 0 .. 1}

    Raises:
        UsageError: a source that is no folder, and no `out`.
        DataError: no track could be read.
    """
    kind, _, argument = text.partition(":")
    if kind != "folder" and out is None:
        raise UsageError(f"{text} has no folder for sidecars: give one by --out")
    home = epath.Path(argument if out is None else out).expanduser()
    source = data.open_source(text)
    report = Report(source.name, len(source.tracks))
    try:
        tagger = tags.load()
    except DataError as error:
        tagger, report.no_tags = None, str(error)

    def hear(track: Track) -> tuple[epath.Path, Sidecar, Sidecar] | dict[str, str]:
        path = home / PurePosixPath(track.name).with_suffix(".json")
        try:
            old = sidecars.read(path)
            return path, old, _sidecar(track, old, tagger, least, complete=out is not None)
        except DataError as error:
            return {"name": track.name, "reason": str(error)}

    results = map_ahead(hear, source.tracks, WORKERS)
    for result in track_progress(results, report.tracks, f"tagging {source.name}", progress):
        if isinstance(result, dict):
            report.unused.append(result)
            continue
        path, old, new = result
        for name in new.get(labels.TAGGED, {}):
            report.filled[name] += 1
        if new != old:
            sidecars.write(path, new)
            report.written += 1
    if len(report.unused) == report.tracks:
        first = report.unused[0]
        raise DataError(f"{text}: none of its {report.tracks} tracks can be tagged; {first['name']}: {first['reason']}")
    return report


def render(report: Report) -> str:
    """The report as text."""
    filled = ", ".join(f"{name} {report.filled[name]}" for name in FIELDS)
    lines = [
        f"{report.source}: {report.tracks} tracks, {report.written} sidecars written or changed; from the tagger: {filled}"
    ]
    lines += [f"no tags: {report.no_tags}"] if report.no_tags else []
    lines += [f"left out {track['name']}: {track['reason']}" for track in report.unused]
    return "\n".join(lines)


def _sidecar(
    track: Track, old: Sidecar, tagger: tags.Tagger | None, least: Mapping[str, float], complete: bool
) -> Sidecar:
    """The sidecar of a track, anew."""
    theirs, ours = sidecars.split(old)
    known = {name: value for name, value in _said(track).items() if name not in ours or value != ours[name].value}
    if complete:
        theirs = {**known, **theirs}
    wanted = {name for name in FIELDS if sidecars.is_open(theirs, name) and name not in known}
    found = {}
    if wanted & {"tempo", "key"} or ("tags" in wanted and tagger):
        found = _hear(_excerpt(track), wanted, tagger, least)
    if "tags" in ours and not tagger:  # heard when there were weights
        found["tags"] = ours["tags"]
    if "caption" in wanted:
        found |= _caption({**theirs, **{name: finding.value for name, finding in found.items()}, **known})
    return sidecars.join(theirs, found)


def _said(track: Track) -> dict[str, Any]:
    """The labels of a track that say something; a caption that was only put together from the others does not."""
    said = {name: getattr(track, name) for name in labels.FIELDS if getattr(track, name)}
    if track.caption == labels.describe(track.style, track.tempo, track.key):
        said.pop("caption", None)
    if math.isnan(track.tempo):
        del said["tempo"]
    return said


def _excerpt(track: Track) -> np.ndarray:
    """The middle of a track [N]. Raises DataError where there is nothing to hear; not all sources look at their samples."""
    audio, _ = track.read(sample_rate=RATE, channels=1)
    length = round(LONGEST * RATE)
    start = max(0, len(audio) - length) // 2
    excerpt = audio[start : start + length, 0]
    if not excerpt.size or not np.isfinite(excerpt).all():
        raise DataError("holds NaN or infinite samples" if excerpt.size else "holds no samples")
    return excerpt


def _hear(
    audio: np.ndarray, wanted: Collection[str], tagger: tags.Tagger | None, least: Mapping[str, float]
) -> dict[str, Finding]:
    """What is heard of the fields that are wanted, surely enough."""
    found = {}
    for name, what, estimate in (("tempo", "beat tracker", tempo.estimate), ("key", "key finder", key.estimate)):
        if name in wanted:
            value, confidence = estimate(audio, RATE)
            if value is not None and confidence >= least[name]:
                value = round(value) if name == "tempo" else value
                found[name] = Finding(value, round(confidence, 3), f"{what} of musicdiff {musicdiff.__version__}")
    if "tags" in wanted and tagger:
        heard = sorted(tags.listen(tagger, audio, RATE).items(), key=lambda pair: -pair[1])
        likely = {tag: round(p, 3) for tag, p in heard if p >= least["tags"]}
        if likely:
            found["tags"] = Finding(list(likely), likely, f"musicnn {tagger.checkpoint} sha256 {tagger.sha256[:12]}")
    return found


def _caption(known: Mapping[str, Any]) -> dict[str, Finding]:
    """A caption, where there are tags to say; without, data.labels puts one together when it reads the sidecar."""
    heard = known.get("tags")
    if not isinstance(heard, list) or not heard:
        return {}
    style, bpm, name = (known.get(field) for field in ("style", "tempo", "key"))
    words = [word for word in (style, *heard) if isinstance(word, str) and word]
    said = labels.describe(
        ", ".join(dict.fromkeys(words)),
        float(bpm) if isinstance(bpm, int | float) else math.nan,
        name if isinstance(name, str) else "",
    )
    return {"caption": Finding(said, None, "style, tags, tempo and key")}
