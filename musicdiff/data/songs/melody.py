"""Melodies: motifs that return, move with the harmony and come to rest."""

from typing import NamedTuple

import numpy as np

from musicdiff.data.songs.harmony import PENTATONIC, nearest
from musicdiff.data.songs.score import Note

FORMS = {1: ("a",), 2: ("ab", "aa"), 3: ("aab",), 4: ("aaba", "abac", "aabc")}  # units of a phrase; a letter is a motif
STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)
CHANCES = (0.02, 0.05, 0.13, 0.28, 0.08, 0.26, 0.12, 0.04, 0.02)  # mostly by step, seldom by leap


class Motif(NamedTuple):
    """A rhythm (onset, length, stroke) in beats, the step of the scale to each note from the one before, and where it begins."""

    rhythm: tuple[tuple[float, float, str], ...]
    steps: tuple[int, ...]
    height: int


def draw_motif(rng: np.random.Generator, rhythm) -> Motif:
    """A contour for a rhythm: after a leap it turns back, as singers do."""
    steps = [0]
    for _ in rhythm[1:]:
        step = int(rng.choice(STEPS, p=CHANCES))
        if abs(steps[-1]) >= 3:
            step = -int(np.sign(steps[-1])) * int(rng.integers(1, 3))
        steps.append(step)
    return Motif(tuple(rhythm), tuple(steps), int(rng.integers(-3, 5)))


def sing_phrase(rng, motifs, form, start, unit, chord_at, register, mode, scale) -> list[Note]:
    """The motifs of `form`, one each `unit` beats from `start`. What sounds on a beat is a chord tone; between beats, the scale.

    motifs: {letter: Motif}; chord_at(beat) -> Chord
    The second time a motif appears its last step differs; the last note of the phrase is held, on the root or the third.
    """
    notes, heard = [], set()
    for number, letter in enumerate(form):
        motif = motifs[letter]
        turn = int(rng.choice((-1, 1))) if letter in heard else 0
        heard.add(letter)
        pitch = register + motif.height
        for i, ((onset, length, stroke), step) in enumerate(zip(motif.rhythm, motif.steps)):
            beat = start + number * unit + onset
            arrival = np.ceil(beat - 1e-6)
            stands = length >= 0.75 or beat % 2 < 1e-6 or beat + length > arrival + 1e-6 > beat + 2e-6
            chord = chord_at(arrival if stands and beat + length > arrival + 1e-6 else beat)
            step += turn if i == len(motif.steps) - 1 else 0
            moved = _move(pitch, step, _ladder(chord, mode, scale))
            moved = _fold(moved, register)
            final = number == len(form) - 1 and i == len(motif.rhythm) - 1
            if final:
                chord = chord_at(beat)
                moved, length = nearest(moved, chord.tones[:2]), min(max(length, 1.5), start + len(form) * unit - beat)
            elif stands or i == 0:
                moved, wanted = nearest(moved, chord.tones[:4]), moved
                if moved == pitch and step:
                    moved = nearest(wanted + 2 * np.sign(step), chord.tones[:4])
            pitch = moved
            accent = {"X": 1.0, "x": 0.82, "o": 0.6}[stroke] * (1.0 if onset % 1 else 1.08)
            notes.append(Note(beat, length, pitch, min(accent, 1.0)))
    return notes


def _ladder(chord, mode, scale):
    """The pitch classes a melody steps along over a chord."""
    if scale == "diatonic":
        return chord.scale
    return tuple({chord.scale[degree] for degree in PENTATONIC[mode]} | set(chord.tones[:3]))


def _move(pitch, step, classes):
    """`step` rungs up or down the ladder of pitches with these classes, from the rung nearest to `pitch`."""
    rungs = sorted(octave + c for octave in range(0, 128, 12) for c in classes)
    here = min(range(len(rungs)), key=lambda i: abs(rungs[i] - pitch))
    if len(classes) < 7:
        step = int(np.sign(step)) * ((abs(step) + 1) // 2)  # the rungs of a pentatonic ladder are further apart
    return rungs[here + step]


def _fold(pitch, register):
    """An octave back when the melody leaves its singer's range."""
    return pitch - 12 if pitch > register + 11 else pitch + 12 if pitch < register - 9 else pitch
