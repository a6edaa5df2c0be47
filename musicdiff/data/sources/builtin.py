"""`builtin` or `builtin:N`: N songs made by musicdiff.data.songs, the default data. Unlimited, captioned, free of rights; needs nothing."""

import functools
import hashlib

from musicdiff.data import songs
from musicdiff.data.songs.harmony import key_name
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import UsageError

DEFAULT_COUNT = 600  # about five hours
LICENCE = "CC0-1.0 (generated)"


def build(argument: str = "") -> TrackSource:
    """The first N songs; the styles take turns, so that any N holds them evenly. Song i is the same whatever N is.

    Raises UsageError when the argument is not a positive number.
    """
    if argument and not (argument.isascii() and argument.isdigit() and int(argument)):
        raise UsageError(f"builtin:{argument}: the number of songs must be a whole number from 1, as in builtin:120")
    count = int(argument or DEFAULT_COUNT)
    content = "\n".join([f"songs {songs.VERSION}", *(style.name for style in songs.list_styles()), str(count)])
    return TrackSource(
        name="builtin",
        tracks=tuple(_track(index) for index in range(count)),
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        label_fingerprint=f"songs {songs.VERSION}",
    )


def _track(index: int) -> Track:
    plan = songs.plan_song(index)
    return Track(
        name=f"builtin-{index:06d}",
        read=functools.partial(_read, index),
        caption=songs.describe(plan),
        style=plan.style.name,
        tempo=float(plan.tempo),
        key=key_name(plan.root, plan.mode),
        bar_times=plan.bar_times,
        licence=LICENCE,
    )


def _read(index: int, sample_rate: int | None = None, channels: int | None = None):
    """Rendered when asked for, directly at the rate and width wanted; a song's own are 44100 Hz and 2."""
    sample_rate = sample_rate or 44100
    return songs.render(songs.compose(songs.plan_song(index)), sample_rate, channels or 2), sample_rate
