"""Regions of a clip: half-open stretches of samples, as a user says them in seconds or in bars."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from musicdiff.errors import UsageError

NUMBER = r"(\d+\.?\d*|\.\d+)?"
SECONDS = re.compile(f"{NUMBER}-{NUMBER}")
BARS = re.compile(r"bars? (\d+)(?:-(\d+))?")


class Region(NamedTuple):
    """Samples from `start` on, `stop` not among them."""

    start: int
    stop: int


def parse(text: str, rate: int, num_samples: int, *, bpm: float | None = None, beats_per_bar: int = 4) -> Region:
    """'1.5-2.25', '-2.25' or '1.5-' in seconds; 'bar 3' or 'bars 3-4', of which the first is bar 1, at a tempo of bpm.

    Raises UsageError for anything else, for bars without a tempo, and for what lies outside of the clip.
    """
    text = " ".join(text.split())
    if (bars := BARS.fullmatch(text)) is not None:
        if bpm is None or not bpm > 0:
            raise UsageError(f"region {text!r} is in bars: say the tempo, --bpm 120")
        first, last = int(bars[1]), int(bars[2] or bars[1])
        if first < 1 or beats_per_bar < 1:
            raise UsageError(f"region {text!r}: bars are counted from 1, and have a beat at least")
        bar = 60 * rate * beats_per_bar / Fraction(str(bpm))
        start, stop = round((first - 1) * bar), round(last * bar)
        if stop == num_samples + 1:  # the last bar's end, rounded the other way
            stop = num_samples
    elif (seconds := SECONDS.fullmatch(text.replace(" ", ""))) is not None and text != "-":
        start = round(float(seconds[1] or 0) * rate)
        stop = num_samples if seconds[2] is None else round(float(seconds[2]) * rate)
    else:
        raise UsageError(f"region {text!r} is none: say seconds, such as 1.5-2.25, or bars, such as 'bars 3-4'")
    return check(Region(start, stop), rate, num_samples)


def check(region: Region, rate: int, num_samples: int) -> Region:
    """The region, if it lies within the clip and has a sample. Raises UsageError in seconds, as users count."""
    start, stop = region
    if not 0 <= start < stop <= num_samples:
        raise UsageError(
            f"region {start / rate:g}-{stop / rate:g} s is not within the clip of {num_samples / rate:g} s, or is empty"
        )
    return region


def merge(regions: Sequence[Region]) -> list[Region]:
    """The same samples as regions apart from each other, in order: those that overlap or touch are one."""
    merged: list[Region] = []
    for region in sorted(regions):
        if merged and region.start <= merged[-1].stop:
            merged[-1] = Region(merged[-1].start, max(merged[-1].stop, region.stop))
        else:
            merged.append(region)
    return merged
