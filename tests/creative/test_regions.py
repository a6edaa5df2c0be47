"""Regions as users say them, in samples."""

import pytest

from musicdiff.creative.regions import Region, check, merge, parse
from musicdiff.errors import UsageError

RATE, NUM = 8000, 40_000  # 5 s


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("1.5-2.25", (12_000, 18_000)),
        (" 1.5 - 2.25 ", (12_000, 18_000)),
        ("-2", (0, 16_000)),
        ("4-", (32_000, 40_000)),
        (".5-1.", (4000, 8000)),
        ("0.00012-0.00026", (1, 2)),
    ],
)
def test_seconds(text, region):
    assert parse(text, RATE, NUM) == region


@pytest.mark.parametrize(
    ("text", "bpm", "beats", "region"),
    [
        ("bar 1", 120, 4, (0, 16_000)),
        ("bar 2", 120, 4, (16_000, 32_000)),
        ("bars 1-2", 120, 4, (0, 32_000)),
        ("bars 2-3", 180, 3, (8000, 24_000)),
        ("bar 1", 92.3, 4, (0, 20_802)),
    ],
)
def test_bars(text, bpm, beats, region):
    assert parse(text, RATE, NUM, bpm=bpm, beats_per_bar=beats) == region


def test_a_last_bar_may_end_half_a_sample_behind_the_clip():
    assert parse("bar 1", RATE, 20_801, bpm=92.3) == (0, 20_801)


@pytest.mark.parametrize(
    ("text", "bpm", "words"),
    [
        ("", None, "say seconds, such as"),
        ("-", None, "is none"),
        ("1:30-2:00", None, "is none"),
        ("nan-2", None, "is none"),
        ("bar 1", None, "--bpm 120"),
        ("bar 1", float("nan"), "--bpm 120"),
        ("bar 0", 120, "counted from 1"),
        ("bars 3-2", 120, "is empty"),
        ("4-6", None, "4-6 s is not within the clip of 5 s"),
        ("2-2", None, "is empty"),
        ("3-2", None, "is empty"),
    ],
)
def test_what_is_no_region_is_named(text, bpm, words):
    with pytest.raises(UsageError, match=words):
        parse(text, RATE, NUM, bpm=bpm)


def test_regions_that_overlap_or_touch_are_one():
    regions = [Region(30, 40), Region(0, 10), Region(5, 20), Region(20, 25), Region(6, 8)]
    assert merge(regions) == [(0, 25), (30, 40)]
    assert merge([]) == []


def test_what_lies_outside_is_refused():
    with pytest.raises(UsageError, match="not within"):
        check(Region(-1, 5), RATE, NUM)
