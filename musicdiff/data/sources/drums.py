"""`drums` or `drums:N`: N one-shots of the built-in songs' drums, a stroke each, for models of single sounds. Free of rights; needs nothing."""

import functools
import hashlib
import itertools

import numpy as np

from musicdiff.data import songs
from musicdiff.data.songs import drums
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import UsageError

DEFAULT_COUNT = 1200
LICENCE = "CC0-1.0 (generated)"
STROKES = [(piece, kit) for kit, piece in itertools.product(drums.KITS, sorted(drums.PIECES)) if piece != "vinyl"]
GAIN = 0.25  # the hardest snare stays just below full scale
TUNING = 5.0  # semitones up and down
DYNAMICS = ((0.5, "soft"), (0.8, "medium"), (1.0, "hard"))  # up to which velocity it is called so


def build(argument: str = "") -> TrackSource:
    """The first N one-shots; pieces take turns, and then kits, so that any N holds them evenly. One-shot i is the same whatever N is.

    Raises UsageError when the argument is not a positive number.
    """
    if argument and not (argument.isascii() and argument.isdigit() and int(argument)):
        raise UsageError(f"drums:{argument}: the number of one-shots must be a whole number from 1, as in drums:600")
    count = int(argument or DEFAULT_COUNT)
    content = f"drums {songs.VERSION} {GAIN} {TUNING} {count}"
    return TrackSource(
        name="drums",
        tracks=tuple(_track(index) for index in range(count)),
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        label_fingerprint=f"drums {songs.VERSION}",
    )


def _track(index: int) -> Track:
    piece, kit = STROKES[index % len(STROKES)]
    velocity, tune = _draw(index)
    name = piece.replace("_", " ")
    dynamics = next(word for limit, word in DYNAMICS if velocity <= limit)
    return Track(
        name=f"drums-{index:06d}",
        read=functools.partial(_read, index, piece, kit, velocity, tune),
        caption=f"{name}, {kit} kit, {dynamics}",
        style=name,
        licence=LICENCE,
    )


def _draw(index: int) -> tuple[float, float]:
    """Velocity and tuning of a one-shot."""
    rng = np.random.default_rng((index, 1))
    return float(rng.uniform(0.3, 1.0)), float(rng.uniform(-TUNING, TUNING))


def _read(index, piece, kit, velocity, tune, sample_rate: int | None = None, channels: int | None = None):
    """Struck when asked for, directly at the rate wanted, the same in every channel; its own are 44100 Hz and 1."""
    sample_rate = sample_rate or 44100
    sound = GAIN * drums.strike(kit, piece, velocity, sample_rate, seed=index, tune=tune)
    return np.repeat(sound[:, None], channels or 1, axis=1).astype(np.float32), sample_rate
