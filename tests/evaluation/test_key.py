"""What a score depends on, and that scores which depend on different things are not compared."""

import dataclasses

import loudness
import numpy as np
import pytest

from musicdiff.errors import UsageError
from musicdiff.evaluation import key as keys
from musicdiff.evaluation import listening
from musicdiff.evaluation.key import Key

KEY = Key("musicnn", "a line", "ab" * 32, "cd" * 32, clips=10, seconds=30.0, rate=(44100,))


def test_a_key_is_of_embedding_clips_and_reference():
    embedding = loudness.make(weights="12" * 32)
    sounds = [(str(i), np.full((8000, 1), 0.1 * i)) for i in range(3)]
    found = keys.of(embedding, listening.arrays(embedding, sounds, 8000), "ef" * 32)
    assert found == Key("loudness", embedding.protocol, "12" * 32, "ef" * 32, clips=3, seconds=3.0, rate=(8000,))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("embedding", "vggish", "embedding 'musicnn' and 'vggish'"),
        ("protocol", "another", "protocol 'a line' and 'another'"),
        ("weights", "", "weights abababababab and none"),
        ("reference", "ef" * 32, "reference cdcdcdcdcdcd and efefefefefef"),
        ("reference", "published " + "ef" * 32, "reference cdcdcdcdcdcd and published efefefefefef"),
        ("clips", 11, "clips 10 and 11"),
        ("seconds", 30.5, "seconds 30 s and 30.5 s"),
        ("rate", (22050, 44100), "rate 44100 Hz and 22050, 44100 Hz"),
    ],
)
def test_the_difference_is_named(field, value, told):
    other = dataclasses.replace(KEY, **{field: value})
    with pytest.raises(UsageError) as caught:
        keys.check_same(KEY, other)
    assert str(caught.value) == f"these scores are not compared: they differ in {told}"
    keys.check_same(KEY, other, but=[field])


def test_every_difference_is_named_in_one_line():
    other = dataclasses.replace(KEY, clips=9, seconds=27.0, rate=(48000,))
    with pytest.raises(UsageError, match=r"in clips 10 and 9; rate 44100 Hz and 48000 Hz$"):
        keys.check_same(KEY, other, but=("seconds",))


def test_the_same_are_compared():
    keys.check_same(KEY, dataclasses.replace(KEY))
