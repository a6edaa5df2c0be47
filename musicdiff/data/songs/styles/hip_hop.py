"""Hip hop: boom bap, a swung sixteenth, kick and snare in front, a looped sample of keys or strings."""

from musicdiff.data.songs.grooves import BEAT_FILLS
from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="hip hop",
    tempo=(84, 98),
    modes=("minor", "minor", "major"),
    progressions={
        "minor": ("i7 | i7 | VImaj7 | v7", "i | iv | i | V7", "i7 | VImaj7 | iv7 | V7", "i | VII | VI | VII"),
        "major": ("Imaj7 | vi7 | ii7 | V7", "IVmaj7 | iii7 | IVmaj7 | V"),
    },
    grooves={
        "I": (
            """
            hat    x.x.x.x.x.x.x.x.
            rim    ....x.......x...
            """,
        ),
        "A": (
            """
            kick   X......x..x.....
            snare  ....X.......X..o
            hat    x.x.x.x.x.x.x.x.
            """,
            """
            kick   X.x.......x..x..
            snare  ....X..o.o..X...
            hat    x.x.x.xox.x.x.x.
            """,
            """
            kick   X..x...o..xx....
            snare  ....X.......X...
            hat    x.x.x.x.x.x.x.x.
            """,
        ),
        "B": (
            """
            kick   X.....xx..x..x..
            snare  ....X..o.o..X..o
            hat    xox.x.xox.xox.x.
            open   ......x.........
            """,
        ),
        "K": (
            """
            kick   X...............
            hat    x...x...x...x...
            """,
        ),
    },
    fills=BEAT_FILLS,
    kit="tight",
    swing=0.58,
    human=0.006,
    room=0.7,
    level=-1.0,
    parts=(
        Part(
            "lead",
            instruments=("piano", "brass", "flute", "vibraphone"),
            patterns=("x--x--x-........", "x-x-..x-x--x----", "..x-x---..x-x---", "x---..xxx---...."),
            register=72,
            level=-2,
            pan=0.2,
            send=0.25,
            sections="ABK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("piano", "electric_piano", "strings"),
            patterns=("x-----x-..x-----", "x--x--x---......", "0-2-1-3-2-1-0-2-"),
            register=60,
            level=-6,
            pan=-0.2,
            send=0.2,
        ),
        Part(
            "bass",
            instruments=("finger_bass", "sub_bass", "upright_bass"),
            patterns=("R------R--5-R---", "R-R-----8-..R-a-", "R--R------RR--5-"),
            register=38,
            level=0,
            send=0.0,
            gate=0.85,
            sections="ABO",
        ),
    ),
    moods=("laid back", "gritty", "confident", "nostalgic"),
)
