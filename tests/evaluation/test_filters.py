"""A filter that helps is told from one that only leaves fewer clips."""

import dataclasses
import json

import loudness
import numpy as np
import pytest

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import filters, frechet, listening, moments, rows
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.filters import Filter
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.reference import Reference

EMBEDDING = loudness.make()


def reference_of(heard):
    return Reference("real", moments.of(heard.embedded.x), heard.sha256, heard, heard.padded)


@pytest.fixture(scope="module")
def reference():
    return reference_of(listening.arrays(EMBEDDING, loudness.clips(60, 0), loudness.RATE))


@pytest.fixture(scope="module")
def clips():
    """40, of which every fourth is three times as loud as the law of the reference has them."""
    return [(name, audio * (3 if i % 4 == 0 else 1)) for i, (name, audio) in enumerate(loudness.clips(40, 1))]


@pytest.fixture(scope="module")
def heard(clips):
    return listening.arrays(EMBEDDING, clips, loudness.RATE)


@pytest.fixture(scope="module")
def levels(clips):
    return filters.measure_arrays(clips, loudness.RATE, "rms")


@pytest.mark.parametrize(
    ("text", "values", "kept"),
    [
        ("lufs<-14", [-20, -14, -10], [0]),
        ("lufs > -14.5", [-20, -14, -10], [1, 2]),
        ("mean_db<75%", [4, 1, 3, 2], [1, 2, 3]),
        ("mean_db > 75 %", [4, 1, 3, 2], [0]),
        ("flatness<.5", [0.4, 0.5, 0.6], [0]),
        ("rms<50%", [1, 1, 1, 1], [0, 1]),
        ("rms<0%", [1, 2], []),
    ],
)
def test_a_filter_keeps_its_side(text, values, kept):
    assert np.flatnonzero(Filter.parse(text).keeps(np.array(values, float))).tolist() == kept


def test_both_sides_of_a_share_are_all_clips():
    values = np.random.default_rng(0).normal(size=37)
    below, above = (Filter.parse(f"rms{side}30%").keeps(values) for side in "<>")
    assert (below ^ above).all() and below.sum() == 11


@pytest.mark.parametrize("text", ["lufs<-14", "mean_db>75%", "flatness<0.5"])
def test_a_filter_is_read_as_it_is_written(text):
    assert Filter.parse(str(Filter.parse(text)).removesuffix(" LUFS")) == Filter.parse(text)


@pytest.mark.parametrize("text", ["", "lufs", "loudness<3", "lufs=3", "lufs<high", "lufs<101%", "lufs<-1%", "lufs<1<2"])
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(UsageError):
        Filter.parse(text)


def test_a_filter_that_helps_scores_below_its_control(heard, levels, reference):
    found = filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<75%"), reference)
    assert (found.before.key.clips, found.after.key.clips, len(found.dropped)) == (40, 30, 10)
    assert found.dropped == tuple(f"clip {i:03d}.wav" for i in range(0, 40, 4))
    assert found.as_low == 0
    assert found.after.fad.value < min(each.value for each in found.random) < found.before.fad.value * 1.5


def test_filters_that_have_nothing_to_do_with_the_sound_score_like_their_control(heard, reference):
    """Of 20 such filters the kept clips stand anywhere among the random sets: in the middle on average, 0.5 ± 0.065."""
    rng, shares = np.random.default_rng(0), []
    for seed in range(20):
        values = dict(zip(heard.embedded.names, rng.normal(size=40)))
        found = filters.compare(EMBEDDING, heard, values, Filter.parse("rms<50%"), reference, sets=9, seed=seed)
        shares.append(found.as_low / 9)
    assert 0.3 < np.mean(shares) < 0.7 and np.std(shares) > 0.15


def test_random_sets_are_of_as_many_clips_without_replacement(heard, levels, reference, monkeypatch):
    sets = []
    whole = rows.part
    monkeypatch.setattr(rows, "part", lambda heard, chosen: sets.append(chosen) or whole(heard, chosen))
    found = filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<50%"), reference, sets=3, seed=5)
    random = [tuple(sorted(chosen)) for chosen in sets[:3]]
    assert len(set(random)) == 3 and all(len(set(chosen)) == 20 for chosen in random)
    part = whole(heard, np.array(random[0]))
    raw = frechet.distance(moments.of(part.embedded.x), reference.moments)
    assert found.random[0].raw == pytest.approx(raw, rel=1e-12)


def test_without_the_control_any_filter_would_seem_to_do_something():
    """Half of 48 clips of the reference's own law, 24 numbers a window, chosen blindly: raw is twice as high, and `value` is another too."""
    embedding = dataclasses.replace(EMBEDDING, width=24)
    windows = np.random.default_rng(0).normal(size=(48, 24)).astype(np.float32)
    clips, names = np.arange(48), tuple(f"{i:02d}" for i in range(48))
    heard = Heard(Embedded(clips, windows, names), np.zeros(48, np.float32), 48.0, (8000,), (1,), (), "0" * 64)
    reference = Reference("law", moments.Moments(np.zeros(24), np.eye(24)), "law")
    values = dict(zip(names, np.random.default_rng(1).normal(size=48)))
    found = filters.compare(embedding, heard, values, Filter.parse("rms<50%"), reference)
    before, after = found.before.fad, found.after.fad
    random = np.array([(each.raw, each.value) for each in found.random])
    (raw, value), (raw_spread, value_spread) = random.mean(axis=0), random.std(axis=0)
    assert after.raw > 1.8 * before.raw and abs(after.raw - raw) < 3 * raw_spread
    assert abs(value - before.value) > before.error and abs(after.value - value) < 3 * value_spread


def test_a_filter_that_keeps_all_changes_nothing(heard, levels, reference):
    found = filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<100"), reference, sets=2)
    assert found.before.fad == found.after.fad and found.dropped == ()
    assert {each.value for each in found.random} == {found.before.fad.value}


def test_the_same_seed_draws_the_same(heard, levels, reference):
    first, again, other = (
        filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<50%"), reference, sets=2, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_too_few_kept_clips_are_refused_with_the_range(heard, levels, reference):
    with pytest.raises(DataError, match=r"rms < -90 dBFS keeps 0 of 40 clips, and 2 are needed: here rms is -\d"):
        filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<-90"), reference)


def test_a_clip_without_a_measure_is_named(heard, levels, reference):
    with pytest.raises(UsageError, match=r"clip 003\.wav"):
        filters.compare(
            EMBEDDING,
            heard,
            {name: level for name, level in levels.items() if "003" not in name},
            Filter.parse("rms<-20"),
            reference,
        )


def test_files_are_measured_under_the_names_by_which_they_are_heard(tmp_path, clips, levels):
    folder = loudness.write(tmp_path / "clips", clips[:5])
    (folder / "broken.wav").write_bytes(b"no audio")
    heard = listening.folder(EMBEDDING, folder, cache_dir=tmp_path / "cache", progress=False)
    values = filters.measure_folder(folder, "rms", progress=False)
    assert tuple(values) == heard.embedded.names
    assert values == pytest.approx({name: levels[name] for name in values}, abs=1e-5)


def test_the_table_has_the_control(heard, levels, reference):
    found = [
        filters.compare(EMBEDDING, heard, levels, Filter.parse(text), reference, label="ddim", sets=4)
        for text in ("rms<75%", "rms>75%")
    ]
    table = filters.render(found).splitlines()
    assert table[2].startswith("| ddim | rms < 75 % | 30/40 |") and "| 0 of 4 |" in table[2]
    assert "| 10/40 |" in table[3] and "| 4 of 4 |" in table[3]
    assert "loudness-FAD" in table[0]
    json.dumps([dataclasses.asdict(each) for each in found], allow_nan=False)


def test_filters_of_other_references_stand_in_no_table(heard, levels, reference):
    other = reference_of(listening.arrays(EMBEDDING, loudness.clips(20, 9), loudness.RATE))
    found = [
        filters.compare(EMBEDDING, heard, levels, Filter.parse("rms<50%"), each, sets=2) for each in (reference, other)
    ]
    with pytest.raises(UsageError, match="reference"):
        filters.render(found)
