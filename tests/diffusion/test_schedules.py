import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import process, schedules
from musicdiff.errors import UsageError

INDICES = np.arange(1000)


def alpha_bar():
    return np.cumprod(1.0 - np.linspace(1e-4, 2e-2, 1000))


@pytest.mark.parametrize("name", schedules.names())
def test_time_and_level_are_inverse_to_each_other(x64, name):
    schedule = schedules.build(name)
    levels = jnp.linspace(schedule.log_snr(1.0), schedule.log_snr(0.0), 1001)
    np.testing.assert_allclose(schedule.log_snr(schedule.t_of(levels)), levels, rtol=0, atol=2e-2 * schedules.SNAP)
    t = jnp.linspace(1e-3, 0.999, 997)
    np.testing.assert_allclose(schedule.t_of(schedule.log_snr(t)), t, rtol=0, atol=schedules.SNAP / 999)


@pytest.mark.parametrize("name", schedules.names())
def test_the_level_falls_with_time_and_is_finite_from_end_to_end(name):
    levels = schedules.build(name).log_snr(jnp.linspace(0.0, 1.0, 5001))
    assert jnp.isfinite(levels).all()
    assert (jnp.diff(levels) <= 0).all() and (jnp.diff(levels) < 0).mean() > 0.99


@pytest.mark.parametrize("name", schedules.names())
def test_levels_beyond_the_ends_are_times_0_and_1(name):
    schedule = schedules.build(name)
    t = schedule.t_of(jnp.array([jnp.inf, 50.0, -50.0]))
    np.testing.assert_allclose(t, [0.0, 0.0, 1.0], atol=1e-4)


def test_linear_beta_is_alpha_bar_of_ddpm(x64):
    alpha, sigma = process.alpha_sigma(schedules.linear_beta().log_snr(INDICES / 999))
    np.testing.assert_allclose(alpha**2, alpha_bar(), rtol=1e-12)
    np.testing.assert_allclose(sigma**2, 1.0 - alpha_bar(), rtol=1e-11)


def test_linear_beta_begins_at_the_level_9_21_and_not_at_data():
    schedule = schedules.linear_beta()
    assert float(schedule.log_snr(0.0)) == pytest.approx(np.log((1 - 1e-4) / 1e-4), rel=1e-6)
    assert float(schedule.log_snr(1.0)) == pytest.approx(-10.117, abs=1e-3)


def test_every_index_of_a_table_survives_float32_and_jit():
    schedule = schedules.linear_beta()
    levels = jax.jit(schedule.log_snr)(jnp.asarray(INDICES / 999, jnp.float32))
    assert levels.dtype == jnp.float32
    np.testing.assert_array_equal(jax.jit(lambda l: schedules.index_of(schedule, l))(levels), INDICES)


def test_a_level_between_two_indices_is_told_as_a_fraction():
    schedule = schedules.linear_beta()
    between = 0.5 * (schedule.log_snr(500 / 999) + schedule.log_snr(501 / 999))
    assert float(schedules.index_of(schedule, between)) == pytest.approx(500.5, abs=1e-3)


def test_cosine_is_a_circle(x64):
    t = jnp.linspace(0.01, 0.99, 99)
    alpha, sigma = process.alpha_sigma(schedules.cosine().log_snr(t))
    np.testing.assert_allclose(alpha, np.cos(np.pi / 2 * t), rtol=1e-12)
    np.testing.assert_allclose(sigma, np.sin(np.pi / 2 * t), rtol=1e-12)


@pytest.mark.parametrize("bounds", [(-20.0, 20.0), (-3.0, 0.5)])
def test_cosine_ends_at_its_bounds(bounds):
    schedule = schedules.cosine(*bounds)
    assert float(schedule.log_snr(1.0)) == pytest.approx(bounds[0], rel=1e-6)
    assert float(schedule.log_snr(0.0)) == pytest.approx(bounds[1], rel=1e-6)


def test_lowest_is_a_number_even_while_something_is_traced():
    seen = []
    jax.jit(lambda x: seen.append(schedules.lowest(schedules.cosine())) or x)(0.0)
    assert seen == [pytest.approx(-20.0)]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {}, "no schedule 'linear'; there are: cosine, linear_beta"),
        ("cosine", {"num_levels": 10}, "no option 'num_levels'; there are: log_snr_min, log_snr_max"),
        ("cosine", {"log_snr_min": 3.0, "log_snr_max": 2.0}, "log_snr_min < log_snr_max"),
        ("linear_beta", {"num_levels": 1}, "num_levels >= 2"),
        ("linear_beta", {"beta_max": 1.0}, "beta_max < 1"),
    ],
)
def test_bad_names_and_options_say_what_exists(name, options, message):
    with pytest.raises(UsageError, match=message):
        schedules.build(name, **options)
