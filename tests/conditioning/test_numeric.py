"""A number in a range: equal ratios are equal steps, and what lies outside is refused with the range."""

import numpy as np
import pytest

from musicdiff.conditioning import numeric
from musicdiff.errors import UsageError

TEMPO = numeric.build(low=30.0, high=480.0, unit="bpm")


def test_equal_ratios_are_equal_steps():
    values = TEMPO.read([30, 60.0, np.float32(120), 240, 480, None])
    np.testing.assert_allclose(values, [-1, -0.5, 0, 0.5, 1, 0], atol=1e-6)
    assert values.dtype == np.float32


@pytest.mark.parametrize("value", [30, 480.0, np.float32(94.5), np.int64(120)])
def test_numbers_of_the_range_are_taken(value):
    assert TEMPO.refuse(value) is None


@pytest.mark.parametrize("value", [29.9, 481, -1, 0, True, "120", None, float("inf"), float("nan")])
def test_all_else_is_refused_with_the_range(value):
    assert TEMPO.refuse(value) == f"must be a number from 30 to 480 bpm, not {value!r}"


def test_without_a_unit_the_message_has_none():
    assert numeric.build(low=1, high=2).refuse(3) == "must be a number from 1 to 2, not 3"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 2), (3, 2), (True, 2), ("1", 2), (1, float("inf"))])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(UsageError, match=r"^condition 'numeric': low and high must be numbers, 0 < low < high, not "):
        numeric.build(low=low, high=high)
