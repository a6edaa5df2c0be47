"""R&B: slow and deep, backbeat of claps, ninth chords on the electric piano, a bass that leaves room."""

from musicdiff.data.songs.grooves import BEAT_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="r&b",
    tempo=(64, 80),
    modes=("minor", "major"),
    progressions={
        "minor": (
            "i9 | ivmaj7 | VImaj9 | v7",
            "VImaj9 | v7 | i9 | i9",
            "iv9 | v7 | i9 | VImaj7",
            "i9 | III | iv9 | V7b9",
        ),
        "major": (
            "IVmaj9 | iii7 | vi9 | ii9 V9",
            "ii9 | V13 | Imaj9 | vi7",
            "Imaj9 | vi9 | ii9 | V9",
            "IVmaj9 | V | iii7 | vi9",
        ),
    },
    grooves={
        "I": (
            """
            rim    ....x.......x...
            hat    x.x.x.x.x.x.x.x.
            """,
        ),
        "A": (
            """
            kick   X......x.xx.....
            clap   ....X.......X...
            hat    x.x.x.xrx.x.x.xo
            """,
            """
            kick   X..x......x....x
            snare  ....X.......X...
            hat    x.xoxoxox.xoxorx
            """,
        ),
        "B": (
            """
            kick   X..x...x..x.....
            clap   ....X.......X...
            rim    .......x......x.
            hat    x.xxx.xtx.xxxrx.
            open   ..............x.
            """,
        ),
        "K": (
            """
            clap   ....x.......x...
            hat    x...x...x...x...
            """,
        ),
    },
    fills=BEAT_FILLS,
    kit="boom",
    swing=0.54,
    human=0.006,
    duck=0.15,
    room=1.5,
    level=-2.0,
    parts=(
        Part(
            "lead",
            instruments=("electric_piano", "square_lead", "bell", "flute"),
            patterns=("..x-x-x---......", "x--x-x--x---....", "....x-xxx--x----", "x-x--x------...."),
            register=74,
            level=-2,
            pan=0.15,
            send=0.45,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("electric_piano", "electric_piano", "clean_guitar"),
            patterns=("x-------..x-x---", "x-----x---------", "x--x------x-----"),
            register=62,
            level=-5,
            pan=-0.15,
            send=0.3,
            strum=0.012,
        ),
        Part(
            "comp",
            instruments=("pad", "strings", "choir"),
            patterns=("x---------------",),
            register=64,
            level=-15,
            send=0.4,
            gate=1.0,
            sections="IBK",
            chance=0.7,
        ),
        Part(
            "bass",
            instruments=("sub_bass", "finger_bass", "synth_bass"),
            patterns=("R------R-RR-----", "R-----5-8---R-a-", "R--R------R---5-"),
            register=37,
            level=0,
            send=0.0,
            gate=0.9,
            sections="ABO",
        ),
    ),
    moods=("smooth", "romantic", "late-night", "soulful"),
)
