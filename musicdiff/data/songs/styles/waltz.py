"""Waltz: one, two, three; the bass on one, the chord on two and three, secondary dominants on the way round."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="waltz",
    tempo=(104, 160),
    modes=("major", "major", "minor"),
    meter=3,
    progressions={
        "major": (
            "I | I/3 | V7/2 | V7",
            "I | vi | ii7 | V7",
            "I | I7/3 | IV | iv",
            "IV | I/5 | II7 | V7",
            "I | VI7 | ii | V7",
        ),
        "minor": ("i | iv | V7 | i", "i | VI | iv | V7", "i/3 | iv | i/5 | V7", "i | VII7 | III | V7"),
    },
    grooves={
        "I": (
            """
            ride   x...o...o...
            """,
        ),
        "A": (
            """
            kick   X...........
            brush  ....x...x...
            ride   x...o...o...
            """,
            """
            kick   X...........X...........
            brush  ....x...x.......x...x.o.
            hat    ....x...x.......x...x...
            """,
        ),
        "B": (
            """
            kick   X.......o...
            brush  ....X...x.o.
            ride   x...x...x.o.
            """,
        ),
        "K": (
            """
            brush  ....o...o...
            """,
        ),
    },
    kit="brushes",
    human=0.007,
    room=1.8,
    level=-3.0,
    parts=(
        Part(
            "lead",
            instruments=("accordion", "flute", "strings", "piano"),
            patterns=(
                "x-------x---x---x---x---",
                "x---x---x---x-----------",
                "x-----x-x---x-------x---",
                "x-x-x-x-x---x-------....",
            ),
            register=76,
            level=-1,
            pan=0.1,
            send=0.35,
            gate=0.95,
            sections="ABKO",
        ),
        Part(
            "comp",
            instruments=("piano", "accordion", "nylon_guitar", "strings"),
            patterns=("....x---x---", "....x-..x-..", "0---1-2-3-2-"),
            register=62,
            level=-6,
            pan=-0.25,
            send=0.3,
            gate=0.8,
        ),
        Part(
            "comp",
            instruments=("strings",),
            patterns=("x-----------",),
            register=64,
            level=-14,
            pan=0.2,
            send=0.4,
            gate=1.0,
            sections="BK",
            chance=0.6,
        ),
        Part(
            "bass",
            instruments=("upright_bass", "finger_bass"),
            patterns=("R-----......", "R-------....R-------..a-", "R-------....5-------...."),
            register=40,
            level=0,
            send=0.1,
            gate=0.9,
            sections="IABO",
        ),
    ),
    moods=("elegant", "nostalgic", "dancing", "tender"),
)
