"""The 24 major and minor keys; enharmonic names are one key."""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from musicdiff.networks.conditioned import ClassEmbedder
from musicdiff.typing import Condition

NUM_KEYS = 24
SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SIGNS = {"#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1, "": 0}
# One letter tells major from minor by its case; words do not.
KEY = re.compile(
    r"(?P<note>[A-Ga-g])[ -]?(?P<sign>[#♯b♭]|(?i:sharp|flat)|)[ -]?(?P<mode>M|m|(?i:major|maj|dur|minor|min|moll)|)"
)


def build() -> Condition:
    """Value: int32 [n], the tonic in semitones above C, and 12 more in minor."""

    def read(values: Sequence[str | None]) -> np.ndarray:
        return np.array([0 if name is None else parse(name) for name in values], np.int32)

    return Condition(refuse, read, partial(ClassEmbedder, capacity=NUM_KEYS))


def refuse(value: Any) -> str | None:
    """Why a value is none of the 24 keys."""
    if isinstance(value, str) and parse(value) is not None:
        return None
    return f"must be a major or minor key, written as 'C minor', 'F# major', 'Bb' or 'Am', not {value!r}"


def parse(name: str) -> int | None:
    """The number of a key by its name, None where it names none: 'C# minor', 'Db minor', 'c♯m' are 13; a note alone is its major."""
    found = KEY.fullmatch(" ".join(unicodedata.normalize("NFKC", name).split()))
    if found is None:
        return None
    tonic = SEMITONES[found["note"].lower()] + SIGNS[found["sign"].lower()]
    return tonic % 12 + 12 * (found["mode"] == "m" or found["mode"].lower() in ("minor", "min", "moll"))
