"""Text as bytes: any text can be said, and equal texts are equal however they are typed."""

import unicodedata

import numpy as np
import pytest

from musicdiff.conditioning import bytes as plugin
from musicdiff.errors import UsageError


def read(*texts, length=16):
    return plugin.build(length=length, width=8, layers=1, heads=2).read(texts)


def test_a_beginning_and_then_the_bytes():
    ids, mask = read("ab", None)
    np.testing.assert_array_equal(ids[0, :3], [256, ord("a"), ord("b")])
    np.testing.assert_array_equal(mask.sum(1), [3, 0])
    assert ids.dtype == np.int32 and mask.dtype == bool and not ids[1].any()


def test_a_text_of_no_letters_still_has_its_beginning():
    np.testing.assert_array_equal(read(" \n")[1].sum(1), [1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Calm  Piano\n", "calm piano"),
        (unicodedata.normalize("NFD", "Café"), "café"),
        ("１２０ ＢＰＭ", "120 bpm"),
        ("STRASSE", "straße"),
    ],
)
def test_what_reads_the_same_is_the_same(one, other):
    for a, b in zip(read(one), read(other)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("length", range(2, 12))
@pytest.mark.parametrize("text", ["a" * 50, "é" * 50, "音楽" * 50, "🎹🎸" * 50])
def test_a_long_text_is_cut_between_characters(text, length):
    cut = plugin.encode(text, length)
    size = len(text[0].encode())
    assert len(cut) == length // size * size
    assert text.startswith(cut.decode())
    assert read(text, length=length)[0].shape == (1, length)


@pytest.mark.parametrize("text", ["Спокойная музыка", "静かなピアノ", "موسيقى هادئة", "🎹", "\udc80", "\0"])
def test_any_text_can_be_said(text):
    assert plugin.refuse(text) is None
    ids, mask = read(text, length=128)
    assert mask.sum() > 1 and ids.min() >= 0 and ids.max() <= 256


@pytest.mark.parametrize("value", [3, 2.5, ("calm",), b"calm"])
def test_what_is_no_text_is_refused(value):
    assert plugin.refuse(value) == f"must be text, not {value!r}"


@pytest.mark.parametrize("options", [{"length": 1}, {"width": 30, "heads": 4}, {"layers": 0}, {"heads": 0}])
def test_sizes_that_do_not_fit_are_refused(options):
    with pytest.raises(UsageError, match=r"^condition 'bytes': .*heads must divide the width$"):
        plugin.build(**options)
