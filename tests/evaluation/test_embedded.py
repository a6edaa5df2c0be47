"""Clips as vectors: what is refused, and that messages name the clip."""

import numpy as np
import pytest

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation.embedded import Embedded, check_width

NAMES = ("a.wav", "b.wav", "c.wav")


def test_windows_are_counted_by_clip_in_any_order():
    embedded = Embedded(np.array([2, 0, 2, 1, 2]), np.ones((5, 4), np.float32), NAMES)
    assert embedded.clips == 3
    assert embedded.windows.tolist() == [1, 1, 3]


def test_the_mean_of_each_clip():
    clip, x = np.arange(9000) % 7, np.random.default_rng(0).normal(size=(9000, 3)).astype(np.float32)
    expected = [x[clip == number].astype(np.float64).mean(axis=0) for number in range(7)]
    np.testing.assert_allclose(Embedded(clip, x).means, expected, atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_clip_that_is_no_number_is_named_also_beyond_the_first_block(bad):
    x, clip = np.zeros((10_000, 2), np.float32), np.arange(10_000) // 4
    x[9001, 1] = bad
    with pytest.raises(DataError, match=r"^the embedding of clip 2250 holds NaN or infinity: leave that clip out$"):
        Embedded(clip, x)
    with pytest.raises(DataError, match=r"the embedding of b\.wav holds"):
        Embedded(np.array([0, 1, 2]), np.array([[0.0], [bad], [0.0]]), NAMES)


@pytest.mark.parametrize(
    ("clip", "x", "error", "words"),
    [
        (np.zeros(0, int), np.zeros((0, 4)), DataError, "no windows"),
        (np.array([0, 2]), np.zeros((2, 4)), DataError, r"b\.wav has no window"),
        (np.array([0, 1]), np.zeros((2, 4)), DataError, r"c\.wav has no window"),
        (np.array([-1, 0]), np.zeros((2, 4)), UsageError, "from 0, not -1"),
        (np.array([0, 1]), np.zeros((3, 4)), UsageError, r"not \[3, 4\] and clip int64 \[2\]"),
        (np.array([0.0, 1.0]), np.zeros((2, 4)), UsageError, r"clip float64 \[2\]"),
        (np.array([0, 1]), np.zeros(2), UsageError, r"x \[N, D\]"),
    ],
)
def test_what_is_refused(clip, x, error, words):
    with pytest.raises(error, match=words):
        Embedded(clip, x, NAMES)


def test_vectors_of_two_embeddings_are_refused():
    check_width(128, 128)
    with pytest.raises(UsageError, match="vectors of 128 and 512 numbers are not of one embedding"):
        check_width(128, 512)
