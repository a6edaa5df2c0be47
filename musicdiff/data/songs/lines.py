"""What the pitched players play: bass lines, chords, arpeggios, and the lead."""

import functools

import numpy as np

from musicdiff.data.songs import melody
from musicdiff.data.songs.harmony import Chord, nearest, voice
from musicdiff.data.songs.score import Note, Part, Plan

LOUDNESS = {"X": 1.0, "x": 0.8, "o": 0.55}


@functools.cache
def parse_pattern(pattern: str) -> tuple[tuple[float, float, str], ...]:
    """(onset, length, letter) in beats of each note of a pattern in sixteenths: '-' holds, '.' rests."""
    onsets = [i for i, letter in enumerate(pattern) if letter not in "-."]
    ends = [next((j for j in range(i + 1, len(pattern)) if pattern[j] != "-"), len(pattern)) for i in onsets]
    return tuple((i / 4, (end - i) / 4, pattern[i]) for i, end in zip(onsets, ends))


def write_line(plan: Plan, part: Part, changes: list[tuple[float, Chord]], rng: np.random.Generator) -> list[Note]:
    """The notes of one part, in strict time; the last bar is left to `end_line`.

    changes: (beat, chord), in order, from beat 0
    """
    meter = plan.style.meter
    beats = [beat for beat, _ in changes]

    def chord_at(beat):
        return changes[max(np.searchsorted(beats, beat + 1e-6) - 1, 0)][1]

    chosen = {kind: str(rng.choice(part.patterns)) for kind in "IABKO"}
    last_beat = (plan.bars - 1) * meter
    if part.role == "lead":
        notes = _lead(plan, part, chosen, chord_at, rng)
    else:
        write = {"bass": _bass, "comp": _comp}[part.role]
        notes = write(plan, part, chosen, chord_at)
    notes = [note for note in notes if note.beat < last_beat]
    return [note._replace(length=min(note.length, last_beat - note.beat)) for note in notes]


def end_line(plan: Plan, part: Part, chord: Chord, notes: list[Note]) -> list[Note]:
    """The last bar: every player who is still there holds the chord of the key."""
    if plan.sections[-1].kind not in part.sections:
        return []
    beat, length = (plan.bars - 1) * plan.style.meter, plan.style.meter - 0.5
    if part.role == "comp":
        pitches = voice(chord, (), part.register)
    elif part.role == "bass":
        pitches = (nearest(part.register, (chord.bass,)),)
    else:
        pitches = (nearest(notes[-1].pitch if notes else part.register, chord.tones[:2]),)
    return [Note(beat, length, pitch, 0.7) for pitch in pitches]


def _written(plan, part, chosen):
    """(beat, length, letter) of every note that the patterns ask for."""
    meter = plan.style.meter
    for section in plan.sections:
        if section.kind in part.sections:
            pattern = chosen[section.kind]
            span = len(pattern) // (4 * meter)
            for bar in range(0, section.bars, span):
                start = (section.start + bar) * meter
                end = (section.start + section.bars) * meter
                for onset, length, letter in parse_pattern(pattern):
                    if start + onset < end:
                        yield start + onset, min(length, end - start - onset), letter


def _bass(plan, part, chosen, chord_at):
    """R the chord's bass, 8 its octave, 5 the fifth, 3 the third, 7 the last tone, a the semitone under or over the next bass note."""
    notes = []
    for beat, length, letter in _written(plan, part, chosen):
        chord = chord_at(beat)
        root = nearest(part.register, (chord.bass,))
        if letter in "Rr8":
            pitch = root + 12 * (letter == "8")
        elif letter == "a":
            target = nearest(part.register, (chord_at(beat + length).bass,))
            # From below when the line comes from below, else from above.
            pitch = target - 1 if root <= target else target + 1
        else:
            tone = {"5": chord.tones[min(2, len(chord.tones) - 1)], "3": chord.tones[1], "7": chord.tones[-1]}[letter]
            pitch = (
                root
                + (tone - root) % 12
                - (12 if letter == "5" and (tone - root) % 12 > 5 and root > part.register else 0)
            )
        notes.append(Note(beat, length * part.gate, pitch, 0.6 if letter == "r" else 0.9 if beat % 1 == 0 else 0.78))
    return notes


def _comp(plan, part, chosen, chord_at):
    """x X o the whole chord, a digit the voicing's note of that number from below, going on in the octaves above."""
    notes, voicing, sounding = [], (), None
    for beat, length, letter in _written(plan, part, chosen):
        # A chord struck just before the barline belongs to the next bar.
        chord = chord_at(beat + length / 2) if beat % 1 else chord_at(beat)
        if chord is not sounding:
            voicing, sounding = voice(chord, voicing, part.register), chord
        if letter.isdigit():
            octave, number = divmod(int(letter), len(voicing))
            notes.append(Note(beat, length * part.gate, voicing[number] + 12 * octave, 0.8 if beat % 1 == 0 else 0.66))
        else:
            strum = part.strum * plan.tempo / 60
            notes += [
                Note(beat + strum * i, length * part.gate, pitch, LOUDNESS[letter]) for i, pitch in enumerate(voicing)
            ]
    return notes


def _lead(plan, part, chosen, chord_at, rng):
    """Phrases of four bars; the parts A and B have motifs of their own, the others borrow A's."""
    notes, themes = [], {}
    meter = plan.style.meter
    for section in plan.sections:
        if section.kind not in part.sections:
            continue
        kind = "B" if section.kind == "B" else "A"
        if kind not in themes:
            rhythm = chosen[kind]
            others = [
                parse_pattern(str(pattern)) for pattern in rng.choice(part.patterns, 2) if len(pattern) == len(rhythm)
            ]
            rhythms = [parse_pattern(rhythm), *others, parse_pattern(rhythm)][:3]
            motifs = {letter: melody.draw_motif(rng, rhythm) for letter, rhythm in zip("abc", rhythms)}
            units = max(1, min(4, 4 * 4 * meter // len(rhythm)))
            themes[kind] = motifs, str(rng.choice(melody.FORMS[units])), len(rhythm) / 4
        motifs, form, unit = themes[kind]
        end = (section.start + section.bars) * meter
        beat = section.start * meter
        while beat < end:
            units = form[: max(1, min(len(form), round((end - beat) / unit)))]
            register = part.register + (3 if kind == "B" else 0)
            args = (beat, unit, chord_at, register, plan.mode, part.scale)
            notes += [note for note in melody.sing_phrase(rng, motifs, units, *args) if note.beat < end]
            beat += len(units) * unit
    return [note._replace(length=note.length * part.gate) for note in notes]
