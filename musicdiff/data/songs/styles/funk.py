"""Funk: all on the one, sixteenths in the right hand, ghosted snare, slapped octaves, short ninths, horns."""

from musicdiff.data.songs.grooves import TOM_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="funk",
    tempo=(98, 116),
    modes=("minor", "minor", "major"),
    progressions={
        "minor": ("i9 | i9 | IV9 | IV9", "i7 | IV9 | i7 | V7", "i9 | VII | IV9 | i9", "i7 | i7 | iv7 | V7"),
        "major": ("I9 | I9 | IV9 | I9", "I9 | IV9 | I9 | V9", "ii9 | V9 | ii9 | V9"),
    },
    grooves={
        "I": (
            """
            hat    XoxoXoxoXoxoXoxo
            cowbell x...x...x...x...
            """,
        ),
        "A": (
            """
            kick   X.....x...x..x..
            snare  ....X..o.o.oX..o
            hat    XoxoXoxoXoxoXoxo
            """,
            """
            kick   X.x....x..x.....
            snare  ....X..o.oo.X.o.
            hat    XoxoXox.XoxoXox.
            open   .......x.......x
            """,
        ),
        "B": (
            """
            kick       X..x..x.x.x..x..
            snare      ....X..o.o.oX..o
            hat        XoxoXoxoXoxoXoxo
            tambourine ....x.......x...
            conga      ..x...xx..x...xx
            """,
        ),
        "K": (
            """
            kick   X.....x...x.....
            clap   ....x.......x...
            shaker xoxoxoxoxoxoxoxo
            """,
        ),
    },
    fills=TOM_FILLS,
    kit="tight",
    swing=0.53,
    human=0.005,
    room=0.7,
    parts=(
        Part(
            "lead",
            instruments=("brass", "organ", "square_lead"),
            patterns=("x.x-..x-..x---..", "..xx..x---......", "x--x..x-x.x-....", "....x-x-..xxx---"),
            register=70,
            level=-2,
            pan=0.15,
            send=0.25,
            gate=0.85,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("clean_guitar",),
            patterns=("..x...xo..x...xo", "oxooxoxo.oxoxo.o", "x.xo..xox.xo..xo"),
            register=64,
            level=-6,
            pan=-0.4,
            send=0.15,
            gate=0.6,
            strum=0.006,
        ),
        Part(
            "comp",
            instruments=("organ", "electric_piano"),
            patterns=("x---......x-....", "....x-......x-x-", "x---------------"),
            register=62,
            level=-10,
            pan=0.35,
            send=0.2,
            gate=0.8,
            sections="ABKO",
            chance=0.8,
        ),
        Part(
            "bass",
            instruments=("slap_bass", "finger_bass", "synth_bass"),
            patterns=("R..8R..5R..8..7a", "R-.R8...R.57R.8a", "R.R.8..RR.5.7.a."),
            register=38,
            level=0,
            send=0.0,
            gate=0.75,
        ),
    ),
    moods=("funky", "strutting", "joyful", "sweaty"),
)
