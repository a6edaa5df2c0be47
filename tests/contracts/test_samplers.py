"""What every file of musicdiff/samplers must do, with its default options."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import plugins, samplers
from musicdiff.diffusion import constraints, grids, guidance, kinds, process, schedules
from musicdiff.typing import Prediction

NAMES = plugins.names("samplers")
BOTH_WAYS = ["ddim", "dpmpp_2m", "dpmpp_2m_sde", "euler", "euler_ancestral", "heun", "unipc"]  # towards noise too
JUMPS = ["ddim", "ddpm", "pingpong"]  # the samplers of flow maps
SCHEDULES = {name: schedules.build(name) for name in schedules.SCHEDULES}
KEYS = jax.random.split(jax.random.key(0), 3)
X_T = jax.random.normal(jax.random.key(1), (3, 16, 2))


def denoise_fn(x_t, log_snr, to=None):
    """Something smooth, nonlinear and of the right dtype."""
    return process.prediction(kinds.v(), jnp.tanh(x_t) - 0.2, x_t, log_snr)


@functools.cache
def compiled(name, constraint=None):
    """(x_T, keys, grid) -> x, compiled once for all tests of a sampler."""
    clipped, sampler = guidance.clip(denoise_fn, (-1.0, 1.0)), samplers.build(name)
    return jax.jit(
        lambda x_T, keys, grid: samplers.sample(clipped, x_T, keys, sampler=sampler, grid=grid, constraint=constraint)
    )


def sample(name, x_T=X_T, keys=KEYS, schedule="cosine", constraint=None):
    return compiled(name, constraint)(x_T, keys, grids.build("auto", SCHEDULES[schedule], 6))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("levels", [[-20.0], [-1.0], [-20.0, 20.0], [-20.0, -19.0, 0.5, 9.0]], ids=str)
def test_a_step_to_data_is_the_prediction_of_x_0(name, levels):
    """To the last bit, as the first step and after others, whatever the carry remembers."""
    sampler = samplers.build(name)
    x_t, carry = X_T, sampler.init(X_T)
    for log_snr_t, log_snr_s in itertools.pairwise(np.float32(levels)):
        x_t, carry = sampler.step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, KEYS)
    x_0 = denoise_fn(x_t, np.float32(levels[-1])).x_0
    x_s, _ = sampler.step(denoise_fn, x_t, carry, np.float32(levels[-1]), np.float32(np.inf), KEYS)
    np.testing.assert_array_equal(x_s, x_0)


@pytest.mark.parametrize("name", NAMES)
def test_levels_from_one_extreme_to_the_other_leave_no_nan(name):
    """In leaps and in creeping steps, which are the ones that divide by each other."""
    step = np.float32([0.0, 1e-3])
    grid = np.concatenate([-20 + step, -19 + step, step, 9 + step, 20 - step[::-1], [np.inf]], dtype=np.float32)
    for levels in (grid, np.float32([-20.0, 20.0, np.inf])):
        assert jnp.isfinite(compiled(name)(X_T, KEYS, levels)).all()


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_inversion_from_data_itself_is_finite(name):
    for levels in ([np.inf, 20.0, 19.0, 0.0, -19.0, -20.0], [np.inf, 20.0, -20.0]):
        assert jnp.isfinite(compiled(name)(X_T, KEYS, np.float32(levels))).all()


@pytest.mark.parametrize("name", NAMES)
def test_who_jumps_asks_for_a_level_and_who_follows_slopes_does_not(name):
    asked = []

    def note(x_t, log_snr, to=None):
        asked.append(to is not None)
        return denoise_fn(x_t, log_snr)

    sampler = samplers.build(name)
    sampler.step(note, X_T, sampler.init(X_T), jnp.float32(-1.0), jnp.float32(1.0), KEYS)
    assert set(asked) == {name in JUMPS}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_the_same_alone_and_in_a_batch(name):
    together = sample(name)
    for b in range(len(X_T)):
        np.testing.assert_allclose(sample(name, X_T[b : b + 1], KEYS[b : b + 1])[0], together[b], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_keys_are_the_same_bits(name):
    np.testing.assert_array_equal(sample(name), sample(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_is_sampled_to_its_data(name, schedule):
    x = sample(name, schedule=schedule)
    assert x.shape == X_T.shape and x.dtype == X_T.dtype
    assert float(jnp.abs(x).max()) <= 1.0  # the last x_0, clipped; NaN fails too


@pytest.mark.parametrize("name", NAMES)
def test_a_level_visited_twice_is_no_step(name):
    """As a grid may have it whose nodes were moved: finite, and without noise of its own what the levels give once."""
    once, twice = jnp.float32([-5.0, -1.0, 2.0, jnp.inf]), jnp.float32([-5.0, -1.0, -1.0, 2.0, 2.0, jnp.inf])
    at = {len(grid): compiled(name)(X_T, KEYS, grid) for grid in (once, twice)}
    assert bool(jnp.isfinite(at[6]).all())
    if name in ("ddim", "euler"):
        np.testing.assert_allclose(at[6], at[4], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_stays_double(name):
    with jax.enable_x64(True):
        assert sample(name, X_T.astype(jnp.float64)).dtype == jnp.float64


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_is_exact_in_the_end(name):
    known = jnp.arange(16)[:, None] < 5
    x_0 = 0.5 * jnp.cos(X_T)
    x = sample(name, constraint=constraints.inpaint(x_0, ~known))
    np.testing.assert_array_equal(x[:, :5], x_0[:, :5])
    assert not np.allclose(x[:, 5:], x_0[:, 5:], atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_many_steps_sample_the_data(name):
    """x_0 ~ N(0.4, 0.3^2): the mean and deviation of 3 x 4000 values at 400 steps."""

    flow_map = samplers.build(name).flow_maps

    def width(alpha, sigma):
        return jnp.sqrt((0.3 * alpha) ** 2 + sigma**2)

    def gaussian(x_t, log_snr, to=None):
        alpha, sigma = process.alpha_sigma(log_snr)
        residual = (x_t - alpha * 0.4) / width(alpha, sigma)
        if flow_map:  # to data, the exact jump along the flow
            return Prediction(0.4 + 0.3 * residual, None)
        residual = residual / width(alpha, sigma)
        return Prediction(0.4 + alpha * 0.09 * residual, sigma * residual)

    grid = grids.build("trailing", SCHEDULES["cosine"], 400)
    x_T = jax.random.normal(jax.random.key(3), (3, 4000))
    run = jax.jit(lambda: samplers.sample(gaussian, x_T, KEYS, sampler=samplers.build(name), grid=grid))
    x = run()
    assert float(x.mean()) == pytest.approx(0.4, abs=0.015)
    assert float(x.std()) == pytest.approx(0.3, rel=0.04)
