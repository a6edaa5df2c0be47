"""Ambient, for sleep: no drums; slow chords, a few bells, long rooms."""

from musicdiff.data.songs.score import Part, Style

STYLE = Style(
    name="ambient",
    tempo=(58, 72),
    modes=("major", "major", "minor"),
    progressions={
        "major": (
            "Iadd9 | IVmaj9 | Iadd9 | IVmaj9",
            "Imaj9 | vi9 | IVmaj9 | Vsus4",
            "IVmaj9 | Iadd9/3 | ii9 | Iadd9",
            "Iadd9 | iii7 | IVmaj7 | iv6",
        ),
        "minor": ("i9 | VImaj9 | iv9 | i9", "VImaj9 | IIImaj7 | i9 | VII", "i9 | v7 | VImaj9 | iv9"),
    },
    grooves={},
    human=0.012,
    room=3.8,
    level=-10.0,
    parts=(
        Part(
            "lead",
            instruments=("bell", "piano", "vibraphone", "flute"),
            patterns=(
                "x-------....x---------------....",
                "....x-----x-----x---------------",
                "x---x---x---------------........",
            ),
            register=76,
            level=3,
            pan=0.2,
            send=0.7,
            gate=1.0,
            sections="ABKO",
            scale="pentatonic",
        ),
        Part(
            "comp",
            instruments=("pad", "choir", "strings"),
            patterns=("x---------------",),
            register=60,
            level=-4,
            send=0.5,
            gate=1.05,
        ),
        Part(
            "comp",
            instruments=("electric_piano", "nylon_guitar", "bell"),
            patterns=("0---1---2---3---", "0-----2-----1---", "0-1-2-3-4-3-2-1-"),
            register=67,
            level=-2,
            pan=-0.3,
            send=0.6,
            gate=1.3,
            sections="ABK",
            chance=0.8,
        ),
        Part(
            "bass",
            instruments=("sub_bass", "upright_bass"),
            patterns=("R---------------", "R-------5-------"),
            register=40,
            level=3,
            send=0.1,
            gate=1.0,
            sections="ABKO",
        ),
    ),
    moods=("sleepy", "calm", "weightless", "nocturnal"),
)
