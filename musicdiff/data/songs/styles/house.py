"""House: four on the floor, claps on two and four, the open hat between, offbeat bass, chords that pump with the kick."""

from musicdiff.data.songs.grooves import CLUB_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="house",
    tempo=(118, 128),
    modes=("minor", "minor", "major"),
    progressions={
        "minor": ("i7 | VImaj7 | iv7 | v7", "i9 | i9 | iv9 | iv9", "VImaj7 | VII | i7 | i7", "iv7 | v7 | i7 | III"),
        "major": ("vi7 | IVmaj7 | Imaj7 | V", "ii7 | iii7 | IVmaj7 | V", "Imaj7 | vi7 | ii7 | V7"),
    },
    grooves={
        "I": (
            """
            kick   X...X...X...X...
            hat    ..x...x...x...x.
            """,
        ),
        "A": (
            """
            kick   X...X...X...X...
            clap   ....X.......X...
            open   ..x...x...x...x.
            shaker xoxoxoxoxoxoxoxo
            """,
            """
            kick   X...X...X...X...
            clap   ....X.......X...
            open   ..x...x...x...x.
            hat    x.oxx.oxx.oxx.ox
            rim    ...x......x..x..
            """,
        ),
        "B": (
            """
            kick    X...X...X...X...
            clap    ....X.......X..o
            open    ..X...X...X...X.
            hat     xoxoxoxoxoxoxoxo
            ride    x...x...x...x...
            cowbell ...x..x....x..x.
            """,
        ),
        "K": (
            """
            clap   ....x.......x...
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
    },
    fills=CLUB_FILLS,
    kit="club",
    swing=0.52,
    human=0.001,
    duck=0.65,
    room=1.1,
    parts=(
        Part(
            "lead",
            instruments=("saw_lead", "synth_pluck", "organ", "vibraphone"),
            patterns=("x--x--x---......", "..x-..x-..x-x---", "x-x--x--x-x-..x-", "x--x--x-x--x--x-"),
            register=74,
            level=-4,
            pan=0.15,
            send=0.35,
            sections="BK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("piano", "organ", "stab"),
            patterns=("..x-..x-..x-..x-", "x--x--x-..x-..x-", "x--x---x--x-x---"),
            register=62,
            level=-4,
            pan=-0.15,
            send=0.3,
            gate=0.75,
            sections="ABKO",
        ),
        Part(
            "comp",
            instruments=("pad", "strings"),
            patterns=("x---------------",),
            register=64,
            level=-14,
            send=0.35,
            gate=1.0,
            sections="IBK",
        ),
        Part(
            "bass",
            instruments=("synth_bass", "sub_bass", "finger_bass"),
            patterns=("..R-..R-..R-..8-", "..RR..R-..RR..5-", "R-.R..R-R-.R..8-"),
            register=38,
            level=1,
            send=0.0,
            gate=0.8,
            sections="ABO",
        ),
    ),
    moods=("uplifting", "groovy", "deep", "energetic"),
)
