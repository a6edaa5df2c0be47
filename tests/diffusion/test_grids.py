import numpy as np
import pytest

from musicdiff.diffusion import grids, schedules
from musicdiff.errors import UsageError

TABLE, CONTINUOUS = schedules.linear_beta(), schedules.cosine()


def indices(grid):
    return np.asarray(schedules.index_of(TABLE, grid[:-1]))


@pytest.mark.parametrize("schedule", [TABLE, CONTINUOUS], ids=["table", "continuous"])
@pytest.mark.parametrize("name", grids.GRIDS)
@pytest.mark.parametrize("num_steps", [1, 7, 50])
def test_a_grid_falls_to_data(name, schedule, num_steps):
    grid = grids.build(name, schedule, num_steps)
    assert isinstance(grid, np.ndarray) and grid.dtype == np.float32 and grid.shape == (num_steps + 1,)
    assert grid[-1] == np.inf and np.isfinite(grid[:-1]).all()
    assert (np.diff(grid[:-1]) > 0).all()  # less and less noise


@pytest.mark.parametrize(("name", "first", "last"), [("leading", 980, 0), ("trailing", 999, 19), ("linspace", 999, 0)])
def test_fifty_steps_of_a_thousand(name, first, last):
    visited = indices(grids.build(name, TABLE, 50))
    assert (visited[0], visited[-1]) == (first, last)
    assert (visited == np.round(visited)).all()


def test_leading_is_every_twentieth_index():
    np.testing.assert_array_equal(indices(grids.build("leading", TABLE, 50)), np.arange(980, -1, -20))


@pytest.mark.parametrize("name", ["leading", "trailing", "linspace"])
def test_a_thousand_steps_visit_every_index_once(name):
    np.testing.assert_array_equal(indices(grids.build(name, TABLE, 1000)), np.arange(999, -1, -1))


@pytest.mark.parametrize("name", ["trailing", "linspace", "log_snr", "karras"])
@pytest.mark.parametrize("num_steps", [1, 3, 50])
def test_pure_noise_is_where_a_continuous_grid_begins(name, num_steps):
    assert grids.build(name, CONTINUOUS, num_steps)[0] == pytest.approx(-20.0)


@pytest.mark.parametrize("schedule", [TABLE, CONTINUOUS], ids=["table", "continuous"])
def test_a_grid_even_in_the_level(schedule):
    grid = grids.build("log_snr", schedule, 21)[:-1]
    ends = [float(schedule.log_snr(t)) for t in (1.0, 0.0)]
    np.testing.assert_allclose(grid, np.linspace(*ends, 21), atol=1e-5)


@pytest.mark.parametrize(("name", "rho"), [("karras", 7.0), ("karras:3", 3.0), ("karras:1", 1.0)])
@pytest.mark.parametrize("schedule", [TABLE, CONTINUOUS], ids=["table", "continuous"])
def test_karras_is_even_in_a_root_of_sigma_ve(schedule, name, rho):
    """Equation 5 of the paper, as it stands there."""
    sigma_max, sigma_min = (float(np.exp(-schedule.log_snr(t) / 2)) for t in (1.0, 0.0))
    i, n = np.arange(21), 21
    sigmas = (sigma_max ** (1 / rho) + i / (n - 1) * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    np.testing.assert_allclose(grids.build(name, schedule, n)[:-1], -2 * np.log(sigmas), rtol=1e-4, atol=1e-4)


def test_karras_of_large_rho_is_even_in_the_level():
    np.testing.assert_allclose(grids.build("karras:1e5", TABLE, 9), grids.build("log_snr", TABLE, 9), atol=1e-3)


@pytest.mark.parametrize("name", ["log_snr", "karras"])
def test_a_level_between_two_indices_is_told_as_the_fraction(name):
    visited = indices(grids.build(name, TABLE, 10))
    assert (visited[0], visited[-1]) == (999.0, 0.0)
    assert (visited[1:-1] != np.round(visited[1:-1])).all()
    np.testing.assert_allclose(TABLE.log_snr(visited / 999), grids.build(name, TABLE, 10)[:-1], atol=1e-4)


@pytest.mark.parametrize(
    ("schedule", "options", "suits"),
    [
        ("linear_beta", {}, "leading"),
        ("linear_beta", {"shift": 4.0}, "leading"),
        ("linear_beta", {"shift": 16.0}, "trailing"),
        ("zero_terminal", {}, "trailing"),
        ("cosine", {}, "trailing"),
        ("cosine", {"log_snr_min": -5.0}, "trailing"),
    ],
)
def test_auto_is_the_grid_that_suits_the_schedule(schedule, options, suits):
    built = schedules.build(schedule, **options)
    assert grids.resolve("auto", built) == suits
    np.testing.assert_array_equal(grids.build("auto", built, 10), grids.build(suits, built, 10))


@pytest.mark.parametrize("name", ["leading", "karras:3", "even"])
def test_another_name_than_auto_is_itself(name):
    assert grids.resolve(name, TABLE) == name


def test_a_grid_in_double_precision(x64):
    assert grids.build("trailing", CONTINUOUS, 3).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "schedule", "num_steps", "message"),
    [
        ("even", TABLE, 10, "no grid 'even'; there are: auto, karras, leading, linspace, log_snr, trailing"),
        (None, TABLE, 10, "no grid 'None'; there are: auto, karras"),
        ("auto:3", TABLE, 10, "grid 'auto' has no option 'rho'; there are: none"),
        ("karras:0", TABLE, 10, "rho must be above 0, such as karras:7, not 0"),
        ("karras:nan", TABLE, 10, "rho must be above 0, such as karras:7, not nan"),
        ("karras:", TABLE, 10, "rho must be a number, such as karras:7, not ''"),
        ("leading:7", TABLE, 10, "grid 'leading' has no option 'rho'; there are: none"),
        ("leading", TABLE, 1001, "at least 1, at most 1000, not 1001"),
        ("leading", TABLE, 0, "at least 1, at most 1000, not 0"),
        ("trailing", CONTINUOUS, 0, "num_steps must be at least 1, not 0"),
    ],
)
def test_bad_requests_say_what_is_allowed(name, schedule, num_steps, message):
    with pytest.raises(UsageError, match=message):
        grids.build(name, schedule, num_steps)
