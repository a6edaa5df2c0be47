"""Nulls whose scores are known, those of real clips, and the reason where there is no null."""

import loudness
import numpy as np
import pytest

from musicdiff import facts, generation
from musicdiff.evaluation import frechet, listening, moments, nulls, sounds
from musicdiff.evaluation.reference import Reference
from musicdiff.evaluation.sounds import Like, Trained

EMBEDDING = loudness.make()
LIKE = Like([4096] * 20, loudness.RATE, 0.1)


@pytest.fixture(scope="module")
def heard():
    return listening.arrays(EMBEDDING, loudness.clips(20, 1), loudness.RATE)


@pytest.fixture(scope="module")
def reference():
    real = listening.arrays(EMBEDDING, loudness.clips(40, 0), loudness.RATE)
    return Reference("real", moments.of(real.embedded.x), real.sha256, real, real.padded)


@pytest.fixture(scope="module")
def found(heard, reference):
    return {row.label: row for row in nulls.nulls(EMBEDDING, heard, reference, LIKE, seed=3)}


@pytest.fixture(scope="module")
def model(trained):
    return Trained(trained, generation.load(trained))


def test_the_mean_for_ever_scores_the_trace_exactly(found, reference):
    row, trace = found[nulls.MEAN], np.trace(reference.moments.covariance)
    assert (row.fad.raw, row.fad.value, row.fad.error) == (trace, trace, 0.0)
    assert row.key.clips == 0 and row.key.seconds == 0


def test_silence_scores_its_distance(found, reference):
    """Its embedding is 0, without variance: |m|^2 + tr S."""
    row, mean = found[nulls.SILENCE], reference.moments.mean
    assert row.fad.raw == pytest.approx(mean @ mean + np.trace(reference.moments.covariance), rel=1e-12)
    assert row.fad.error == pytest.approx(0, abs=1e-12)
    assert row.key.clips == 20 and row.key.seconds == pytest.approx(20 * 4096 / 8000)


def test_noise_is_scored_by_the_same_embedding(found, reference):
    noise = listening.arrays(EMBEDDING, sounds.noise(LIKE, 3), loudness.RATE)
    raw = frechet.distance(moments.of(noise.embedded.x), reference.moments)
    assert found[nulls.NOISE].fad.raw == pytest.approx(raw, rel=1e-12)


def test_many_clips_are_as_few_of_noise_spread_over_their_lengths(heard, reference, monkeypatch):
    monkeypatch.setattr(nulls, "MOST", 3)
    like = Like([1024, 2048, 3072, 4096, 5120], loudness.RATE, 0.1)
    found = {row.label: row for row in nulls.nulls(EMBEDDING, heard, reference, like)}
    for label in (nulls.SILENCE, nulls.NOISE):
        assert found[label].key.clips == 3 and found[label].fad.windows == 1 + 3 + 5


def test_halves_are_random_and_have_no_clip_in_common(found, reference):
    order = np.random.default_rng(3).permutation(40)
    embedded = reference.heard.embedded
    own = np.isin(embedded.clip, order[:20])
    raw = frechet.distance(moments.of(embedded.x[own]), moments.of(embedded.x[~own]))
    row = found[nulls.HALVES]
    assert row.fad.raw == pytest.approx(raw, rel=1e-12)
    assert row.key.clips == 20 and row.key.reference != reference.sha256
    assert row.fad.raw < 0.2 * found[nulls.MEAN].fad.raw


def test_of_statistics_there_are_no_halves(heard, reference):
    statistics = Reference("fma_pop", reference.moments, reference.sha256)
    rows = {row.label: row for row in nulls.nulls(EMBEDDING, heard, statistics, LIKE)}
    assert rows[nulls.HALVES].fad is None
    assert rows[nulls.HALVES].reason == "fma_pop is statistics, without clips to divide: give a folder"
    assert rows[nulls.SILENCE].fad and rows[nulls.MEAN].fad


def test_of_a_folder_no_model_is_known(found):
    assert list(found)[-3:] == [nulls.TRAINING, nulls.HELD_OUT, nulls.CODEC]
    for label in (nulls.TRAINING, nulls.HELD_OUT, nulls.CODEC):
        assert found[label].fad is None and "score the workdir" in found[label].reason


def test_of_a_workdir_all_nulls_are_there(model, heard, reference):
    rows = nulls.nulls(EMBEDDING, heard, reference, LIKE, trained=model)
    assert [row.label for row in rows] == list(dict.fromkeys(row.label for row in rows)) and len(rows) == 7
    assert all(row.fad for row in rows)
    by_label = {row.label: row for row in rows}
    for label in (nulls.TRAINING, nulls.HELD_OUT, nulls.CODEC):
        assert 2 <= by_label[label].key.clips <= 20
    held_out, codec = by_label[nulls.HELD_OUT], by_label[nulls.CODEC]
    assert held_out.key.clips == codec.key.clips and held_out.fad.raw != codec.fad.raw


def test_data_that_changed_are_no_null(trained_copy, heard, reference):
    facts.add(trained_copy, fingerprint="another")
    model = Trained(trained_copy, generation.load(trained_copy))
    rows = nulls.nulls(EMBEDDING, heard, reference, LIKE, trained=model)
    for row in rows[-3:]:
        assert row.fad is None and "has changed since" in row.reason
    assert all(row.fad for row in rows[:-3])
