import itertools

import jax
import numpy as np
import pytest

from musicdiff import samplers


@pytest.mark.parametrize(("start", "end"), [(-6.0, 6.0), (6.0, -6.0)], ids=["sampling", "inversion"])
def test_order_one_on_the_probability_flow(path_error, start, end):
    coarse, fine = (path_error(samplers.build("euler"), start, end, num_steps) for num_steps in (200, 400))
    assert fine < 2e-2
    assert np.log2(coarse / fine) == pytest.approx(1.0, abs=0.05)


def test_it_is_eulers_method_in_sigma_ve(x64, gaussian, run):
    """Written out in variance exploding coordinates, where the slope of x_ve in sigma_ve is (x_ve - x_0) / sigma_ve."""
    grid = np.linspace(-6.0, 6.0, 13)
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    x_ve = np.asarray(x_T) / gaussian.alpha_sigma(grid[0])[0]
    for log_snr_t, log_snr_s in itertools.pairwise(grid):
        sigma_t, sigma_s = np.exp(-log_snr_t / 2), np.exp(-log_snr_s / 2)
        x_0 = gaussian.denoise_fn(x_ve * gaussian.alpha_sigma(log_snr_t)[0], log_snr_t).x_0
        x_ve = x_ve + (sigma_s - sigma_t) * (x_ve - x_0) / sigma_t
    x_s = run(gaussian.denoise_fn, x_T, samplers.build("euler"), grid)
    np.testing.assert_allclose(x_s, x_ve * gaussian.alpha_sigma(grid[-1])[0], rtol=0, atol=1e-13)


def test_it_is_ddim_without_noise(gaussian, run):
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    grid = np.float32([-8.0, -2.0, 1.0, 4.0, np.inf])
    euler, ddim = (run(gaussian.denoise_fn, x_T, samplers.build(name), grid) for name in ("euler", "ddim"))
    np.testing.assert_allclose(euler, ddim, rtol=0, atol=1e-6)
