"""Variations: nothing changes at strength 0, nothing stays at 1, and every row of a batch is of the same clip."""

import numpy as np
import pytest

from musicdiff import generation
from musicdiff.creative.vary import LADDER, num_steps, vary
from musicdiff.diffusion import schedules, starts
from musicdiff.errors import UsageError

RATE = 8000


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def clip(seconds=0.512, rate=RATE, channels=1, seed=0):
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    tones = 0.2 * np.sin(2 * np.pi * np.array([220.0, 554.0]) * t[:, None]).sum(axis=1) * np.exp(-4 * t)
    return tones[:, None] + 0.02 * rng.normal(size=(len(t), channels))


@pytest.fixture(scope="module")
def ladder(generator):
    return vary(generator, clip(), RATE, strengths=[1.0, 0.6, 0.2, 0.0], seeds=[5, 6])


def test_strength_0_is_the_clip_itself(generator, ladder):
    x_0 = generation.encode(generator, clip().astype(np.float32)[None])[0]
    np.testing.assert_array_equal(ladder.clips.x_0[[3, 7]], np.stack([x_0] * 2))
    own = np.asarray(generator.model.to_mel(generator.frozen, x_0[None]))[0]
    np.testing.assert_allclose(ladder.clips.log_mel[3], own, atol=1e-4)


def test_strength_1_ignores_it(generator, ladder):
    """Bit for bit: of another clip it is the same."""
    other = vary(generator, clip(seed=9)[::-1], RATE, strengths=[1.0, 0.6, 0.2, 0.0], seeds=[5, 6])
    np.testing.assert_array_equal(other.clips.x_0[[0, 4]], ladder.clips.x_0[[0, 4]])
    assert np.abs(other.clips.x_0[1] - ladder.clips.x_0[1]).mean() > 1e-3


def test_the_stronger_the_further(ladder):
    """And every row has the clip: upstream gave it to the first row of a batch alone."""
    for first in (0, 4):
        apart = [np.abs(ladder.clips.x_0[first + i] - ladder.clips.x_0[first + 3]).mean() for i in range(3)]
        assert apart[0] > apart[1] > apart[2] > 1e-3
    assert np.abs(ladder.clips.x_0[1] - ladder.clips.x_0[5]).mean() > 1e-3  # seeds


def test_a_row_depends_on_its_seed_alone(generator, ladder):
    """Not on its neighbours, nor on its place among them."""
    other = vary(generator, clip(), RATE, strengths=[1.0, 0.6, 0.2, 0.0], seeds=[6, 9])
    np.testing.assert_array_equal(other.clips.x_0[:4], ladder.clips.x_0[4:])


@pytest.mark.parametrize(("seconds", "rate", "channels"), [(0.3, 11_025, 2), (1.0, RATE, 1), (0.01, RATE, 1)])
def test_as_long_as_the_clip_at_its_rate(generator, seconds, rate, channels):
    audio = clip(seconds, rate, channels)
    made = vary(generator, audio, rate, strengths=[0.5], seeds=[1], sampler={"num_steps": 2})
    assert made.audio.shape == (1, *audio.shape) and made.rate == rate and np.isfinite(made.audio).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strengths": []}, "at least one strength"),
        ({"strengths": [1.1]}, "not 1.1"),
        ({"strengths": [float("nan")]}, "not nan"),
        ({"audio": np.zeros((0, 1))}, "with samples in it"),
        ({"strengths": [0.1, 0.2, 0.3, 0.4, 0.5]}, "need as many steps"),
    ],
)
def test_what_cannot_be_is_named(generator, changes, words):
    with pytest.raises(UsageError, match=words):
        vary(generator, **{"audio": clip(), "rate": RATE, "strengths": [0.5], "seeds": [1], **changes})


@pytest.mark.parametrize("name", ["linear_beta", "cosine"])
def test_levels_move_onto_starts(name):
    schedule = schedules.build(name)
    levels = np.append(schedule.log_snr(np.linspace(1, 0.02, 50)), np.inf)
    wanted = np.array([starts.level(starts.strength_of(step, 1000), schedule) for step in LADDER])
    found = starts.moved(levels, wanted)
    assert len(found) == 51 and (np.diff(found[:-1]) >= 0).all() and found[-1] == np.inf
    assert set(wanted[:-1].astype(np.float32)) <= set(found) and wanted[-1] == np.inf
    # Nothing else moves, and what does by no more than to the next level.
    steps = np.diff(levels[:-1]).max()
    assert np.abs(found[:-1] - levels[:-1]).max() <= steps


def test_steps_are_those_of_the_schedule(generator):
    assert num_steps(generator) == (generator.model.schedule.num_levels or 1000)
    assert starts.strength_of(250, 1000) == 0.25
    with pytest.raises(UsageError, match="from 0, the clip itself, to 1000"):
        starts.strength_of(1001, 1000)
