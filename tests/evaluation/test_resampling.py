"""Jackknife and bootstrap over clips, against what they are by theory."""

import numpy as np
import pytest

from musicdiff.evaluation import resampling


def values(count, seed=0):
    return np.random.default_rng(seed).exponential(size=count)


def test_groups_are_about_equal_and_of_the_seed():
    group = resampling.groups(107, seed=3)
    assert sorted(np.bincount(group).tolist()) == [5] * 13 + [6] * 7
    np.testing.assert_array_equal(group, resampling.groups(107, seed=3))
    assert (group != resampling.groups(107, seed=4)).any()
    assert sorted(resampling.groups(7).tolist()) == list(range(7))


def left_out(x, statistic, sizes):
    """(whole, without) of a statistic of x, whose parts of these sizes are left out in turn."""
    parts = np.split(np.arange(len(x)), np.cumsum(sizes)[:-1])
    return statistic(x), [statistic(np.delete(x, part)) for part in parts]


def test_of_a_mean_it_is_the_mean_and_its_standard_error():
    x, sizes = values(50), np.ones(50, int)
    found, error = resampling.jackknife(resampling.pseudo_values(*left_out(x, np.mean, sizes), sizes), sizes)
    assert found == pytest.approx(x.mean(), rel=1e-13)
    assert error == pytest.approx(x.std(ddof=1) / np.sqrt(50), rel=1e-12)


@pytest.mark.parametrize("sizes", [[6] * 8, [1, 2, 3, 4, 5, 6, 7, 20]])
def test_bias_of_order_1_over_n_is_gone_also_by_unequal_groups(sizes):
    """Of a set that scores 3 + 5 / n whatever is left out."""
    x, sizes = np.zeros(48), np.array(sizes)
    found, _ = resampling.jackknife(
        resampling.pseudo_values(*left_out(x, lambda x: 3 + 5 / len(x), sizes), sizes), sizes
    )
    assert found == pytest.approx(3, abs=1e-12)


def test_a_variance_loses_its_bias():
    x, sizes = values(60), np.ones(60, int)
    found, _ = resampling.jackknife(resampling.pseudo_values(*left_out(x, np.var, sizes), sizes), sizes)
    assert found == pytest.approx(x.var(ddof=1), rel=1e-12)


def test_intervals_are_students():
    assert resampling.interval(1.0, 0.5, 20) == pytest.approx((1 - 0.5 * 2.093024, 1 + 0.5 * 2.093024), abs=1e-6)
    assert resampling.interval(0.0, 1.0, 10**9) == pytest.approx((-1.959964, 1.959964), abs=1e-6)


def test_draws_take_as_many_clips_as_there_are():
    counts = np.array(list(resampling.draws(30, 2000, seed=1)))
    assert (counts.sum(axis=1) == 30).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=5 / np.sqrt(2000))
    assert np.mean(counts == 0) == pytest.approx((1 - 1 / 30) ** 30, abs=0.01)
    np.testing.assert_array_equal(counts[:3], list(resampling.draws(30, 3, seed=1)))
