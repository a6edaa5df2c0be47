"""A pack of loops: all different, equally loud, with a page to hear them and what is known of the licence of what they were learned from."""

import collections.abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from musicdiff import artifacts
from musicdiff.audio import loudness, quality
from musicdiff.audio.mel import MelSpec, decibels_of
from musicdiff.creative import loop
from musicdiff.creative.edited import Edited
from musicdiff.creative.tempo import Layout, lay_out
from musicdiff.errors import DataError, UsageError
from musicdiff.generation import Generator

LICENSE = "LICENSE.txt"
LUFS = -16.0  # where loops of drums and of pads both fit below full scale
PEAK_DB = -1.0  # dBFS, of the peakiest loop at most
DISTANCE = 3.0  # dB: nearer are repetitions (docs/loops.md)
TRIES = 4  # loops generated for each one that is asked for, at most
REFUSED = ("empty", "not finite", "silent", "nearly silent", "noise-like")  # findings that keep a loop out
STEPS, BANDS = 4, 16  # of a beat, and of the mel: what loops are compared by
DEPTH = 60.0  # dB below a loop's loudest: what is softer is all one


class Kept(NamedTuple):
    """A loop that goes into the pack: audio [N, C] at the pack's rate, what it is compared by, and its loudness in LUFS."""

    looped: Edited  # of this one loop
    features: np.ndarray
    lufs: float

    @property
    def seed(self) -> int:
        return self.looped.clips.seeds[0]


def pack(
    generator: Generator,
    folder: epath.PathLike,
    *,
    num: int,
    bars: int,
    bpm: float,
    beats_per_bar: int = 4,
    rate: int = 44_100,
    seed: int = 0,
    lufs: float = LUFS,
    distance: float = DISTANCE,
    facts: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    **asked: Any,
) -> Iterator[str]:
    """Writes `num` loops of the seeds from `seed` on; yields what there is to say, line by line.

    A loop that is silent, noise-like, or nearer than `distance` to one before it is left out, said, and the next seed takes its place.

    Args:
        folder: of the files: the loops, listen.html, LICENSE.txt
        lufs: the loudness of every loop, as it is heard repeated; less for all where one would rise above -1 dBFS
        distance: dB, see `distance_between`
        facts: of the run (`facts.read(workdir)`), of which the licence file says what is known
        asked: as of `loop`, `told` for all loops
    Raises UsageError for numbers that make no pack, DataError where four times as many seeds do not fill it, and what `loop` raises.
    """
    if min(num, batch_size) < 1 or not distance >= 0:
        raise UsageError(
            f"a pack is of 1 loop or more, in batches, at a distance from 0 dB on, not {num}, {batch_size}, {distance} dB"
        )
    loudness.check(lufs)
    shape = {"bars": bars, "bpm": bpm, "beats_per_bar": beats_per_bar, "rate": rate}
    layout = lay_out(generator.model.domain, **shape)
    batches = (
        loop.loop(generator, **shape, seeds=tuple(seeds), batch_size=len(seeds), **asked)
        for seeds in _batches(seed, num, batch_size)
    )
    kept = yield from _choose(generator, layout, batches, num, distance)
    gains, target = _gains(kept, lufs)
    if target < lufs:
        loudest = max(kept, key=lambda one: _peak_db(one.looped.audio[0]) - one.lufs)
        yield f"note: loops stand at {target:.1f} LUFS, not {lufs:g}: louder, that of seed {loudest.seed} would rise above {PEAK_DB:g} dBFS"
    folder = epath.Path(folder)
    for one, gain in zip(kept, gains):
        details = {"lufs": round(target, 2), "turned_up_db": round(gain, 2)}
        turned_up = replace(one.looped, audio=one.looped.audio * 10 ** (gain / 20))
        for clip in loop.save(folder, generator, turned_up, layout, tool="pack", details=details):
            yield "  ".join([str(clip.audio), *clip.findings])
    (folder / LICENSE).write_text(licence(generator, facts or {}, [one.seed for one in kept]))
    if num > 1:
        near, a, b = nearest_pair(kept)
        yield f"nearest pair: seeds {a} and {b}, {near:.1f} dB apart"
    yield f"{num} loops of {target:.1f} LUFS, {folder / LICENSE}"
    page = artifacts.rebuild_page(folder, f"{generator.name}: {num} loops")
    yield f"listen: {page}"


def features(log_mel: np.ndarray, spec: MelSpec, beats: int) -> np.ndarray:
    """What a loop is compared by: dB [4 beats, 16] of its mel [T, F, C], not below 60 dB under the loudest, less their mean."""
    decibels = np.asarray(decibels_of(log_mel, spec)).mean(axis=2)
    decibels = np.maximum(decibels, decibels.max() - DEPTH)
    decibels = _pooled(_pooled(decibels, STEPS * beats).T, min(BANDS, decibels.shape[1])).T
    return decibels - decibels.mean()


def distance_between(a: np.ndarray, b: np.ndarray) -> float:
    """min over turns s of the RMS of a - b turned by s: dB between the features of two loops, wherever each begins, whatever its level."""
    correlation = np.fft.irfft((np.fft.rfft(a, axis=0) * np.fft.rfft(b, axis=0).conj()).sum(axis=1), len(a))
    return float(np.sqrt(max(0.0, (np.square(a).sum() + np.square(b).sum() - 2 * correlation.max()) / a.size)))


def nearest_pair(kept: Sequence[Kept]) -> tuple[float, int, int]:
    """(dB, seed, seed) of the two loops that are least different."""
    pairs = [(one, other) for i, one in enumerate(kept) for other in kept[:i]]
    return min((distance_between(one.features, other.features), other.seed, one.seed) for one, other in pairs)


def licence(generator: Generator, facts: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """The text of LICENSE.txt: nothing is claimed that the run does not know."""
    licences = facts.get("licences") or ["unknown"]
    source = generator.config.get("data", {}).get("source", "unknown")
    return "\n".join(
        [
            f"{len(seeds)} loops generated by the model {generator.name!r}, step {generator.step}, with musicdiff.",
            f"Seeds: {', '.join(map(str, seeds))}",
            "",
            f"Training data: {source}",
            f"Tracks: {facts.get('tracks', 'unknown')}",
            "Licences of the training data, as its own files state them:",
            *(f"  - {name}" for name in licences),
            "",
            "This file grants nothing. What may be done with the loops depends on the licences above and on the law where",
            "they are used; where a licence is unknown, nothing is known of that. The loops resemble the training data and",
            "were not compared with it here: 'musicdiff evaluate copies' does that. Say that they are generated when you",
            "share them.",
            "",
        ]
    )


def _batches(seed: int, num: int, batch_size: int) -> Iterator[range]:
    """Seeds from `seed` on, TRIES * num at most; all batches are of one size, or each size would be compiled."""
    size = min(batch_size, num)
    return (range(first, first + size) for first in range(seed, seed + TRIES * num - size + 1, size))


def _choose(
    generator: Generator, layout: Layout, batches: Iterable[Edited], num: int, distance: float
) -> collections.abc.Generator[str, None, list[Kept]]:
    """The first `num` loops that can be kept; yields what there is to say of the others. No batch is computed that is not needed."""
    kept: list[Kept] = []
    said: set[str] = set()
    seen = 0
    for looped in batches:
        new = [note for note in dict.fromkeys((*looped.notes, *looped.clips.notes)) if note not in said]
        said.update(new)
        yield from new
        for one in _singles(looped):
            seen += 1
            judged = _judge(generator, layout, one, kept, distance)
            if isinstance(judged, str):
                yield f"seed {one.clips.seeds[0]} is left out: {judged}"
                continue
            kept.append(judged)
            if len(kept) == num:
                return kept
    raise DataError(
        f"only {len(kept)} of {num} loops from {seen} seeds: the others were silent, noise-like or repetitions; "
        "ask for fewer, for a smaller distance, or for less that is alike"
    )


def _singles(looped: Edited) -> Iterator[Edited]:
    """Each loop alone."""
    clips = looped.clips
    for i in range(len(looped.audio)):
        row = slice(i, i + 1)
        alone = replace(
            clips,
            audio=clips.audio[row],
            log_mel=clips.log_mel[row],
            x_0=clips.x_0[row],
            seeds=clips.seeds[row],
            told=clips.told[row],
        )
        yield replace(looped, audio=looped.audio[row], clips=alone)


def _judge(generator: Generator, layout: Layout, one: Edited, kept: Sequence[Kept], distance: float) -> Kept | str:
    """The loop as one to keep, or why it is none."""
    clips = one.clips
    found = quality.examine(
        one.audio[0],
        one.rate,
        roughness=float(quality.roughness(clips.log_mel)[0]),
        reference_roughness=generator.roughness,
    )
    for finding in found:
        if finding.startswith(REFUSED):
            return finding
    heard = features(clips.log_mel[0], MelSpec(**generator.config["mel"]), layout.beats)
    for other in kept:
        if (apart := distance_between(heard, other.features)) < distance:
            return f"{apart:.1f} dB from that of seed {other.seed}, nearer than {distance:g}"
    return Kept(one, heard, loudness.lufs(np.tile(one.audio[0], (2, 1)), one.rate))


def _gains(kept: Sequence[Kept], lufs: float) -> tuple[list[float], float]:
    """dB for each loop, and the loudness that they all have then."""
    target = min(lufs, *(PEAK_DB - _peak_db(one.looped.audio[0]) + one.lufs for one in kept))
    return [target - one.lufs for one in kept], target


def _peak_db(audio: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(audio).max()))


def _pooled(rows: np.ndarray, size: int) -> np.ndarray:
    """Means of [N, ...] over `size` equal stretches, which need not be whole rows."""
    total = np.concatenate([np.zeros((1, *rows.shape[1:])), rows.cumsum(axis=0)])
    edges = np.linspace(0, len(rows), size + 1)
    whole = np.minimum(edges.astype(int), len(rows) - 1)
    at = total[whole] + (edges - whole)[:, None] * rows[whole]
    return np.diff(at, axis=0) / np.diff(edges)[:, None]
