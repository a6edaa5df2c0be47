"""An existing clip made to loop: what lies around its wrap is made anew, between its end and its beginning; every other sample stays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from etils import epath

from musicdiff.artifacts.clips import file_names
from musicdiff.audio import loop_chunks, quality
from musicdiff.creative import files
from musicdiff.creative.edited import Edited
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.original import Original
from musicdiff.creative.regions import Region
from musicdiff.creative.tempo import count_samples
from musicdiff.errors import DataError, UsageError
from musicdiff.generation import Generator

SEAM = 0.25  # seconds, where no tempo is given
BEATS = 0.5  # of a seam, where one is
SHARE = 0.5  # of the clip, at most: the rest is what the seam is made to fit


def loopify(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    *,
    seam: float | None = None,
    bpm: float | None = None,
    before: float = 0.5,
    seeds: Sequence[int],
    **asked: Any,
) -> Edited:
    """The clip as a loop, one a seed, at its own rate, channels and length: the wrap is turned into the middle and inpainted there.

    Of a clip longer than the model's own only as much around the wrap is looked at.

    Args:
        audio: [N, C], full scale is 1
        seam: seconds around the wrap that are made anew; by default half a beat of bpm, and without one 0.25
        before: the share of it that lies before the wrap; at 1 the clip's beginning, with its first stroke, stays
        asked: as of `inpaint`
    Raises UsageError for a seam that leaves less than half of the clip, or is no length, DataError for a silent clip, and what `inpaint` raises.
    """
    audio = np.asarray(audio, np.float64)
    num = len(audio)
    seam = seam if seam is not None else 60 * BEATS / bpm if bpm else SEAM
    size = round(seam * rate) if np.isfinite(seam) else 0
    if size < 1:
        raise UsageError(f"a seam of {seam} s is no length: {SEAM:g}, say")
    if not 0 <= before <= 1:
        raise UsageError(f"the share of a seam before the wrap is from 0 to 1, not {before}")
    if size > SHARE * num:
        raise UsageError(
            f"a seam of {seam:g} s is more than half of a clip of {num / rate:.3f} s: {SHARE * num / rate:.3g} s at most"
        )
    if 20 * np.log10(np.abs(audio).max() + 1e-30) < quality.SILENT_PEAK_DB:
        raise DataError("the clip is silent: there is nothing to make a seam of; take one with sound")
    first = -round(before * size)  # of the seam; the wrap lies before sample 0
    window = min(num, round(generator.model.domain.seconds * rate))
    begin = first + size // 2 - window // 2  # the seam in the middle of what is looked at
    region = Region(first - begin, first - begin + size)
    around = np.arange(begin, begin + window) % num
    edited = inpaint(generator, audio[around], rate, [region], seeds=seeds, **asked)
    looped = np.repeat(audio[None], len(seeds), axis=0)
    looped[:, around[region.start : region.stop]] = edited.audio[:, region.start : region.stop]
    notes = [
        f"{seam:.3f} s around the wrap are new, {max(0.0, -first / rate):.3f} s of them before it",
        *_in_time(num, rate, bpm),
    ]
    return replace(edited, audio=looped, notes=(*notes, *edited.notes))


def write(
    folder: epath.PathLike,
    generator: Generator,
    looped: Edited,
    given: Original,
    *,
    bpm: float | None = None,
    beats_per_bar: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Writes each loop in the format of the clip that was given, as `files.write` does; yields what there is to say, line by line.

    WAV files get the chunks `smpl` and, where the clip is whole beats of a tempo and it is known how many are a bar, `acid`. details: what
    the sidecars say besides
    """
    titles = [f"{given.name} looped seed {seed}" for seed in looped.clips.seeds]
    yield from files.write(
        folder, titles, generator, looped, [given], tool="loopify", details={"bpm": bpm, **(details or {})}
    )
    num = looped.audio.shape[1]
    beats = bpm and _beats(num, looped.rate, bpm)
    told = beats and max(bpm, beats, beats_per_bar or 1) <= loop_chunks.MOST
    known = {"bpm": bpm, "beats": beats, "beats_per_bar": beats_per_bar} if told else {}
    for name in file_names(titles) if given.container == "wav" else ():
        path = epath.Path(folder) / f"{name}.wav"
        path.write_bytes(loop_chunks.add(path.read_bytes(), loop=(0, num), **known))


def _beats(num: int, rate: int, bpm: float) -> int | None:
    """How many beats so many samples are; None where they are no whole number, to a sample."""
    beats = max(1, round(num * bpm / (60 * rate)))
    return beats if abs(num - count_samples(beats, bpm, rate)) <= 1 else None


def _in_time(num: int, rate: int, bpm: float | None) -> list[str]:
    """What to say of a clip that is no whole number of beats."""
    if not bpm or _beats(num, rate, bpm):
        return []
    exact = num * bpm / (60 * rate)
    whole = max(1, round(exact))
    return [
        f"note: the clip is {exact:.3f} beats of {bpm:g} bpm: it loops, but not in time; "
        f"{whole} of them are {count_samples(whole, bpm, rate)} samples"
    ]
