"""Between two clips and between two prompts: the ends are the ends, and what lies between is neither."""

import numpy as np
import pytest

from musicdiff import generation
from musicdiff.creative.interpolate import between_clips, between_prompts
from musicdiff.errors import UsageError

RATE = 8000
STEPS = {"num_steps": 16, "grid": "log_snr"}


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def clip(seed, seconds=0.512, channels=1):
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * RATE)) / RATE
    tone = 0.2 * np.sin(2 * np.pi * (200 + 300 * seed) * t)[:, None]
    return tone + 0.05 * rng.normal(size=(len(t), channels))


def test_the_ends_are_the_clips(generator):
    """To the inversion's error, by heun both ways; the middle is as far from both as they are loud."""
    a, b = clip(0), clip(1)
    made = between_clips(generator, a, b, RATE, weights=[0.0, 0.5, 1.0], sampler=STEPS)
    ends = generation.encode(generator, np.stack([a, b]).astype(np.float32))
    apart = [np.sqrt(np.mean((made.clips.x_0[i] - end) ** 2)) for i, end in ((0, ends[0]), (2, ends[1]))]
    assert max(apart) < 0.05 * np.std(ends), apart
    assert min(np.sqrt(np.mean((made.clips.x_0[1] - end) ** 2)) for end in ends) > 0.2 * np.std(ends)
    assert made.audio.shape == (3, len(a), 1) and made.rate == RATE


def test_the_longer_clip_says_the_length(generator):
    made = between_clips(
        generator, clip(0, 0.3, 2), clip(1, 0.4, 2), RATE, weights=[0.5], sampler={"num_steps": 2}, batch_size=1
    )
    assert made.audio.shape == (1, 3200, 2) and np.isfinite(made.audio).all()


def test_prompts_of_a_model_without_conditions_are_refused(generator):
    with pytest.raises(UsageError, match="was not trained with the condition 'style'"):
        between_prompts(generator, {"style": "lofi"}, {"style": "techno"}, weights=[0.5], seed=1)


def test_between_two_that_are_the_same_nothing_changes(generator):
    made = between_prompts(generator, {}, {}, weights=[0.0, 0.5, 1.0], seed=1, rate=16_000)
    np.testing.assert_array_equal(made.audio[0], made.audio[1])
    assert made.audio.shape == (3, 8192, 1) and made.clips.seeds == (1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": []}, "not none"),
        ({"weights": [0.5, 1.5]}, "not 0.5, 1.5"),
        ({"b": clip(1, channels=2)}, "as many channels"),
        ({"b": np.zeros((0, 1))}, "as many channels"),
    ],
)
def test_what_cannot_be_is_named(generator, changes, words):
    with pytest.raises(UsageError, match=words):
        between_clips(generator, **{"a": clip(0), "b": clip(1), "rate": RATE, "weights": [0.5], **changes})
