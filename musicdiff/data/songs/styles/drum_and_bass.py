"""Drum and bass: the two-step break at 174, a reese under it, pads that move at half the speed."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="drum and bass",
    tempo=(170, 178),
    modes=("minor", "minor", "major"),
    progressions={
        "minor": ("i9 | i9 | VImaj7 | VImaj7", "i | VII | VI | VI", "iv9 | iv9 | i9 | v7", "VImaj9 | VII | i9 | i9"),
        "major": ("Imaj9 | Imaj9 | IVmaj9 | V", "vi9 | vi9 | IVmaj9 | Imaj7"),
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
            kick   X.........x.....X.........x..x..
            snare  ....X..o.o..X..o....X..o.o..X...
            hat    x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.
            """,
            """
            kick   X.x.......xx....X.x.......x.....
            snare  ....X..o.o..X.......X..o.o..X.oo
            hat    x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.
            """,
        ),
        "B": (
            """
            kick   X.........x.....X.x.......x.....
            snare  ....X..o.o..X..o....X..o.o..X.xo
            ride   x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.
            hat    xoxoxoxoxoxoxoxoxoxoxoxoxoxoxoxo
            """,
        ),
        "K": (
            """
            rim    ....x.......x...
            shaker x.o.x.o.x.o.x.o.
            """,
        ),
    },
    fills=(
        """
        kick   X.x...x...x.....
        snare  ....X..x.x..X.XX
        """,
        """
        snare  x.x.xxxx
        kick   X...X...
        """,
    ),
    kit="tight",
    human=0.002,
    duck=0.25,
    room=1.6,
    parts=(
        Part(
            "lead",
            instruments=("saw_lead", "bell", "electric_piano", "flute"),
            patterns=(
                "x-----x-----x-----------x---x---",
                "....x---x---x---x-----x---------",
                "x---------x---x-x---------------",
            ),
            register=74,
            level=-4,
            pan=0.1,
            send=0.45,
            sections="BK",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("pad", "bright_pad", "strings"),
            patterns=("x---------------",),
            register=62,
            level=-8,
            send=0.4,
            gate=1.0,
            sections="IABKO",
        ),
        Part(
            "comp",
            instruments=("electric_piano", "stab", "synth_pluck"),
            patterns=("x-----x---......", "....x-----x-....", "0-1-2-3-2-1-3-2-"),
            register=64,
            level=-8,
            pan=-0.25,
            send=0.4,
            sections="ABK",
            chance=0.7,
        ),
        Part(
            "bass",
            instruments=("reese_bass", "sub_bass", "synth_bass"),
            patterns=("R---------R-----", "R-----R---R--R--", "R-------..R-8---"),
            register=36,
            level=0,
            send=0.0,
            gate=0.95,
            sections="ABO",
        ),
    ),
    moods=("energetic", "liquid", "dark", "soaring"),
)
