"""Keys, chords in Roman numerals, and voicings that move as little as they can."""

import itertools
import re
from typing import NamedTuple

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PENTATONIC = {"major": (0, 1, 2, 4, 5), "minor": (0, 2, 3, 4, 6)}  # degrees of the scale that stay
TONICS = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
DEGREES = ("i", "ii", "iii", "iv", "v", "vi", "vii")

# What a suffix adds to the triad (or changes in it): {scale steps above the root: semitones above the root}; None takes a tone away.
SUFFIXES = {
    "": {},
    "5": {2: None},
    "6": {5: 9},
    "7": {6: 10},
    "9": {6: 10, 8: 14},
    "11": {6: 10, 8: 14, 10: 17},
    "13": {6: 10, 8: 14, 12: 21},
    "maj7": {6: 11},
    "maj9": {6: 11, 8: 14},
    "add9": {8: 14},
    "sus2": {2: None, 1: 2},
    "sus4": {2: None, 3: 5},
    "7sus4": {2: None, 3: 5, 6: 10},
    "7b9": {6: 10, 8: 13},
    "dim": {4: 6},
    "o7": {4: 6, 6: 9},
    "m7b5": {4: 6, 6: 10},
}
NUMERAL = re.compile(r"([b#]?)(VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)([^/]*)(?:/([1-7]))?")


class Chord(NamedTuple):
    """Pitch classes 0..11: the bass, the chord's tones from its root up, and the seven notes of the scale that fits it."""

    bass: int
    tones: tuple[int, ...]
    scale: tuple[int, ...]


def parse_chord(numeral: str, root: int, mode: str) -> Chord:
    """'V7', 'iv', 'bVII', 'iim7b5', 'I/3': a chord of the key (root 0..11, mode 'major' or 'minor').

    Degrees are those of the mode (VI in C minor is A flat); upper case has a major third, lower case a minor one; /n puts the
    key's degree n, as the chord alters it, in the bass. Where a chord leaves the key, its scale is the key's with just those
    degrees altered: V in C minor brings B natural in the place of B flat.
    """
    match = NUMERAL.fullmatch(numeral)
    if not match or match[3] not in SUFFIXES:
        raise ValueError(f"not a chord: {numeral!r}")
    accidental, name, suffix, bass = match.groups()
    degree = DEGREES.index(name.lower())
    start = root + SCALES[mode][degree] + {"": 0, "b": -1, "#": 1}[accidental]
    triad = {0: 0, 2: 4 if name.isupper() else 3, 4: 7}
    steps = {step: semitones for step, semitones in (triad | SUFFIXES[suffix]).items() if semitones is not None}
    scale = [(root + semitones) % 12 for semitones in SCALES[mode]]
    for step, semitones in steps.items():
        scale[(degree + step) % 7] = (start + semitones) % 12
    tones = tuple((start + steps[step]) % 12 for step in sorted(steps))
    return Chord(scale[int(bass) - 1] if bass else tones[0], tones, tuple(scale))


def parse_progression(text: str, root: int, mode: str) -> list[list[Chord]]:
    """'ii7 V7 | Imaj7' -> the chords of each bar, which share it equally."""
    return [[parse_chord(numeral, root, mode) for numeral in bar.split()] for bar in text.split("|")]


def key_name(root: int, mode: str) -> str:
    """'C minor'."""
    return f"{TONICS[mode][root]} {mode}"


def nearest(pitch: float, classes: tuple[int, ...]) -> int:
    """The MIDI pitch closest to `pitch` whose class is one of `classes`; the lower of two."""
    return min((base + c for c in classes for base in range(0, 128, 12)), key=lambda p: (abs(p - pitch), p))


def voice(chord: Chord, previous: tuple[int, ...], register: int) -> tuple[int, ...]:
    """Three or four notes of the chord, in the inversion that is nearest to the previous voicing and to the register.

    Five-tone chords leave their root to the bass, larger ones the fifth too, as pianists do; power chords stand on their root.
    """
    if len(chord.tones) == 2:
        root = nearest(register - 6, chord.tones[:1])
        return root, root + 7, root + 12
    tones = chord.tones if len(chord.tones) < 5 else chord.tones[1:]
    if len(tones) > 4:
        tones = (tones[0], *tones[2:])
    low = (register - 12) // 12 * 12
    candidates = []
    for turn, octave in itertools.product(range(len(tones)), range(3)):
        pitches = [low + 12 * octave + tones[turn]]
        for tone in tones[turn + 1 :] + tones[:turn]:
            pitches.append(pitches[-1] + ((tone - pitches[-1]) % 12 or 12))
        candidates.append(tuple(pitches))

    def distance(pitches):
        centre = abs(sum(pitches) / len(pitches) - register)
        return sum(min(abs(p - q) for q in previous) for p in pitches) + 0.6 * centre if previous else centre

    return min(candidates, key=distance)
