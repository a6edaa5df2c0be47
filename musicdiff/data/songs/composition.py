"""From an index to a score: plan_song(index) decides what a song is, compose(plan) writes its notes."""

import functools
from dataclasses import replace

import numpy as np

from musicdiff import plugins
from musicdiff.data.songs import lines
from musicdiff.data.songs.grooves import play_drums
from musicdiff.data.songs.harmony import key_name, parse_chord, parse_progression
from musicdiff.data.songs.instruments import INSTRUMENTS
from musicdiff.data.songs.score import Line, Plan, Section, Song, Style
from musicdiff.data.songs.synth import generator

VERSION = 1  # counts the changes to any song; a test pins the scores of this version

STRENGTH = {"I": 0.86, "A": 0.93, "B": 1.0, "K": 0.82, "O": 0.88}  # how hard a section is played
SECONDS = 30.0  # songs are as near to this as whole groups of four bars come: 24-38 s
FORMS = {
    8: ("I2 A4 B2", "A4 B4", "A4 K2 B2", "I2 A2 B4"),
    12: ("I2 A4 B4 O2", "A4 K2 B4 O2", "I2 A4 K2 B4", "A4 B4 A4"),
    16: ("I2 A4 B4 K2 B4", "I4 A4 B4 O4", "A4 B4 K4 B4", "I4 A4 B4 A4"),
    20: ("I4 A4 B4 K4 B4", "I4 A8 B8", "A8 K4 B4 O4"),
    24: ("I4 A8 B4 K4 B4", "I4 A8 B8 O4", "A8 K4 B8 O4"),
}


@functools.cache
def list_styles() -> tuple[Style, ...]:
    """The styles, one file each, in the order of their file names; song i is in style i modulo their number."""
    return tuple(plugins.load("data.songs.styles", name).STYLE for name in plugins.names("data.songs.styles"))


def plan_song(index: int) -> Plan:
    """The song of this index: style, tempo, key, form and players. Cheap: a source plans all its songs when it is built."""
    known = list_styles()
    style = known[index % len(known)]
    rng = generator(VERSION, index, 0)
    tempo = int(rng.integers(style.tempo[0], style.tempo[1] + 1))
    bar = style.meter * 60 / tempo
    form = str(rng.choice(FORMS[min(FORMS, key=lambda bars: abs(bars * bar - SECONDS))]))
    sections, start = [], 0
    for word in form.split():
        sections.append(Section(word[0], start, int(word[1:])))
        start += sections[-1].bars
    players = []
    for part in style.parts:
        if rng.random() < part.chance:
            # No two records are balanced alike.
            balanced = replace(part, level=part.level + float(rng.normal(0.0, 1.5)))
            players.append((balanced, str(rng.choice(part.instruments))))
    return Plan(
        index=index,
        style=style,
        tempo=tempo,
        root=int(rng.integers(12)),
        mode=str(rng.choice(style.modes)),
        mood=str(rng.choice(style.moods)),
        sections=tuple(sections),
        players=tuple(players),
    )


def describe(song: Plan) -> str:
    """'reggaeton, 94 bpm, C minor, plucked lead, synth bass, energetic'."""
    words = [song.style.name, f"{song.tempo} bpm", key_name(song.root, song.mode)]
    labels = {part.role: INSTRUMENTS[name].label for part, name in reversed(song.players)}
    if "lead" in labels:
        words.append(labels["lead"] if "lead" in labels["lead"] else f"{labels['lead']} lead")
    words += [labels[role] for role in ("comp", "bass") if role in labels]
    return ", ".join([*words, song.mood])


def compose(song: Plan) -> Song:
    """The score of a plan: harmony, then each player's line, then the drums, then the sway of the players about the beat."""
    rng = generator(VERSION, song.index, 1)
    changes = harmonize(song, rng)
    written = []
    for part, instrument in song.players:
        notes = lines.write_line(song, part, changes, rng)
        notes += lines.end_line(song, part, changes[-1][1], notes)
        written.append(Line(part, instrument, [_sway(note, song, rng) for note in notes]))
    hits = [_sway(hit, song, rng) for hit in play_drums(song, rng)]
    return Song(song, written, hits)


def harmonize(song, rng):
    """[(beat, chord)] of the whole song: one progression for the part A and one for B; the last bar is the key's own chord."""
    style, changes = song.style, []
    texts = style.progressions[song.mode]
    first, second = (
        parse_progression(str(text), song.root, song.mode) for text in rng.choice(texts, 2, replace=len(texts) < 2)
    )
    for section in song.sections:
        progression = second if section.kind == "B" else first
        for bar in range(section.bars):
            chords = progression[bar % len(progression)]
            beat = (section.start + bar) * style.meter
            changes += [(beat + style.meter * i / len(chords), chord) for i, chord in enumerate(chords)]
    last_beat = (song.bars - 1) * style.meter
    tonic = parse_chord("I" if song.mode == "major" else "i", song.root, song.mode)
    return [change for change in changes if change[0] < last_beat] + [(last_beat, tonic)]


def _sway(event, song, rng):
    """Swing moves the second of each pair of notes; then a player is never exactly on time, nor twice equally loud."""
    style = song.style
    pair = 2 * style.swing_unit
    whole, part = divmod(event.beat, pair)
    half = style.swing_unit
    part = part * 2 * style.swing if part < half else pair * style.swing + (part - half) * 2 * (1 - style.swing)
    late = float(rng.normal(0.0, style.human)) * song.tempo / 60
    strength = STRENGTH[song.section_at(event.beat).kind]
    velocity = float(np.clip(event.velocity * strength * (1 + 0.07 * rng.normal()), 0.1, 1.0))
    return event._replace(beat=max(0.0, whole * pair + part + late), velocity=velocity)
