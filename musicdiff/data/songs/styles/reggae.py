"""Reggae: one drop, nothing on the one; the skank between the beats, the organ bubbling, the bass in front."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="reggae",
    tempo=(68, 82),
    modes=("minor", "major"),
    progressions={
        "minor": ("i | iv | i | iv", "i | VII | i | VII", "i | VI | VII | i", "iv | v | i | i"),
        "major": ("I | V | vi | IV", "I | ii | I | V", "I | IV | I | V", "vi | ii | V | I"),
    },
    grooves={
        "I": (
            """
            hat    x.x.x.x.x.x.x.x.
            rim    ........x.......
            """,
        ),
        "A": (
            """
            kick   ........X.......
            rim    ........X.......
            hat    x.xox.x.x.xox.x.
            """,
            """
            kick   ........X.......
            rim    ....o...X..x....
            hat    x.x.x.xox.x.x.xo
            """,
        ),
        "B": (
            """
            kick   X...X...X...X...
            snare  ........X.......
            hat    x.xox.xox.xox.xo
            open   ..............x.
            """,
        ),
        "K": (
            """
            rim    ........x..x....
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
    },
    fills=(
        """
        snare    x..x..x.
        high_tom .......x
        """,
        """
        snare    X.xx
        low_tom  ..xx
        """,
    ),
    kit="acoustic",
    swing=0.57,
    human=0.006,
    room=1.4,
    level=-1.0,
    parts=(
        Part(
            "lead",
            instruments=("brass", "flute", "lead_guitar", "square_lead"),
            patterns=("x--x--x---......", "..x-x-x-x---....", "x-x---x-..x-x---", "....x-x-x-x-----"),
            register=71,
            level=-4,
            pan=0.2,
            send=0.45,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("clean_guitar",),
            patterns=("..x...x...x...x.", "..x...xx..x...xx"),
            register=62,
            level=-4,
            pan=-0.3,
            send=0.3,
            gate=0.7,
            strum=0.005,
        ),
        Part(
            "comp",
            instruments=("organ",),
            patterns=(".x.x.x.x.x.x.x.x", "..x-..x-..x-..x-"),
            register=60,
            level=-10,
            pan=0.3,
            send=0.2,
            gate=0.6,
        ),
        Part(
            "bass",
            instruments=("sub_bass", "finger_bass"),
            patterns=("R--R..5-R--3-5--", "R---R-5-..R-3-5-", "..R-R---5-3-R---"),
            register=38,
            level=1,
            send=0.0,
            gate=0.9,
            sections="ABKO",
        ),
    ),
    moods=("sunny", "rootsy", "easygoing", "dubby"),
)
