import numpy as np
import pytest

from musicdiff.diffusion import grids, schedules
from musicdiff.errors import UsageError

TABLE, CONTINUOUS = schedules.linear_beta(), schedules.cosine()


def indices(grid):
    return np.asarray(schedules.index_of(TABLE, grid[:-1]))


@pytest.mark.parametrize("schedule", [TABLE, CONTINUOUS], ids=["table", "continuous"])
@pytest.mark.parametrize("name", [None, *grids.GRIDS])
@pytest.mark.parametrize("num_steps", [1, 7, 50])
def test_a_grid_falls_to_data(name, schedule, num_steps):
    grid = grids.build(name, schedule, num_steps)
    assert isinstance(grid, np.ndarray) and grid.dtype == np.float32 and grid.shape == (num_steps + 1,)
    assert grid[-1] == np.inf and np.isfinite(grid[:-1]).all()
    assert (np.diff(grid[:-1]) > 0).all()  # less and less noise


@pytest.mark.parametrize(
    ("name", "first", "last"), [("leading", 980, 0), ("trailing", 999, 19), ("linspace", 999, 0), (None, 980, 0)]
)
def test_fifty_steps_of_a_thousand(name, first, last):
    visited = indices(grids.build(name, TABLE, 50))
    assert (visited[0], visited[-1]) == (first, last)
    assert (visited == np.round(visited)).all()


def test_leading_is_every_twentieth_index():
    np.testing.assert_array_equal(indices(grids.build(None, TABLE, 50)), np.arange(980, -1, -20))


@pytest.mark.parametrize("name", grids.GRIDS)
def test_a_thousand_steps_visit_every_index_once(name):
    np.testing.assert_array_equal(indices(grids.build(name, TABLE, 1000)), np.arange(999, -1, -1))


@pytest.mark.parametrize("name", ["trailing", "linspace", None])
@pytest.mark.parametrize("num_steps", [1, 3, 50])
def test_pure_noise_is_where_a_continuous_grid_begins(name, num_steps):
    assert grids.build(name, CONTINUOUS, num_steps)[0] == pytest.approx(-20.0)


def test_a_grid_in_double_precision(x64):
    assert grids.build("trailing", CONTINUOUS, 3).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "schedule", "num_steps", "message"),
    [
        ("karras", TABLE, 10, "no grid 'karras'; there are: leading, linspace, trailing"),
        ("leading", TABLE, 1001, "at least 1, at most 1000, not 1001"),
        ("leading", TABLE, 0, "at least 1, at most 1000, not 0"),
        (None, CONTINUOUS, 0, "num_steps must be at least 1, not 0"),
    ],
)
def test_bad_requests_say_what_is_allowed(name, schedule, num_steps, message):
    with pytest.raises(UsageError, match=message):
        grids.build(name, schedule, num_steps)
