"""The mean level of clips, by a schedule that ends in noise alone and by one that does not (arXiv 2305.08891), against closed forms.

    python experiments/terminal_snr.py [--dimensions 16384] [--clips 500] [--steps 50]

Clips are x_0 = m + 0.1 noise in D dimensions, m the level of a clip; their optimal denoiser is known, so what is missed is the schedule's fault.
At the noisiest level x_T has the mean alpha_T m, and noise alone moves that mean by 1 / sqrt(D) only. A sampler begins at mean 0, alpha_T m sqrt(D)
of those deviations away, and a deterministic one keeps the distance: a fixed level m is missed by alpha_T m sqrt(D) deviations of the sampled
levels, whatever the number of steps, and levels m ~ N(0, s^2) come out (1 + alpha_T^2 (D s^2 + 0.1^2 - 1))^-1/2 as wide as they are, in the
limit of many steps. Heun's, of second order, is near it with 50, and draws no noise.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import samplers
from musicdiff.diffusion import grids, process, schedules
from musicdiff.typing import Array, DenoiseFn, Prediction

TEXTURE = 0.1  # deviation of a clip around its level
SCHEDULES = ("linear_beta", "zero_terminal")


def optimal_denoiser(mean: float, spread: float, dimensions: int) -> DenoiseFn:
    """E[x_0 | x_t] of N(mean, TEXTURE^2 I + spread^2 1 1^T): a gain along the level, another one across."""
    along, across = TEXTURE**2 + dimensions * spread**2, TEXTURE**2

    def denoise_fn(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        alpha, sigma = process.alpha_sigma(log_snr)
        residual = x_t - alpha * mean
        level = jnp.mean(residual, axis=-1, keepdims=True)
        a, b = level / (alpha**2 * along + sigma**2), (residual - level) / (alpha**2 * across + sigma**2)
        return Prediction(mean + alpha * (along * a + across * b), sigma * (a + b))

    return denoise_fn


def sample_levels(schedule: str, mean: float, spread: float, options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """The mean level of each sampled clip, and alpha where sampling began."""
    grid = grids.build("trailing", schedules.build(schedule), options.steps)
    denoise_fn = optimal_denoiser(mean, spread, options.dimensions)
    keys = jax.random.split(jax.random.key(0), options.clips)

    @jax.jit
    def run(keys: Array) -> Array:
        x_T = process.draw_noise(keys, jnp.zeros((options.clips, options.dimensions)))
        x_0 = samplers.sample(denoise_fn, x_T, keys, sampler=samplers.build("heun"), grid=grid)
        return jnp.mean(x_0, axis=-1)

    return np.asarray(run(keys), np.float64), float(process.alpha_sigma(grid[0])[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, default=16_384)
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    root = np.sqrt(options.dimensions)

    print("| levels | schedule | alpha_T | measured | predicted | sampled | error |\n|---|---|---|---|---|---|---|")
    for schedule in SCHEDULES:
        levels, alpha = sample_levels(schedule, 1.0, 0.0, options)
        missed = (1.0 - levels.mean()) / levels.std(ddof=1)
        error = np.sqrt((1.0 + 0.5 * missed**2) / options.clips)
        what = "level missed, in deviations"
        print(f"| 1 | {schedule} | {alpha:.2e} | {what} | {alpha * root:.3f} | {missed:.3f} | {error:.3f} |")
    for schedule in SCHEDULES:
        levels, alpha = sample_levels(schedule, 0.0, 1.0, options)
        wide = np.sqrt(1.0 + TEXTURE**2 / options.dimensions)
        predicted = (1.0 + alpha**2 * (options.dimensions * wide**2 - 1.0)) ** -0.5
        ratio = levels.std(ddof=1) / wide
        error = ratio / np.sqrt(2.0 * (options.clips - 1))
        what = "deviation, sampled over data"
        print(f"| N(0, 1) | {schedule} | {alpha:.2e} | {what} | {predicted:.3f} | {ratio:.3f} | {error:.3f} |")


if __name__ == "__main__":
    main()
