"""Reggaeton: the dembow, kick on every beat and the snare in threes across it; minor keys, plucked hooks, a deep bass."""

from musicdiff.data.songs.grooves import LATIN_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="reggaeton",
    tempo=(88, 102),
    modes=("minor", "minor", "major"),
    progressions={
        "minor": ("i | VI | III | VII", "i | iv | VI | V7", "VI | VII | i | i", "i | VII | VI | V7"),
        "major": ("vi | IV | I | V", "I | V | vi | IV", "ii | V | I | vi"),
    },
    grooves={
        "I": (
            """
            snare  ...o..x....o..x.
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
        "A": (
            """
            kick   X...X...X...X...
            snare  ...o..x....o..x.
            hat    X.o.X.o.X.o.X.o.
            """,
            """
            kick   X...X...X...X...
            snare  ...o..x....o..xo
            shaker XoxoXoxoXoxoXoxo
            """,
        ),
        "B": (
            """
            kick   X...X...X...X...
            snare  ...o..x....o..x.
            clap   ....o.......o...
            hat    XoxoXoxoXoxoXoxo
            conga  ......x.......xx
            """,
        ),
        "K": (
            """
            rim    ...o..x....o..x.
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
    },
    fills=LATIN_FILLS,
    kit="dembow",
    human=0.002,
    duck=0.25,
    room=0.9,
    level=-1.0,
    parts=(
        Part(
            "lead",
            instruments=("synth_pluck", "marimba", "flute", "saw_lead"),
            patterns=("x--x--x-x-x---..", "..x-x-x--x--x---", "x-x-x--x--x-x---", "x--x--x---..x-x-"),
            register=74,
            level=-1,
            pan=0.1,
            send=0.35,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("synth_pluck", "nylon_guitar", "stab"),
            patterns=("..x-..x-..x-..x-", "x--x--x-x---x---", "0-1-2-3-2-1-0-1-"),
            register=62,
            level=-8,
            pan=-0.3,
            send=0.25,
            gate=0.8,
        ),
        Part(
            "comp",
            instruments=("pad", "bright_pad", "choir"),
            patterns=("x---------------",),
            register=60,
            level=-15,
            send=0.35,
            gate=1.0,
            sections="IBKO",
            chance=0.7,
        ),
        Part(
            "bass",
            instruments=("sub_bass", "synth_bass"),
            patterns=("R--R--R-R--R--5-", "R---R-R-R---R-8-", "R-----R-R---5-R-"),
            register=38,
            level=0,
            send=0.0,
            gate=0.85,
            sections="ABO",
        ),
    ),
    moods=("energetic", "sunny", "sensual", "dark"),
)
