"""What a style, a plan and a song are: plain data, with all times in beats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

SECTIONS = "IABKO"  # intro, first part, second part, break, outro


@dataclass(frozen=True)
class Part:
    """One player of a style. Patterns are bars of sixteenths, `-` holds, `.` rests; the other letters depend on the role (lines.py).

    role: 'bass', 'comp' (chords and arpeggios) or 'lead'
    instruments: names of instruments.py; one is drawn a song
    patterns: one is drawn for each kind of section; its length is a whole number of bars
    register: MIDI pitch about which it plays
    level: dB; send: share that goes to the reverb; pan: -1 left .. 1 right; gate: sounding share of a written length
    sections: the kinds of section in which it plays; chance: probability that a song has it at all
    strum: seconds between the notes of a chord; scale: 'diatonic' or 'pentatonic', what a lead moves along
    """

    role: str
    instruments: tuple[str, ...]
    patterns: tuple[str, ...]
    register: int
    level: float = 0.0
    pan: float = 0.0
    send: float = 0.2
    gate: float = 0.92
    sections: str = SECTIONS
    chance: float = 1.0
    strum: float = 0.0
    scale: str = "diatonic"


@dataclass(frozen=True)
class Style:
    """All that makes a style: read one file of styles/ to see it in use.

    tempo: least and greatest, beats a minute
    modes: 'major' or 'minor', drawn uniformly (write one twice to have it twice as often)
    progressions: mode -> progressions, bars divided by '|', in Roman numerals (harmony.py)
    grooves: kind of section -> drum patterns, a line a piece; a missing kind plays 'A'; empty for a style without drums
    fills: drum patterns that end a section, a bar long or less
    kit: name of drums.KITS
    meter: beats a bar
    swing: where the second of two notes falls, .5 straight .. .67 triplets, at swing_unit beats a note
    human: standard deviation of a player's timing, seconds
    duck: how far the kick pushes the other parts down, 0..1
    room: seconds in which the reverb falls by 60 dB
    level: dB of the whole mix; ambient music is softer than rock, and models learn that
    """

    name: str
    tempo: tuple[int, int]
    modes: tuple[str, ...]
    progressions: Mapping[str, tuple[str, ...]]
    parts: tuple[Part, ...]
    moods: tuple[str, ...]
    grooves: Mapping[str, tuple[str, ...]]
    fills: tuple[str, ...] = ()
    kit: str = "acoustic"
    meter: int = 4
    swing: float = 0.5
    swing_unit: float = 0.25
    human: float = 0.004
    duck: float = 0.0
    room: float = 1.0
    level: float = 0.0


class Section(NamedTuple):
    """A stretch of whole bars: kind is a letter of SECTIONS."""

    kind: str
    start: int
    bars: int


class Note(NamedTuple):
    """A pitched event: MIDI pitch, velocity 0..1."""

    beat: float
    length: float
    pitch: int
    velocity: float


class Hit(NamedTuple):
    """A drum event."""

    beat: float
    piece: str
    velocity: float


@dataclass(frozen=True)
class Plan:
    """What is known of a song before a note is written: enough for its caption and labels."""

    index: int
    style: Style
    tempo: int
    root: int
    mode: str
    mood: str
    sections: tuple[Section, ...]
    players: tuple[tuple[Part, str], ...]  # a part and the instrument drawn for it

    @property
    def bars(self) -> int:
        return self.sections[-1].start + self.sections[-1].bars

    def section_at(self, beat: float) -> Section:
        return next(
            section
            for section in reversed(self.sections)
            if beat >= section.start * self.style.meter or not section.start
        )

    @property
    def bar_times(self) -> tuple[float, ...]:
        """Seconds of the downbeats: exact, however the players sway about them."""
        return tuple(bar * self.style.meter * 60.0 / self.tempo for bar in range(self.bars))


class Line(NamedTuple):
    """What one player plays."""

    part: Part
    instrument: str
    notes: list[Note]


class Song(NamedTuple):
    """The finished score."""

    plan: Plan
    lines: list[Line]
    hits: list[Hit]
