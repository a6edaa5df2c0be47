"""Bossa nova: the clave on the rim, bass on root and fifth, nylon guitar ahead of the beat, changes full of ii-V."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="bossa nova",
    tempo=(118, 144),
    modes=("major", "major", "minor"),
    progressions={
        "major": (
            "Imaj9 | II13 | ii9 | V7b9",
            "Imaj7 | VI7b9 | ii9 | V13",
            "iii7 | VI7b9 | ii9 | V13",
            "IVmaj7 | iv6 | iii7 VI7b9 | ii9 V13",
        ),
        "minor": ("i9 | iim7b5 V7b9 | i9 | V7b9", "i9 | iv9 | iim7b5 | V7b9", "iv9 | VII13 | IIImaj7 | V7b9"),
    },
    grooves={
        "I": (
            """
            shaker xoooXoooxoooXoooxoooXoooxoooXooo
            rim    x.....x.....x.......x.....x.....
            """,
        ),
        "A": (
            """
            kick   X.....ooX.....ooX.....ooX.....oo
            rim    x.....x.....x.......x.....x.....
            hat    x.o.X.o.x.o.X.o.x.o.X.o.x.o.X.o.
            """,
            """
            kick   X.....o.x.....o.X.....o.x.....o.
            rim    ....x.....x.....x.....x.....x...
            shaker xoooXoooxoooXoooxoooXoooxoooXooo
            """,
        ),
        "B": (
            """
            kick   X.....o.x.....o.X.....o.x.....o.
            rim    x.....x.....x.......x.....x.....
            ride   x.o.X.o.x.o.X.o.x.o.X.o.x.o.X.o.
            conga  ....x.....xx........x.....xx....
            """,
        ),
        "K": (
            """
            rim    x.....x.....x.......x.....x.....
            """,
        ),
    },
    kit="brushes",
    human=0.006,
    room=1.1,
    level=-3.0,
    parts=(
        Part(
            "lead",
            instruments=("flute", "vibraphone", "nylon_guitar", "electric_piano"),
            patterns=(
                "..x---x---x-----x---x-x-----....",
                "x-----x---x---x-x-------........",
                "....x-x-x---x-----x---x---------",
                "x---x-x---x-----....x---x-x-----",
            ),
            register=74,
            level=-1,
            pan=0.15,
            send=0.3,
            gate=0.95,
            sections="ABK",
        ),
        Part(
            "comp",
            instruments=("nylon_guitar", "nylon_guitar", "electric_piano"),
            patterns=("x-----x---..x---..x-..x---x-----", "x---..x---x-..x-....x-..x---x---"),
            register=60,
            level=-4,
            pan=-0.25,
            send=0.2,
            gate=0.85,
            strum=0.008,
        ),
        Part(
            "bass",
            instruments=("upright_bass", "finger_bass"),
            patterns=("R-----5-5-----R-", "R-----5-5-----a-"),
            register=40,
            level=-1,
            send=0.05,
            gate=0.9,
            sections="IABO",
        ),
    ),
    moods=("breezy", "intimate", "warm", "gentle"),
)
