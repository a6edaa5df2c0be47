"""Rows that carry their key: what a score is called, what it is refused for, and what it may be compared with."""

import dataclasses
import json

import loudness
import numpy as np
import pytest

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import fad, listening, moments, rows
from musicdiff.evaluation.reference import Reference
from musicdiff.evaluation.rows import Row

EMBEDDING = loudness.make()


@pytest.fixture(scope="module")
def heard():
    return listening.arrays(EMBEDDING, loudness.clips(24, 1), loudness.RATE)


@pytest.fixture(scope="module")
def reference():
    real = listening.arrays(EMBEDDING, loudness.clips(40, 0), loudness.RATE)
    return Reference("real", moments.of(real.embedded.x), real.sha256, real, real.padded)


@pytest.mark.parametrize(
    ("embedding", "name"),
    [
        ("musicnn", "musicnn-FAD"),
        ("musicnn:msd", "musicnn:msd-FAD"),
        ("vggish", "vggish-FAD"),
        ("clap:music", "clap:music-FAD"),
        ("melstats", "mel-FD (not FAD)"),
    ],
)
def test_a_metric_is_named_by_its_embedding(embedding, name):
    assert rows.metric(embedding) == name


def test_a_row_is_the_score_with_its_key(heard, reference):
    row = rows.score(EMBEDDING, heard, reference, label="mine", seed=3)
    assert row.fad == fad.measure(heard.embedded, reference.moments, seed=3)
    assert row.metric == "loudness-FAD" and row.label == "mine" and row.reason == ""
    assert (row.key.embedding, row.key.protocol, row.key.weights) == (EMBEDDING.name, EMBEDDING.protocol, "0" * 64)
    assert row.key.reference == reference.sha256
    assert row.key.clips == 24 and row.key.seconds == pytest.approx(24 * 4 * 1024 / 8000)
    assert row.padded == 0 and row.unusable == 0


def test_a_row_is_json(heard, reference):
    row = rows.score(EMBEDDING, heard, reference, label="mine")
    read = json.loads(json.dumps(dataclasses.asdict(row)))
    assert read["metric"] == "loudness-FAD" and read["fad"]["raw"] == row.fad.raw
    assert read["fad"]["interval"] == list(row.fad.interval) and read["key"]["clips"] == 24


def cropped(count, short, seed=1):
    """Clips of which so many end in a window of which an eighth is padding."""
    for i, (name, audio) in enumerate(loudness.clips(count, seed)):
        yield name, audio[: len(audio) - 128] if i < short else audio


def test_more_than_a_tenth_of_padded_windows_is_refused(reference):
    within, beyond = (
        listening.arrays(EMBEDDING, cropped(20, short), loudness.RATE) for short in (8, 9)
    )  # of 80 windows
    assert rows.score(EMBEDDING, within, reference, label="mine").padded == pytest.approx(0.1)
    with pytest.raises(DataError, match=r"^mine: 11% of the windows are padded, 10% may be: .* 0\.128 s at once"):
        rows.score(EMBEDDING, beyond, reference, label="mine")
    assert rows.score(EMBEDDING, beyond, reference, label="mine", max_padded=0.2).padded == pytest.approx(9 / 80)
    padded = dataclasses.replace(reference, padded=beyond.padded)
    with pytest.raises(DataError, match=r"^the reference: 11%"):
        rows.score(EMBEDDING, within, padded, label="mine")


def test_one_clip_has_no_score(reference):
    one = listening.arrays(EMBEDDING, loudness.clips(1, 1), loudness.RATE)
    with pytest.raises(DataError, match="2 clips are needed"):
        rows.score(EMBEDDING, one, reference, label="mine")


def test_unusable_clips_are_counted(reference):
    sounds = [*loudness.clips(20, 1), ("zzz", np.full((4096, 1), np.nan, np.float32))]
    row = rows.score(EMBEDDING, listening.arrays(EMBEDDING, sounds, loudness.RATE), reference, label="mine")
    assert row.unusable == 1 and row.key.clips == 20


def test_a_difference_has_the_errors_of_both(heard, reference):
    a, b = (rows.score(EMBEDDING, heard, reference, label=label, seed=seed) for label, seed in (("a", 1), ("b", 2)))
    value, error = rows.difference(a, b)
    assert value == a.fad.value - b.fad.value
    assert error == pytest.approx((a.fad.error**2 + b.fad.error**2) ** 0.5)


def test_rows_of_other_keys_are_not_compared(heard, reference):
    row = rows.score(EMBEDDING, heard, reference, label="mine")
    other = loudness.make(weights="1" * 64)
    foreign = rows.score(other, heard, reference, label="foreign")
    for compare in (lambda: rows.difference(row, foreign), lambda: rows.render([row, foreign])):
        with pytest.raises(UsageError, match="weights"):
            compare()
    yardstick = dataclasses.replace(reference, sha256="another")
    with pytest.raises(UsageError, match="reference"):
        rows.difference(row, rows.score(EMBEDDING, heard, yardstick, label="else"))
    fewer = rows.score(EMBEDDING, rows.part(heard, np.arange(10)), reference, label="fewer")
    assert rows.difference(row, fewer)[0] == row.fad.value - fewer.fad.value
    with pytest.raises(UsageError, match="clips"):
        rows.difference(row, fewer, but=())


def test_a_row_without_a_score_says_why(heard, reference):
    row = rows.score(EMBEDDING, heard, reference, label="mine")
    none = Row("codec", row.metric, reason="no workdir")
    with pytest.raises(DataError, match="codec has no score: no workdir"):
        rows.difference(row, none)
    lines = rows.render([row, none, Row("training", row.metric, reason="no workdir")]).splitlines()
    assert lines[0].startswith("|  | loudness-FAD | 95 % | raw | floor C / n | clips |")
    assert (
        lines[2].startswith(f"| mine | {row.fad.value:.4g} ± {row.fad.error:.2g} |")
        and "| 24 | 12 | 0% | 0 |" in lines[2]
    )
    assert lines[3:] == ["", "- codec, training: none, because no workdir"]
    assert len({line.count("|") for line in lines[:3]}) == 1


def test_a_part_is_those_clips_and_no_others(heard):
    part = rows.part(heard, np.array([5, 2, 9]))
    assert part.embedded.names == tuple(heard.embedded.names[i] for i in (2, 5, 9))
    for place, clip in enumerate((2, 5, 9)):
        own = part.embedded.x[part.embedded.clip == place]
        assert np.array_equal(own, heard.embedded.x[heard.embedded.clip == clip])
    assert len(part.padding) == len(part.embedded.x) == 12
    assert part.seconds == pytest.approx(heard.seconds / 8)
    assert len({heard.sha256, part.sha256, rows.part(heard, np.array([5, 2, 8])).sha256}) == 3
    assert rows.part(heard, np.array([2, 5, 9])).sha256 == part.sha256


def test_a_label_does_not_break_the_table(heard, reference):
    lines = rows.render([rows.score(EMBEDDING, heard, reference, label="a|b")]).splitlines()
    assert lines[2].startswith("| a\\|b | ") and lines[2].replace("\\|", "").count("|") == lines[0].count("|")
