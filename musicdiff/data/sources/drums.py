"""`drums` or `drums:N`: N one-shots of the songs' drums, a stroke each, for models of single sounds. Free of rights; needs nothing."""

import functools
import hashlib

import numpy as np

from musicdiff.data import songs
from musicdiff.data.songs import drums, synth
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import UsageError

VERSION = 1  # counts the changes to any one-shot that are made here
DEFAULT_COUNT = 1200  # about ten minutes
LICENCE = "CC0-1.0 (generated)"
PIECES = tuple(piece for piece in drums.PIECES if piece != "vinyl")  # which is no stroke
KITS = tuple(drums.KITS)
DYNAMICS = ((0.5, "soft"), (0.8, "medium"), (1.0, "hard"))  # up to which velocity a stroke is called so
SOFTEST = 0.25
TUNING = 4.0  # semitones up and down
PEAK = 10 ** (-3 / 20)  # of the hardest strokes
LONGEST, RELEASE = 1.48, 0.3  # seconds; a cymbal rings for three


def build(argument: str = "") -> TrackSource:
    """The first N one-shots. Pieces take turns and so do kits, 17 and 7: any N holds both evenly, and 119 hold each of each.

    One-shot i is the same whatever N is. Raises UsageError when the argument is not a positive number.
    """
    if argument and not (argument.isascii() and argument.isdigit() and int(argument)):
        raise UsageError(f"drums:{argument}: the number of one-shots must be a whole number from 1, as in drums:600")
    count = int(argument or DEFAULT_COUNT)
    version = f"drums {VERSION}, songs {songs.VERSION}"
    content = "\n".join([version, *PIECES, *KITS, str(count)])
    return TrackSource(
        name="drums",
        tracks=tuple(_track(index) for index in range(count)),
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        label_fingerprint=version,
    )


def _track(index: int) -> Track:
    piece, kit = PIECES[index % len(PIECES)], KITS[index % len(KITS)]
    rng = synth.generator(VERSION, index)
    velocity, tune = float(rng.uniform(SOFTEST, 1.0)), float(rng.uniform(-TUNING, TUNING))
    style = piece.replace("_", " ")
    dynamics = next(word for limit, word in DYNAMICS if velocity <= limit)
    return Track(
        name=f"drums-{index:06d}",
        read=functools.partial(_read, kit, piece, velocity, index, tune),
        caption=f"{style}, {kit} kit, {dynamics}",
        style=style,
        licence=LICENCE,
    )


def _read(
    kit: str,
    piece: str,
    velocity: float,
    seed: int,
    tune: float,
    sample_rate: int | None = None,
    channels: int | None = None,
) -> tuple[np.ndarray, int]:
    """Struck when asked for, at the rate wanted (its own is 44100 Hz), the same in every channel; it peaks at velocity * PEAK."""
    sample_rate = sample_rate or 44100
    sound = drums.strike(kit, piece, velocity, sample_rate, seed, tune)
    longest = round(LONGEST * sample_rate)
    if len(sound) > longest:
        sound = synth.fade(sound[:longest], sample_rate, 0.0, RELEASE)
    sound *= velocity * PEAK / np.abs(sound).max()
    return np.repeat(sound[:, None], channels or 1, axis=1), sample_rate
