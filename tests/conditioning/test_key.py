"""The 24 keys by their many names."""

import numpy as np
import pytest

from musicdiff.conditioning import key
from musicdiff.data.songs import harmony

CONDITION = key.build()


def test_every_key_of_the_built_in_songs_is_one_of_24():
    names = [harmony.key_name(root, mode) for mode in ("major", "minor") for root in range(12)]
    np.testing.assert_array_equal(CONDITION.read(names), np.arange(24))
    assert CONDITION.read([None]) == [0] and CONDITION.read(names).dtype == np.int32


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (("C", "c", "C major", "C MAJOR", "Cmaj", "CM", "C dur", "B# major", " C  major "), 0),
        (("C#", "Db", "D♭ major", "C sharp", "d-flat major", "Dflat", "C＃ major"), 1),
        (("C minor", "Cm", "cm", "C min", "c moll"), 12),
        (("C# minor", "Db minor", "c#m", "C♯m", "C-sharp minor"), 13),
        (("F♯ minor", "Gbm", "f# Minor"), 18),
        (("Am", "a minor", "A-minor"), 21),
        (("Bb", "bb", "A#"), 10),
        (("Bbm", "bbm", "A sharp min"), 22),
        (("B", "Cb major"), 11),
        (("bm", "B minor"), 23),
    ],
)
def test_names_of_a_key(names, number):
    for name in names:
        assert key.parse(name) == number, name


@pytest.mark.parametrize("value", ["H dur", "C dorian", "Cmm", "C#b", "", "minor", "C minor 7", "12", 3, None])
def test_what_is_no_key_is_refused_with_how_keys_are_written(value):
    assert CONDITION.refuse(value) == (
        f"must be a major or minor key, written as 'C minor', 'F# major', 'Bb' or 'Am', not {value!r}"
    )
