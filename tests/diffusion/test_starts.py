"""Where edits begin: at 0 nothing changes, at 1 nothing stays, and a ladder of strengths is one batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import constraints, grids, process, schedules, starts
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

STRENGTHS = (1.0, 0.95, 0.75, 0.5, 0.25, 0.0)
SCHEDULE = schedules.build("cosine")
LEVELS = grids.build("auto", SCHEDULE, 20)
WIDTH = 0.3


def gaussian(x_t, log_snr, to=None):
    """The exact denoiser of N(0, WIDTH^2)."""
    alpha, sigma = process.alpha_sigma(log_snr)
    variance = (alpha * WIDTH) ** 2 + sigma**2
    return Prediction(alpha * WIDTH**2 / variance * x_t, sigma / variance * x_t)


def ladder(x_0, strengths=STRENGTHS):
    """One row a strength, of one input, one noise and one x_T."""
    eps, x_T = (jnp.tile(jax.random.normal(jax.random.key(seed), x_0.shape), (len(strengths), 1)) for seed in (1, 2))
    at = np.array([starts.level(strength, SCHEDULE) for strength in strengths], np.float32)
    constraint = constraints.sdedit(jnp.tile(x_0, (len(strengths), 1)), eps, jnp.asarray(at))
    keys, sampler = jax.random.split(jax.random.key(0), len(strengths)), samplers.build("heun")
    levels = starts.moved(LEVELS, at)
    return np.asarray(samplers.sample(gaussian, x_T, keys, sampler=sampler, grid=levels, constraint=constraint))


def test_a_ladder_is_one_batch():
    """Of an input far from what the model knows, the less stays the stronger it is; nothing at 1, bit for bit, and all at 0."""
    x_0 = 3 * jax.random.normal(jax.random.key(3), (1, 1000))
    made, other = ladder(x_0), ladder(-x_0)
    np.testing.assert_array_equal(made[-1], x_0[0])
    np.testing.assert_array_equal(made[0], other[0])
    kept = [np.corrcoef(row, x_0[0])[0, 1] for row in made]
    assert np.all(np.diff(kept) > 0) and abs(kept[0]) < 0.1, kept
    assert made[0].std() == pytest.approx(WIDTH, rel=0.1)


def test_a_row_is_what_it_is_alone():
    """Of a Gaussian, whose flow is known: steps elsewhere, for the sake of other strengths, change it by their own error at most."""
    x_0 = 0.3 * jax.random.normal(jax.random.key(3), (1, 1000))
    together = ladder(x_0)
    for i, strength in enumerate(STRENGTHS):
        np.testing.assert_allclose(ladder(x_0, (strength,))[0], together[i], atol=0.02)


@pytest.mark.parametrize("name", ["linear_beta", "cosine", "rectified_flow"])
def test_a_strength_is_a_time_of_the_schedule(name):
    schedule = schedules.build(name)
    for step in (950, 750, 500, 250):
        found = starts.level(starts.strength_of(step, 1000), schedule)
        assert float(schedule.t_of(np.float64(found))) == pytest.approx(step / 1000, abs=1e-3)
    assert (starts.level(0.0, schedule), starts.level(1.0, schedule)) == (np.inf, -np.inf)
    assert (starts.strength_of(0, 1000), starts.strength_of(1000, 1000)) == (0.0, 1.0)


@pytest.mark.parametrize("strengths", [(0.97, 0.9, 0.5), (0.5,), (0.31, 0.3, 0.29), (0.0, 1.0), (1e-4, 0.5)])
def test_levels_hold_the_starts_as_they_are(strengths):
    at = np.array([starts.level(strength, SCHEDULE) for strength in strengths], np.float32)
    found = starts.moved(LEVELS, at)
    assert found.dtype == np.float32 and len(found) == len(LEVELS) and found[-1] == np.inf
    assert (np.diff(found[:-1]) > 0).all()
    assert set(at[np.isfinite(at)]) <= set(found)
    assert (found != LEVELS).sum() <= np.isfinite(at).sum()
    np.testing.assert_array_equal(starts.moved(found, at), found)


def test_noise_keeps_the_first_level():
    """Nearest to a start or not: a row that begins in noise begins where its noise belongs."""
    levels = np.array([-5.0, 0.0, 5.0, np.inf])
    np.testing.assert_array_equal(starts.moved(levels, np.array([-4.0])), [-4, 0, 5, np.inf])
    np.testing.assert_array_equal(starts.moved(levels, np.array([-4.0, -np.inf])), [-5, -4, 5, np.inf])
    np.testing.assert_array_equal(starts.moved(levels, np.array([-5.0, -4.0])), [-5, -4, 5, np.inf])
    np.testing.assert_array_equal(starts.moved(levels, np.array([-9.0, np.inf])), levels)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_what_is_no_strength_is_refused(strength):
    with pytest.raises(UsageError, match="from 0, the clip itself, to 1"):
        starts.level(strength, SCHEDULE)


@pytest.mark.parametrize("step", [-1, 1001, float("nan")])
def test_what_is_no_step_is_refused(step):
    with pytest.raises(UsageError, match="from 0, the clip itself, to 1000"):
        starts.strength_of(step, 1000)


def test_more_starts_than_steps_are_refused():
    with pytest.raises(UsageError, match="3 strengths need as many steps of the sampler, which has 2"):
        starts.moved(np.array([-1.0, 1.0, np.inf]), np.array([-np.inf, 0.0, 0.5]))
