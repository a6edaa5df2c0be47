"""Stochastic samplers against their own recursions on a Gaussian, which experiments/samplers.py holds and tabulates."""

import jax
import numpy as np
import pytest

from experiments.samplers import CHAINS, GAUSSIAN, ddim_chain, moments, sample

GRID = np.append(np.linspace(-8.0, 5.0, 12), 6.0)


@pytest.mark.parametrize(
    ("name", "options", "chain"),
    [pytest.param(*row, id=" ".join([row[0], *map(str, row[1].values())])) for row in CHAINS],
)
def test_mean_and_variance_are_those_of_the_chain(name, options, chain):
    x_T = jax.random.normal(jax.random.key(9), (40_000, 1))
    x = sample(name, GAUSSIAN, x_T, GRID.astype(np.float32), **options).astype(np.float64)
    mean, variance = moments(GRID, chain(**options))
    assert x.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / x.size))
    assert x.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / x.size))


def test_the_recursion_without_noise_is_the_flow_itself():
    """Of many fine steps of the deterministic chain: the data's own mean and variance."""
    mean, variance = moments(np.linspace(-12.0, 12.0, 20_001), ddim_chain(0.0))
    assert mean == pytest.approx(0.4, abs=1e-3)
    assert variance == pytest.approx(0.09, abs=1e-3)
