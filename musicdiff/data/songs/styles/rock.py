"""Rock: kick and snare, eighths on the hat, power chords left and right, a lead guitar."""

from musicdiff.data.songs.grooves import TOM_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="rock",
    tempo=(108, 148),
    modes=("minor", "major"),
    progressions={
        "minor": ("i5 | VI5 | III5 | VII5", "i5 | VII5 | VI5 | VII5", "i5 | i5 | iv5 | V5", "VI5 | VII5 | i5 | i5"),
        "major": ("I5 | V5 | vi5 | IV5", "I5 | bVII5 | IV5 | I5", "I5 | IV5 | V5 | IV5", "IV5 | V5 | I5 | vi5"),
    },
    grooves={
        "I": (
            """
            kick   X.......X.......
            hat    x.x.x.x.x.x.x.x.
            """,
        ),
        "A": (
            """
            kick   X.......X.x.....
            snare  ....X.......X...
            hat    X.x.X.x.X.x.X.x.
            """,
            """
            kick   X..x....X.x...x.
            snare  ....X.......X...
            hat    X.x.X.x.X.x.X.x.
            """,
        ),
        "B": (
            """
            kick   X.x.....X.x.....
            snare  ....X.......X...
            open   X.x.X.x.X.x.X.x.
            """,
            """
            kick   X.......x.x...x.
            snare  ....X..o....X...
            ride   X.x.X.x.X.x.X.x.
            """,
        ),
        "K": (
            """
            low_tom x.x.x.x.x.x.x.x.
            kick    X.......X.......
            """,
        ),
    },
    fills=TOM_FILLS,
    kit="acoustic",
    human=0.005,
    room=1.0,
    level=0.5,
    parts=(
        Part(
            "lead",
            instruments=("lead_guitar", "lead_guitar", "organ"),
            patterns=("x---x-x-x-------", "..x-x-x-x---x---", "x-x-x-x---x-x---", "x-----x-x---...."),
            register=71,
            level=-6,
            pan=0.1,
            send=0.3,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("distorted_guitar",),
            patterns=("x-x-x-x-x-x-x-x-", "x---..x-x---x---", "X-xxX-xxX-xxX-xx", "x---------x-x---"),
            register=52,
            level=-6,
            send=0.12,
            gate=0.9,
            sections="IABO",
        ),
        Part(
            "comp",
            instruments=("clean_guitar", "organ"),
            patterns=("0-1-2-1-0-1-2-1-", "x---------------"),
            register=62,
            level=-9,
            pan=-0.35,
            send=0.3,
            gate=0.95,
            sections="IK",
        ),
        Part(
            "bass",
            instruments=("finger_bass",),
            patterns=("R-R-R-R-R-R-R-R-", "R---..R-R-R-R-a-", "R-R-R-R-R-R-8-a-"),
            register=38,
            level=0,
            send=0.0,
            gate=0.9,
            sections="ABO",
        ),
    ),
    moods=("driving", "defiant", "anthemic", "raw"),
)
