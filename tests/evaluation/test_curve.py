"""Scores over the number of clips and over steps: disjoint subsets, one key a curve, pairs of one seed, and the pictures."""

import io
import json

import loudness
import numpy as np
import pytest
from matplotlib.image import imread

from musicdiff import generation, milestones
from musicdiff.errors import DataError
from musicdiff.evaluation import curve, fad, frechet, listening, moments, rows
from musicdiff.evaluation.reference import Reference

EMBEDDING = loudness.make()


@pytest.fixture(scope="module")
def heard():
    return listening.arrays(EMBEDDING, loudness.clips(70, 1, spread=0.5), loudness.RATE)


@pytest.fixture(scope="module")
def reference():
    real = listening.arrays(EMBEDDING, loudness.clips(100, 0), loudness.RATE)
    return Reference("real", moments.of(real.embedded.x), real.sha256, real, real.padded)


@pytest.fixture(scope="module")
def over_clips(heard, reference):
    return curve.over_clips(EMBEDDING, heard, reference, label="mine", seed=2)


def test_halves_down_to_eight_clips(over_clips):
    assert [point.x for point in over_clips.points] == [8, 17, 35, 70]
    assert [len(point.raws) for point in over_clips.points] == [8, 4, 2, 1]
    assert [point.row.key.clips for point in over_clips.points] == [8, 17, 35, 70]


def test_subsets_are_disjoint_clips(over_clips, heard, reference):
    order = np.random.default_rng(2).permutation(70)
    for point in over_clips.points:
        for number, raw in enumerate(point.raws):
            own = np.isin(heard.embedded.clip, order[number * point.x : (number + 1) * point.x])
            assert own.sum() == 4 * point.x
            assert raw == pytest.approx(
                frechet.distance(moments.of(heard.embedded.x[own]), reference.moments), rel=1e-9
            )


def test_the_bias_shows_and_the_floor_falls(over_clips, heard, reference):
    raw = [np.mean(point.raws) for point in over_clips.points]
    assert raw[0] > raw[-1]
    floors = [point.row.fad.floor for point in over_clips.points]
    assert floors == pytest.approx([frechet.floor(reference.moments, 4 * n) for n in (8, 17, 35, 70)])
    assert over_clips.infinity == fad.infinity(heard.embedded, reference.moments, seed=2)
    whole = rows.score(EMBEDDING, heard, reference, label="mine", seed=2)
    assert over_clips.points[-1].row.fad.raw == pytest.approx(whole.fad.raw, rel=1e-12)


def test_few_clips_are_no_curve(reference):
    few = listening.arrays(EMBEDDING, loudness.clips(7, 1), loudness.RATE)
    with pytest.raises(DataError, match="8 clips are needed at least, and here is 7"):
        curve.over_clips(EMBEDDING, few, reference, label="mine")


@pytest.fixture(scope="module")
def over_steps(trained, reference):
    options = {"num_clips": 6, "seed": 5, "batch_size": 4, "asked": {"sampler": {"num_steps": 2}}}
    return curve.over_steps(EMBEDDING, trained, reference, **options)


def test_every_milestone_makes_the_clips_of_the_same_seeds(over_steps, trained, reference):
    assert [point.x for point in over_steps.points] == [each.step for each in milestones.find(trained)] == [3, 6]
    for point in over_steps.points:
        generator = generation.load(trained, milestone=str(point.x))
        clips = generation.generate(generator, seeds=list(range(5, 11)), sampler={"num_steps": 2}, batch_size=4)
        own = listening.arrays(EMBEDDING, zip("abcdef", clips.audio), 8000)
        assert point.row == rows.score(EMBEDDING, own, reference, label=f"latent, step {point.x}", seed=5)


def test_changes_are_of_pairs(over_steps):
    first, last = over_steps.points
    assert first.change is None
    assert last.change.difference == pytest.approx(last.row.fad.value - first.row.fad.value, abs=1e-12)
    assert last.change.error <= np.hypot(first.row.fad.error, last.row.fad.error) * 2


def test_a_clip_that_is_unusable_at_one_step_leaves_its_pair(reference):
    sounds = dict(loudness.clips(12, 1))
    whole = listening.arrays(EMBEDDING, sounds.items(), loudness.RATE)
    broken = {**sounds, "clip 004.wav": np.full((4096, 1), np.nan, np.float32)}
    other = listening.arrays(EMBEDDING, broken.items(), loudness.RATE)
    found = curve.change(other, whole, reference, seed=0)
    assert found.difference == pytest.approx(0, abs=1e-12) and found.error == pytest.approx(0, abs=1e-12)
    with pytest.raises(DataError, match="0 clips are usable at both steps"):
        curve.change(whole, listening.arrays(EMBEDDING, zip("ab", sounds.values()), loudness.RATE), reference, seed=0)


@pytest.mark.parametrize("name", ["over_clips", "over_steps"])
def test_curves_are_written(name, request, tmp_path):
    found = request.getfixturevalue(name)
    paths = curve.write(tmp_path / "new", found)
    assert [path.name for path in paths] == [f"score_over_{found.over}.{suffix}" for suffix in ("md", "json", "png")]
    read = json.loads(paths[1].read_text())
    assert [point["x"] for point in read["points"]] == [point.x for point in found.points]
    assert read["points"][0]["row"]["key"]["protocol"] == EMBEDDING.protocol
    assert imread(io.BytesIO(paths[2].read_bytes())).std() > 0.01
    text = paths[0].read_text()
    assert text.splitlines()[0].startswith("|  | loudness-FAD |") and text.endswith("\n")
    said = "- led to infinitely many clips:" if name == "over_clips" else "- to step 6:"
    assert sum(line.startswith(said) for line in text.splitlines()) == 1
