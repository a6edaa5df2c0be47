"""Techno: the kick never stops, one chord goes a long way, an acid line, rides that grow."""

from musicdiff.data.songs.grooves import CLUB_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="techno",
    tempo=(128, 138),
    modes=("minor",),
    progressions={"minor": ("i | i | i | i", "i | i | bII | i", "i | i | VI | VII", "i | i | iv | i")},
    grooves={
        "I": (
            """
            kick   X...X...X...X...
            rim    ......x...x.....
            """,
        ),
        "A": (
            """
            kick   X...X...X...X...
            open   ..x...x...x...x.
            rim    ...x.....x....x.
            """,
            """
            kick    X...X...X...X...
            open    ..x...x...x...x.
            low_tom ...o..o....o..x.
            hat     xoxoxoxoxoxoxoxo
            """,
        ),
        "B": (
            """
            kick   X...X...X...X...
            clap   ....x.......x...
            open   ..X...X...X...X.
            ride   x.x.x.x.x.x.x.x.
            rim    ...x..x..x....x.
            """,
        ),
        "K": (
            """
            hat    x.xox.xox.xox.xo
            rim    ...x..x..x....x.
            """,
        ),
    },
    fills=CLUB_FILLS[:2],
    kit="club",
    human=0.0005,
    duck=0.5,
    room=1.6,
    level=1.0,
    parts=(
        Part(
            "lead",
            instruments=("square_lead", "synth_pluck", "bell"),
            patterns=("x..x..x...x..x..", "x.....x.....x...", "..x..x..x..x..x."),
            register=69,
            level=-5,
            pan=0.2,
            send=0.5,
            gate=0.7,
            sections="BK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("stab", "choir"),
            patterns=("...x..x.........", "......x.......x.", "..x..x..........", "x---------------"),
            register=62,
            level=-5,
            pan=-0.2,
            send=0.5,
            gate=0.6,
            sections="ABK",
        ),
        Part(
            "bass",
            instruments=("acid_bass", "synth_bass"),
            patterns=("RR8RR.R8RRR5R.8R", "..RR..RR..RR..R8", "R.RR8.RRR.R8R.5R"),
            register=36,
            level=-1,
            send=0.05,
            gate=0.7,
        ),
    ),
    moods=("dark", "hypnotic", "driving", "industrial"),
)
