"""Folk: a picked steel-string guitar, plain triads, a tune that walks by step; a foot, a tambourine."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="folk",
    tempo=(92, 122),
    modes=("major", "major", "minor"),
    progressions={
        "major": (
            "I | V/7 | vi | IV",
            "I | IV | I/3 | V",
            "I | iii | IV | V",
            "vi | IV | I | V",
            "I | IV/6 | I | Vsus4 V",
        ),
        "minor": ("i | VII | VI | VII", "i | III | VII | iv", "i | v | VI | VII", "i | iv | i | V"),
    },
    grooves={
        "I": (
            """
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
        "A": (
            """
            kick       X.......X.......
            rim        ....x.......x...
            shaker     x.o.x.o.x.o.x.o.
            """,
            """
            kick       X.......X...o...
            tambourine ....x.......x...
            brush      x.o.x.o.x.o.x.o.
            """,
        ),
        "B": (
            """
            kick       X.......X.o.....
            snare      ....x.......x...
            tambourine ....x.......x...
            shaker     xoxoxoxoxoxoxoxo
            """,
        ),
        "K": (
            """
            shaker x...x...x...x...
            """,
        ),
    },
    kit="brushes",
    human=0.007,
    room=1.2,
    level=-2.5,
    parts=(
        Part(
            "lead",
            instruments=("flute", "accordion", "strings", "piano"),
            patterns=("x---x-x-x---x---", "x-x-x---x-x-x---", "x-----x-x---x-x-", "x---x---x-------"),
            register=74,
            level=-3,
            pan=0.2,
            send=0.3,
            gate=0.95,
            sections="ABK",
        ),
        Part(
            "comp",
            instruments=("steel_guitar",),
            patterns=("0-2-1-3-0-2-1-3-", "0-3-2-1-0-3-2-1-", "0-1-2-3-2-1-2-1-"),
            register=57,
            level=-1,
            pan=-0.25,
            send=0.2,
            gate=1.4,
        ),
        Part(
            "comp",
            instruments=("steel_guitar", "nylon_guitar"),
            patterns=("x---x-o-..o-x-o-", "x---x-oo.-o-x-o-", "x-------x-------"),
            register=60,
            level=-6,
            pan=0.35,
            send=0.2,
            gate=0.95,
            sections="BO",
            chance=0.85,
            strum=0.014,
        ),
        Part(
            "bass",
            instruments=("upright_bass", "finger_bass"),
            patterns=("R-------5-------", "R-------5---R-a-", "R---5---R---5---"),
            register=40,
            level=-1,
            send=0.05,
            gate=0.9,
            sections="ABO",
        ),
    ),
    moods=("warm", "wistful", "homely", "hopeful"),
)
