"""Drum parts from patterns: a line a piece, a column a sixteenth.

X is an accent, x a stroke, o a ghost note, r two thirty-seconds, t three strokes in the time of an eighth.
"""

import functools

import numpy as np

from musicdiff.data.songs.score import Hit, Plan

STROKES = {
    "X": ((0, 1.0),),
    "x": ((0, 0.8),),
    "o": ((0, 0.36),),
    "r": ((0, 0.7), (0.5, 0.5)),
    "t": ((0, 0.7), (2 / 3, 0.5), (4 / 3, 0.6)),
}

TOM_FILLS = (
    """
    snare    X.xxx...........
    high_tom .....xx.........
    mid_tom  .......xxx......
    low_tom  ..........xxx.X.
    kick     x...x...x...x...
    """,
    """
    snare    X.ox....
    mid_tom  ....xx..
    low_tom  ......xx
    kick     x...x...
    """,
    """
    snare    xxXxxxXx
    kick     x...x...
    """,
)
CLUB_FILLS = (
    """
    clap     x...x.x.xxxxxxxx
    hat      x.x.x.x.x.x.x.x.
    """,
    """
    kick     X...X...
    clap     ..x.x.xx
    """,
    """
    kick     X...X...X.......
    clap     ....X.......X.xx
    open     ..x...x...x...x.
    """,
)
LATIN_FILLS = (
    """
    conga    x..x..x.
    bongo    .xo.xx.x
    kick     X...x...
    """,
    """
    snare    x..x..x.x.xxxxxx
    kick     X...x...X.......
    """,
)
BEAT_FILLS = (
    """
    kick     X..x....
    snare    ....X.xx
    """,
    """
    kick     X.....x...x.....
    snare    ....X..x.x..X.oo
    hat      x.x.x.x.........
    """,
    """
    kick     x...x.x.
    snare    ....X...
    hat      xxxxrrrr
    """,
)


@functools.cache
def parse_groove(text: str) -> dict[str, str]:
    """{piece: pattern} of a text with a line a piece."""
    return dict(line.split() for line in text.strip().splitlines())


def play_drums(plan: Plan, rng: np.random.Generator) -> list[Hit]:
    """The whole drum part: the groove of each section, varied as it repeats; a fill before the next; a crash on its first beat."""
    style = plan.style
    if not style.grooves:
        return []
    chosen = {kind: str(rng.choice(grooves)) for kind, grooves in sorted(style.grooves.items())}
    hits = []
    for number, section in enumerate(plan.sections):
        groove = parse_groove(chosen.get(section.kind, chosen["A"]))
        last = number == len(plan.sections) - 1
        for bar in range(section.bars):
            beat = (section.start + bar) * style.meter
            if last and bar == section.bars - 1:
                return hits + [
                    Hit(beat, piece, 0.9) for piece in ("kick", "crash") if style.kit != "brushes" or piece == "kick"
                ]
            played = _bar(groove, bar, style.meter)
            if bar % 2 and section.kind in "AB":
                played = _vary(played, rng)
            if bar == section.bars - 1 and style.fills and section.kind != "K":
                played = _fill(played, parse_groove(str(rng.choice(style.fills))), style.meter)
            hits += _strokes(played, beat)
        if section.kind in "AB" and number and style.fills and style.kit != "brushes":
            hits.append(Hit(section.start * style.meter, "crash", 0.75))
    return hits


def _bar(groove, bar, meter):
    """The columns of one bar, of patterns that may be several bars long."""
    steps = 4 * meter
    return {piece: pattern[bar % (len(pattern) // steps) * steps :][:steps] for piece, pattern in groove.items()}


def _vary(groove, rng):
    """Now and then a ghost note on the snare, a missing hat, a kick that comes early: never the same bar twice for long."""
    varied = dict(groove)
    for piece, old, new, likely in (
        ("snare", ".", "o", 0.07),
        ("hat", ".", "o", 0.06),
        ("hat", "x", ".", 0.05),
        ("kick", ".", "o", 0.03),
    ):
        if piece in varied:
            chance = rng.random(len(varied[piece])) < likely
            # A drummer's ghost notes fall between the beats.
            varied[piece] = "".join(
                new if c == old and hit and i % 4 else c for i, (c, hit) in enumerate(zip(varied[piece], chance))
            )
    return varied


def _fill(groove, fill, meter):
    """The fill takes the end of the bar; what lies under it falls silent."""
    steps = min(4 * meter, max(len(pattern) for pattern in fill.values()))
    pieces = groove.keys() | fill.keys()
    rest = "." * (4 * meter)
    return {
        p: groove.get(p, rest)[: 4 * meter - steps] + fill.get(p, rest)[-steps:].rjust(steps, ".")
        for p in sorted(pieces)
    }


def _strokes(groove, beat):
    return [
        Hit(beat + (step + delay) / 4, piece, strength)
        for piece, pattern in groove.items()
        for step, stroke in enumerate(pattern)
        if stroke != "."
        for delay, strength in STROKES[stroke]
    ]
