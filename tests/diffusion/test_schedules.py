import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import process, schedules
from musicdiff.errors import UsageError

INDICES = np.arange(1000)
UNCUT = {"log_snr_min": -80.0, "log_snr_max": 80.0}  # in float64 the whole schedule


def alpha_bar():
    return np.cumprod(1.0 - np.linspace(1e-4, 2e-2, 1000))


every_schedule = pytest.mark.parametrize("name", schedules.SCHEDULES)
with_and_without_shift = pytest.mark.parametrize("shift", [1.0, 4.0])


@with_and_without_shift
@every_schedule
def test_time_and_level_are_inverse_to_each_other(x64, name, shift):
    schedule = schedules.build(name, shift=shift)
    levels = jnp.linspace(schedule.log_snr(1.0), schedule.log_snr(0.0), 1001)
    # A time within SNAP of an index is that index, so that a table's levels come back to SNAP of its steps.
    widest = -float(jnp.diff(schedule.log_snr(INDICES / 999)).min())
    bound = schedules.SNAP * widest if schedule.num_levels else 1e-6
    np.testing.assert_allclose(schedule.log_snr(schedule.t_of(levels)), levels, rtol=0, atol=bound)
    t = jnp.linspace(1e-3, 0.999, 997)
    np.testing.assert_allclose(schedule.t_of(schedule.log_snr(t)), t, rtol=0, atol=schedules.SNAP / 999)


@with_and_without_shift
@every_schedule
def test_the_level_falls_with_time_and_is_finite_from_end_to_end(name, shift):
    levels = schedules.build(name, shift=shift).log_snr(jnp.linspace(0.0, 1.0, 5001))
    assert jnp.isfinite(levels).all()
    assert (jnp.diff(levels) < 0).all()


@with_and_without_shift
@every_schedule
def test_levels_beyond_the_ends_are_times_0_and_1(name, shift):
    schedule = schedules.build(name, shift=shift)
    t = schedule.t_of(jnp.array([jnp.inf, 50.0, -50.0]))
    np.testing.assert_allclose(t, [0.0, 0.0, 1.0], atol=1e-4)


@every_schedule
def test_a_schedule_can_be_differentiated_from_end_to_end(name):
    schedule = schedules.build(name)
    slopes = jax.vmap(jax.grad(schedule.log_snr))(jnp.array([0.0, 1e-6, 0.3, 0.999999, 1.0]))
    assert jnp.isfinite(slopes).all()


@pytest.mark.parametrize("shift", [2.0, 0.25])
@every_schedule
def test_a_shift_multiplies_sigma_over_alpha(x64, name, shift):
    t = jnp.linspace(0.0, 1.0, 101)
    plain, shifted = (process.alpha_sigma(schedules.build(name, shift=s).log_snr(t)) for s in (1.0, shift))
    np.testing.assert_allclose(shifted[1] / shifted[0], shift * plain[1] / plain[0], rtol=1e-12)


def test_a_shift_of_rectified_flow_is_a_shift_of_its_time(x64):
    """t' = shift t / (1 + (shift - 1) t) (arXiv 2403.03206, eq. 23)."""
    t = jnp.linspace(0.01, 0.99, 99)
    plain, shifted = (schedules.build("rectified_flow", shift=shift, **UNCUT) for shift in (1.0, 3.0))
    np.testing.assert_allclose(shifted.log_snr(t), plain.log_snr(3.0 * t / (1.0 + 2.0 * t)), atol=1e-12)


def test_a_shifted_table_keeps_its_indices():
    schedule = schedules.build("linear_beta", shift=4.0)
    levels = schedule.log_snr(jnp.asarray(INDICES / 999, jnp.float32))
    np.testing.assert_array_equal(schedules.index_of(schedule, levels), INDICES)


@pytest.mark.parametrize("num_levels", [1000, 7])
def test_equal_shares_of_time_are_the_times_of_a_table(num_levels):
    schedule = schedules.linear_beta(num_levels)
    t = (np.arange(num_levels)[:, None] + np.array([0.01, 0.5, 0.99])) / num_levels
    times = np.asarray(schedules.time_of_table(schedule, jnp.asarray(t, jnp.float32)))
    np.testing.assert_allclose(
        times, np.repeat(np.arange(num_levels)[:, None], 3, axis=1) / (num_levels - 1), rtol=1e-6
    )
    np.testing.assert_array_equal(schedules.time_of_table(schedule, jnp.array([0.0, 1.0])), [0.0, 1.0])


def test_linear_beta_is_alpha_bar_of_ddpm(x64):
    alpha, sigma = process.alpha_sigma(schedules.linear_beta().log_snr(INDICES / 999))
    np.testing.assert_allclose(alpha**2, alpha_bar(), rtol=1e-12)
    np.testing.assert_allclose(sigma**2, 1.0 - alpha_bar(), rtol=1e-11)


def test_linear_beta_begins_at_the_level_9_21_and_not_at_data():
    schedule = schedules.linear_beta()
    assert float(schedule.log_snr(0.0)) == pytest.approx(np.log((1 - 1e-4) / 1e-4), rel=1e-6)
    assert float(schedule.log_snr(1.0)) == pytest.approx(-10.117, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "ends"),
    [
        ("linear_beta", {}, False),
        ("linear_beta", {"shift": 16.0}, True),  # at -15.7
        ("zero_terminal", {}, True),
        ("cosine", {}, True),
        ("cosine", {"log_snr_min": -12.0}, False),
    ],
)
def test_what_ends_in_noise(name, options, ends):
    assert schedules.ends_in_noise(schedules.build(name, **options)) is ends


def test_zero_terminal_is_the_paper_s_rescaling(x64):
    """arXiv 2305.08891, algorithm 1: sqrt(alpha_bar) shifted to end at 0 and scaled to begin where it began."""
    levels = schedules.zero_terminal().log_snr(INDICES / 999)
    root = np.sqrt(alpha_bar())
    expected = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha, _ = process.alpha_sigma(levels)
    np.testing.assert_allclose(alpha[:-1], expected[:-1], rtol=1e-9)
    assert expected[-1] == 0.0 and float(levels[-1]) == -20.0
    assert float(levels[0]) == pytest.approx(float(schedules.linear_beta().log_snr(0.0)), rel=1e-12)


@pytest.mark.parametrize("name", ["linear_beta", "zero_terminal"])
def test_every_index_of_a_table_survives_float32_and_jit(name):
    schedule = schedules.build(name)
    levels = jax.jit(schedule.log_snr)(jnp.asarray(INDICES / 999, jnp.float32))
    assert levels.dtype == jnp.float32
    np.testing.assert_array_equal(jax.jit(lambda l: schedules.index_of(schedule, l))(levels), INDICES)


def test_a_level_between_two_indices_is_told_as_a_fraction():
    schedule = schedules.linear_beta()
    between = 0.5 * (schedule.log_snr(500 / 999) + schedule.log_snr(501 / 999))
    assert float(schedules.index_of(schedule, between)) == pytest.approx(500.5, abs=1e-3)


def test_cosine_is_a_circle(x64):
    t = jnp.linspace(0.01, 0.99, 99)
    alpha, sigma = process.alpha_sigma(schedules.cosine(**UNCUT).log_snr(t))
    np.testing.assert_allclose(alpha, np.cos(np.pi / 2 * t), rtol=1e-12)
    np.testing.assert_allclose(sigma, np.sin(np.pi / 2 * t), rtol=1e-12)


def test_rectified_flow_is_a_straight_line(x64):
    t = jnp.linspace(0.01, 0.99, 99)
    alpha, sigma = process.alpha_sigma(schedules.rectified_flow(**UNCUT).log_snr(t))
    np.testing.assert_allclose(sigma / (alpha + sigma), t, rtol=1e-12)


@pytest.mark.parametrize(
    ("start", "end", "tau"), [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.5), (-3.0, 1.0, 0.9), (-3.0, 3.0, 0.3)]
)
def test_sigmoid_is_the_papers_alpha_bar(x64, start, end, tau):
    """gamma(t) of arXiv 2212.11972: (s(end / tau) - s(u / tau)) / (s(end / tau) - s(start / tau))."""
    t = np.linspace(0.01, 0.99, 99)
    first, last, here = (1.0 / (1.0 + np.exp(-u / tau)) for u in (start, end, start + t * (end - start)))
    alpha, _ = process.alpha_sigma(schedules.sigmoid(start, end, tau, **UNCUT).log_snr(jnp.asarray(t)))
    np.testing.assert_allclose(alpha**2, (last - here) / (last - first), rtol=1e-11)


@pytest.mark.parametrize("bounds", [(-20.0, 20.0), (-3.0, 0.5)])
@pytest.mark.parametrize("name", ["cosine", "sigmoid", "rectified_flow"])
def test_a_continuous_schedule_ends_at_its_bounds(name, bounds):
    schedule = schedules.build(name, log_snr_min=bounds[0], log_snr_max=bounds[1])
    assert float(schedule.log_snr(1.0)) == pytest.approx(bounds[0], rel=1e-6)
    assert float(schedule.log_snr(0.0)) == pytest.approx(bounds[1], rel=1e-6)


def test_lowest_is_a_number_even_while_something_is_traced():
    seen = []
    jax.jit(lambda x: seen.append(schedules.lowest(schedules.cosine())) or x)(0.0)
    assert seen == [pytest.approx(-20.0)]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {}, "no schedule 'linear'; there are: cosine, linear_beta, rectified_flow, sigmoid, zero_terminal"),
        ("cosine", {"num_levels": 10}, "no option 'num_levels'; there are: log_snr_min, log_snr_max"),
        ("cosine", {"log_snr_min": 3.0, "log_snr_max": 2.0}, "log_snr_min < log_snr_max"),
        ("linear_beta", {"num_levels": 1}, "linear_beta needs num_levels >= 2"),
        ("zero_terminal", {"num_levels": 1}, "zero_terminal needs num_levels >= 2"),
        ("zero_terminal", {"beta_max": 0.05}, "before its last level already: log_snr_min must be below that, not -20"),
        ("sigmoid", {"start": 3.0}, "start < end and tau > 0, not 3.0, 3.0, 1.0"),
        ("cosine", {"shift": 0.0}, "shift multiplies sigma / alpha and must be above 0, not 0.0"),
        ("linear_beta", {"beta_max": 1.0}, "beta_max < 1"),
    ],
)
def test_bad_names_and_options_say_what_exists(name, options, message):
    with pytest.raises(UsageError, match=message):
        schedules.build(name, **options)


@pytest.mark.parametrize("name", ["cosine", "sigmoid", "rectified_flow"])
@pytest.mark.parametrize("bound", [2.0, 5.0, 20.0])
def test_bounds_cut_the_schedule_and_leave_no_level_twice(name, bound):
    schedule = schedules.build(name, log_snr_min=-bound, log_snr_max=bound)
    levels = np.asarray(schedule.log_snr(np.linspace(0, 1, 201, dtype=np.float32)))
    assert (np.diff(levels) < 0).all()
    np.testing.assert_allclose(levels[[0, -1]], [bound, -bound], rtol=1e-4)
    np.testing.assert_allclose(schedule.t_of(levels), np.linspace(0, 1, 201), atol=2e-6)
