"""Edits of sampling: what is held, where it begins, which levels it visits; and the way from audio to noise and back."""

import numpy as np
import pytest

from musicdiff import generation
from musicdiff.diffusion import constraints
from musicdiff.errors import UsageError
from musicdiff.generation import Edit

SEEDS = (7, 0)


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


@pytest.fixture(scope="module")
def clips(generator):
    return generation.generate(generator, seeds=SEEDS)


def test_x_0_is_what_audio_is_made_of(generator, clips):
    assert clips.x_0.shape == (2, *generator.model.domain.shape)
    mel = generator.model.to_mel(generator.frozen, clips.x_0)
    np.testing.assert_allclose(mel, clips.log_mel, atol=1e-4)


def test_frames_say_the_length(generator):
    half = generator.model.domain.shape[0] // 2
    made = generation.generate(generator, seeds=[7], frames=half)
    assert made.x_0.shape[1] == half and made.audio.shape[1] == half * generator.model.domain.samples_per_frame


def test_what_is_held_stays_and_the_rest_does_not(generator, clips):
    """A row is held by its own arrays: the second seed keeps the first one's beginning."""
    mask = np.zeros((2, clips.x_0.shape[1], 1, 1), bool)
    mask[:, 8:] = True
    edit = Edit(constraints.inpaint, {"x_0": clips.x_0[::-1].copy(), "mask": mask})
    made = generation.generate(generator, seeds=SEEDS, edit=edit)
    np.testing.assert_array_equal(made.x_0[:, :8], clips.x_0[::-1, :8])
    assert np.abs(made.x_0[:, 8:] - clips.x_0[::-1, 8:]).mean() > 1e-2
    alone = generation.generate(
        generator, seeds=SEEDS[:1], edit=Edit(edit.constrain, {name: array[:1] for name, array in edit.held.items()})
    )
    np.testing.assert_allclose(alone.x_0, made.x_0[:1], atol=1e-4)


def test_noise_to_begin_with_takes_the_place_of_the_seeds(generator, clips):
    x_T = np.random.default_rng(0).normal(size=clips.x_0.shape).astype(np.float32)
    first, again = (generation.generate(generator, seeds=seeds, edit=Edit(x_T=x_T)) for seeds in (SEEDS, (3, 4)))
    np.testing.assert_allclose(first.x_0, again.x_0, atol=1e-5)  # ddim adds no noise of its own
    assert np.abs(first.x_0 - clips.x_0).mean() > 1e-2


def test_levels_are_visited_as_given(generator, clips):
    grid = generation.levels(generator)
    same = generation.generate(generator, seeds=SEEDS, edit=Edit(levels=grid))
    np.testing.assert_array_equal(same.x_0, clips.x_0)
    assert len(grid) == 4 and grid[-1] == np.inf and (np.diff(grid[:-1]) > 0).all()
    shorter = generation.generate(generator, seeds=SEEDS, edit=Edit(levels=grid[1:]))
    assert shorter.evaluations == clips.evaluations - 1


def test_there_and_back(generator, clips):
    """By heun, the error falls with the steps; clips that it never saw come back too."""
    sampler = {"name": "heun", "num_steps": 20, "grid": "log_snr"}
    audio = np.random.default_rng(0).normal(0, 0.1, clips.audio.shape).astype(np.float32)
    x_0 = generation.encode(generator, audio)
    x_T = generation.invert(generator, x_0, sampler=sampler)
    back = generation.generate(generator, seeds=SEEDS, sampler=sampler, edit=Edit(x_T=x_T))
    coarse = {**sampler, "num_steps": 4}
    x_T = generation.invert(generator, x_0, sampler=coarse)
    far = generation.generate(generator, seeds=SEEDS, sampler=coarse, edit=Edit(x_T=x_T))
    errors = [np.sqrt(np.mean((made.x_0 - x_0) ** 2)) / np.std(x_0) for made in (far, back)]
    assert errors[1] < 0.02 and errors[1] < 0.5 * errors[0], errors


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"frames": 3}, "multiples of 2, not 3"),
        ({"frames": 0}, "multiples of 2, not 0"),
        ({"frames": 8, "seconds": 1.0}, "not in both"),
        ({"samples": 100}, "padding='circular'"),
        ({"samples": 100, "padding": "circular"}, "give frames as well"),
        ({"edit": Edit(x_T=np.zeros((3, 4)))}, "x_T has 3 rows; 2 seeds take one each"),
        ({"told": [((0.5, {}), (0.6, {})), {}]}, "whose sum is 1, not 0.5, 0.6"),
    ],
)
def test_what_cannot_be_is_named(generator, asked, words):
    with pytest.raises(UsageError, match=words):
        generation.generate(generator, seeds=SEEDS, **asked)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"name": "ddpm"}, "'ddpm' cannot be inverted"), ({"name": "ddim", "eta": 0.5}, "without noise")],
)
def test_a_sampler_that_adds_noise_is_not_inverted(generator, clips, changes, words):
    with pytest.raises(UsageError, match=words):
        generation.invert(generator, clips.x_0, sampler=changes)


def test_what_is_decoded_is_what_clips_are_made_of(generator, clips):
    np.testing.assert_allclose(generation.decode(generator, clips.x_0), clips.log_mel, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 100, 1), (1, 4096, 2), (4096, 1), (1, 0, 1)])
def test_audio_of_another_shape_is_not_encoded(generator, shape):
    with pytest.raises(UsageError, match=r"audio to encode is \[B, N, 1\]"):
        generation.encode(generator, np.zeros(shape))
