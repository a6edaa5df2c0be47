"""A Gaussian's analytic denoiser, and what samplers must make of it, in closed form and in numpy."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Prediction


class Gaussian(NamedTuple):
    """x_0 ~ N(mean, deviation^2 I), so x_t ~ N(alpha mean, alpha^2 deviation^2 + sigma^2)."""

    mean: float = 0.4
    deviation: float = 0.3

    def denoise_fn(self, x_t, log_snr, to=None):
        """E[x_0 | x_t] and E[eps | x_t], written so that data is a level like any other."""
        alpha2, sigma2 = jax.nn.sigmoid(log_snr), jax.nn.sigmoid(-log_snr)
        residual = (x_t - jnp.sqrt(alpha2) * self.mean) / (alpha2 * self.deviation**2 + sigma2)
        return Prediction(self.mean + jnp.sqrt(alpha2) * self.deviation**2 * residual, jnp.sqrt(sigma2) * residual)

    def flow(self, x_t, log_snr_t, log_snr_s):
        """x_s of the probability flow: the distance to the mean in units of the deviation stays what it is."""
        (mean_t, width_t), (mean_s, width_s) = self.marginal(log_snr_t), self.marginal(log_snr_s)
        return mean_s + width_s / width_t * (np.asarray(x_t) - mean_t)

    def marginal(self, log_snr):
        """Mean and deviation of x at a level."""
        alpha, sigma = self.alpha_sigma(log_snr)
        return alpha * self.mean, np.sqrt((alpha * self.deviation) ** 2 + sigma**2)

    def flow_map(self, x_t, log_snr, to=None):
        """The denoiser, and where `to` is given the exact jump along the probability flow: alpha x_0 + sigma eps at `to`.

        x_0 and eps that belong to x_t and to the x_s of that level are the solution of two linear equations.
        """
        if to is None:
            return self.denoise_fn(x_t, log_snr)
        (alpha_t, sigma_t), (alpha_s, sigma_s) = process.alpha_sigma(log_snr), process.alpha_sigma(to)
        width_t, width_s = (
            jnp.sqrt((a * self.deviation) ** 2 + b**2) for a, b in ((alpha_t, sigma_t), (alpha_s, sigma_s))
        )
        x_s = alpha_s * self.mean + width_s / width_t * (x_t - alpha_t * self.mean)
        determinant = alpha_t * sigma_s - alpha_s * sigma_t
        return Prediction((sigma_s * x_t - sigma_t * x_s) / determinant, (alpha_t * x_s - alpha_s * x_t) / determinant)

    @staticmethod
    def alpha_sigma(log_snr):
        return np.sqrt(1.0 / (1.0 + np.exp(-log_snr))), np.sqrt(1.0 / (1.0 + np.exp(log_snr)))


@pytest.fixture
def gaussian():
    return Gaussian()


@pytest.fixture
def x64():
    """Float64 within the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def run():
    """run(denoise_fn, x_T, sampler, grid): `samplers.sample`, compiled, with keys of a seed."""

    def run(denoise_fn, x_T, sampler, grid, seed=0, constraint=None):
        def sample(x_T, keys, grid):
            return samplers.sample(denoise_fn, x_T, keys, sampler=sampler, grid=grid, constraint=constraint)

        return jax.jit(sample)(x_T, jax.random.split(jax.random.key(seed), len(x_T)), grid)

    return run


@pytest.fixture
def path_error(x64, gaussian, run):
    """path_error(sampler, start, end, num_steps): the largest error at the end of a path of steps even in log_snr."""

    def measure(sampler, start, end, num_steps):
        mean, width = gaussian.marginal(start)
        x_t = mean + width * jnp.linspace(-3.0, 3.0, 9)[None]
        x_s = run(gaussian.denoise_fn, x_t, sampler, np.linspace(start, end, num_steps + 1))
        return float(np.abs(x_s - gaussian.flow(x_t, start, end)).max())

    return measure
