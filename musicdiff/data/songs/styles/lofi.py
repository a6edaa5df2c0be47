"""Lo-fi: a slow swung beat behind the beat, dusty drums, jazz chords and the crackle of a record."""

from musicdiff.data.songs.grooves import BEAT_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="lo-fi",
    tempo=(70, 86),
    modes=("major", "minor"),
    progressions={
        "major": (
            "ii9 | V13 | Imaj9 | vi7",
            "IVmaj9 | iii7 | ii9 | Imaj9",
            "Imaj9 | III7 | vi9 | IVmaj7",
            "ii9 | iii7 | IVmaj9 | V13",
        ),
        "minor": ("i9 | iv9 | VImaj7 | V7b9", "iv9 | VII13 | IIImaj9 | VImaj7", "i9 | VImaj9 | iv9 | V7b9"),
    },
    grooves={
        "I": (
            """
            vinyl  x.x.x.x.x.x.x.x.
            hat    x...x...x...x...
            """,
        ),
        "A": (
            """
            kick   X......x..x.....
            snare  ....X.......X...
            hat    x.o.x.o.x.o.x.oo
            vinyl  x.x.x.x.x.x.x.x.
            """,
            """
            kick   X.........x....o
            snare  ....X..o....X...
            hat    x.x.x.x.x.x.x.x.
            vinyl  x.x.x.x.x.x.x.x.
            """,
        ),
        "B": (
            """
            kick   X..x......x..x..
            snare  ....X.......X..o
            rim    .......x........
            hat    x.oxx.o.x.oxx.o.
            open   ..............o.
            vinyl  x.x.x.x.x.x.x.x.
            """,
        ),
        "K": (
            """
            rim    ....x.......x...
            vinyl  x.x.x.x.x.x.x.x.
            """,
        ),
    },
    fills=BEAT_FILLS[:1],
    kit="dusty",
    swing=0.62,
    human=0.009,
    duck=0.2,
    room=1.2,
    level=-5.5,
    parts=(
        Part(
            "lead",
            instruments=("vibraphone", "nylon_guitar", "electric_piano", "flute"),
            patterns=("..x-x---x-......", "x--x--x-....x-x-", "....x-x-x---....", "x---x-x-x---...."),
            register=72,
            level=-3,
            pan=0.2,
            send=0.35,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("electric_piano", "piano", "nylon_guitar"),
            patterns=("x-------x-----..", "x-----x---------", "x--x----..x-----"),
            register=61,
            level=-4,
            pan=-0.15,
            send=0.25,
            strum=0.018,
        ),
        Part(
            "bass",
            instruments=("upright_bass", "finger_bass", "sub_bass"),
            patterns=("R-----..R-5-----", "R------R--5---a-", "R-----5-8-----a-"),
            register=38,
            level=-1,
            send=0.05,
            gate=0.9,
            sections="ABO",
        ),
    ),
    moods=("mellow", "rainy", "studious", "dreamy"),
)
