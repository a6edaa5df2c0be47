"""What the samplers do where the truth is known: the tables of docs/samplers.md, as markdown.

    python experiments/samplers.py

1. Deterministic samplers on a mixture of Gaussians: the error at the end of a path, by evaluations, and the order.
2. There and back: what is left of a point after inversion and sampling on the same levels.
3. Stochastic samplers on one Gaussian: mean and variance against the chain's own recursion.
4. DDIM: eta 1 against DDPM with the same noise, eta 0 twice.
"""

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, Prediction

COSTS = {"ddim": 1, "euler": 1, "heun": 2, "dpmpp_2m": 1, "unipc": 1}  # evaluations a step: the deterministic ones
EVALUATIONS = (5, 10, 20, 50, 100, 200, 400, 800)
START, END = -9.0, 9.0  # log_snr: nearly noise, nearly data
FINE = np.linspace(START, END, 8001)  # for the true path


class Mixture(NamedTuple):
    """x_0 ~ sum_k weights[k] N(means[k], widths[k]^2 I) in D dimensions: weights [K], means [K, D], widths [K]."""

    weights: np.ndarray
    means: np.ndarray
    widths: np.ndarray

    def denoise_fn(self, x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        """E[x_0 | x_t] and E[eps | x_t], x_t [B, D]: each component's own, weighed by how likely x_t is one of its."""
        alpha, sigma = process.alpha_sigma(log_snr)
        variance = (alpha * self.widths) ** 2 + sigma**2  # [K]
        away = x_t[:, None] - alpha * self.means  # [B, K, D]
        log_density = -0.5 * jnp.sum(away**2, axis=-1) / variance - 0.5 * x_t.shape[-1] * jnp.log(variance)
        share = jax.nn.softmax(jnp.log(self.weights) + log_density)[..., None]  # [B, K, 1]
        residual = away / variance[:, None]
        x_0 = jnp.sum(share * (self.means + alpha * self.widths[:, None] ** 2 * residual), axis=1)
        return Prediction(x_0, sigma * jnp.sum(share * residual, axis=1))


MIXTURE = Mixture(
    weights=np.array([0.4, 0.3, 0.2, 0.1]),
    means=np.array([[-0.8, -0.4], [0.7, 0.5], [0.1, -0.7], [-0.3, 0.9]]),
    widths=np.array([0.3, 0.25, 0.35, 0.2]),
)
GAUSSIAN = Mixture(weights=np.ones(1), means=np.full((1, 1), 0.4), widths=np.full(1, 0.3))
ROUNDS, ROUND_STEPS = {"Gaussian": GAUSSIAN, "mixture": MIXTURE}, (50, 100, 200)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    x_T = jax.random.normal(jax.random.key(0), (256, 2))
    print_table(["evaluations", *EVALUATIONS, "order"], convergence(x_T))
    print_table(["sampler", *(f"{data}, {steps} steps" for data in ROUNDS for steps in ROUND_STEPS)], round_trips())
    print_table(["sampler", "mean", "of the chain", "variance", "of the chain"], chains())
    grid = np.append(np.linspace(START, END, 20), np.inf)
    ddim, ddpm = sample("ddim", MIXTURE, x_T, grid, eta=1.0), sample("ddpm", MIXTURE, x_T, grid)
    once, twice = sample("ddim", MIXTURE, x_T, grid, eta=0.0), sample("ddim", MIXTURE, x_T, grid, eta=0.0)
    print(f"ddim, eta 1, and ddpm with the same noise, 20 steps: at most {np.abs(ddim - ddpm).max():.1e} apart")
    print(f"ddim, eta 0, twice: {np.count_nonzero(once != twice)} of {once.size} values differ")


def convergence(x_T: Array) -> Iterable[list[str]]:
    """Root mean square error at END by evaluations, levels even in log_snr; the order by doubling them from 400."""
    truth = flow(MIXTURE, x_T, FINE)
    doubt = rms(truth - flow(MIXTURE, x_T, FINE[::2]))
    for name, cost in COSTS.items():
        errors = [
            rms(sample(name, MIXTURE, x_T, np.linspace(START, END, evaluations // cost + 1)) - truth)
            for evaluations in EVALUATIONS
        ]
        assert doubt < 1e-3 * min(errors)
        yield [name, *(f"{error:.1e}" for error in errors), f"{np.log2(errors[-2] / errors[-1]):.2f}"]


def round_trips() -> Iterable[list[str]]:
    """The largest |x - x_0| of 256 points of the data after START <- END <- START, levels even in log_snr."""
    for name in COSTS:
        gaps = []
        for data, num_steps in itertools.product(ROUNDS.values(), ROUND_STEPS):
            x_T = jax.random.normal(jax.random.key(0), (256, data.means.shape[-1]))
            x_0, grid = flow(data, x_T, FINE), np.linspace(START, END, num_steps + 1)
            gaps.append(np.abs(sample(name, data, sample(name, data, x_0, grid[::-1]), grid) - x_0).max())
        yield [name, *(f"{gap:.1e}" for gap in gaps)]


def chains() -> Iterable[list[str]]:
    """Mean and variance of 400,000 chains of 12 steps, +- a standard error, and what their recursion says."""
    grid = np.linspace(START, END, 13)
    x_T = jax.random.normal(jax.random.key(2), (400_000, 1))
    for name, options, coefficients in CHAINS:
        x = sample(name, GAUSSIAN, x_T, grid, **options)
        mean, variance = moments(grid, coefficients(**options))
        label = ", ".join([name, *(f"{key} {value:g}" for key, value in options.items())])
        mean_error, variance_error = np.sqrt(variance / x.size), variance * np.sqrt(2 / x.size)
        yield [
            label,
            f"{x.mean():.5f} ± {mean_error:.5f}", f"{mean:.5f}",
            f"{x.var():.5f} ± {variance_error:.5f}", f"{variance:.5f}",
        ]  # fmt: skip


def sample(name: str, data: Mixture, x_t: Array, grid: np.ndarray, **options: float) -> np.ndarray:
    """`samplers.sample`, one compilation for a sampler and a number of steps."""
    return np.asarray(_sample(name, data, x_t, grid, options))


@functools.partial(jax.jit, static_argnames="name")
def _sample(name: str, data: Mixture, x_t: Array, grid: Array, options: dict[str, Array]) -> Array:
    keys = jax.random.split(jax.random.key(1), len(x_t))
    return samplers.sample(data.denoise_fn, x_t, keys, sampler=samplers.build(name, **options), grid=grid)


@jax.jit
def flow(data: Mixture, x_t: Array, grid: Array) -> Array:
    """The probability flow dx / d log_snr = -alpha sigma (alpha eps - sigma x_0) / 2 by Runge and Kutta's fourth order."""

    def slope(x, log_snr):
        alpha, sigma = process.alpha_sigma(log_snr)
        x_0, eps = data.denoise_fn(x, log_snr)
        return -0.5 * alpha * sigma * (alpha * eps - sigma * x_0)

    def step(x, levels):
        level, end = levels
        h = end - level
        k_1 = slope(x, level)
        k_2 = slope(x + 0.5 * h * k_1, level + 0.5 * h)
        k_3 = slope(x + 0.5 * h * k_2, level + 0.5 * h)
        k_4 = slope(x + h * k_3, end)
        return x + h / 6.0 * (k_1 + 2.0 * k_2 + 2.0 * k_3 + k_4), None

    return jax.lax.scan(step, x_t, (grid[:-1], grid[1:]))[0]


def moments(grid: np.ndarray, coefficients: Callable[..., tuple[float, ...]]) -> tuple[float, float]:
    """Mean and variance at the end of x_s = a x_0 + b eps + c noise + d (x_0 - x_0_r) on GAUSSIAN, from N(0, 1).

    coefficients(r, t, s) -> (a, b, c, d): of three levels in turn, r = -inf in the first step. As x_0 and eps are affine
    in x_t, (x_s, x_0) is in (x_t, x_0_r): their mean and covariance follow.
    """
    center, width = GAUSSIAN.means[0, 0], GAUSSIAN.widths[0]
    mean, covariance = np.zeros(2), np.diag([1.0, 0.0])
    for r, t, s in zip([-np.inf, *grid], grid, grid[1:]):
        alpha, sigma = alpha_sigma(t)
        a, b, c, d = coefficients(r, t, s)
        variance = (alpha * width) ** 2 + sigma**2
        x_0, eps = alpha * width**2 / variance, sigma / variance  # their slopes in x_t
        linear = np.array([[(a + d) * x_0 + b * eps, -d], [x_0, 0.0]])
        at_zero = center - x_0 * alpha * center
        mean = linear @ mean + np.array([(a + d) * at_zero - b * eps * alpha * center, at_zero])
        covariance = linear @ covariance @ linear.T + np.diag([c**2, 0.0])
    return mean[0], covariance[0, 0]


def alpha_sigma(log_snr: float) -> tuple[float, float]:
    return np.sqrt(1.0 / (1.0 + np.exp(-log_snr))), np.sqrt(1.0 / (1.0 + np.exp(log_snr)))


def ddim_chain(eta: float) -> Callable:
    """arXiv 2010.02502, equations 12 and 16."""

    def coefficients(r, t, s):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = alpha_sigma(t), alpha_sigma(s)
        deviation = eta * sigma_s / sigma_t * np.sqrt(1.0 - (alpha_t / alpha_s) ** 2)
        return alpha_s, np.sqrt(sigma_s**2 - deviation**2), deviation, 0.0

    return coefficients


def ddpm_chain(large: float) -> Callable:
    """arXiv 2006.11239, equation 7, with the variance between its bounds."""

    def coefficients(r, t, s):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = alpha_sigma(t), alpha_sigma(s)
        beta = 1.0 - (alpha_t / alpha_s) ** 2
        small = (sigma_s / sigma_t) ** 2 * beta
        return alpha_s, np.sqrt(sigma_s**2 - small), np.sqrt(small ** (1.0 - large) * beta**large), 0.0

    return coefficients


def euler_ancestral_chain(eta: float) -> Callable:
    """x_ve_s = x_0 + down eps + up noise."""

    def coefficients(r, t, s):
        sigma_t, sigma_s, alpha_s = np.exp(-0.5 * t), np.exp(-0.5 * s), alpha_sigma(s)[0]
        up = min(sigma_s, eta * sigma_s / sigma_t * np.sqrt(sigma_t**2 - sigma_s**2))
        return alpha_s, alpha_s * np.sqrt(sigma_s**2 - up**2), alpha_s * up, 0.0

    return coefficients


def dpmpp_2m_sde_chain(eta: float) -> Callable:
    """arXiv 2211.01095, the midpoint form, with eta times the noise of the reverse process."""

    def coefficients(r, t, s):
        (alpha_s, sigma_s), h, h_r = alpha_sigma(s), 0.5 * (s - t), 0.5 * (t - r)
        slope = alpha_s * (1.0 - np.exp(-(1.0 + eta) * h)) * h / (2.0 * h_r)
        return alpha_s, sigma_s * np.exp(-eta * h), sigma_s * np.sqrt(1.0 - np.exp(-2.0 * eta * h)), slope

    return coefficients


def pingpong_chain() -> Callable:
    """Of a plain denoiser: all noise is new."""

    def coefficients(r, t, s):
        alpha_s, sigma_s = alpha_sigma(s)
        return alpha_s, 0.0, sigma_s, 0.0

    return coefficients


CHAINS: list[tuple[str, dict[str, float], Callable]] = [
    ("ddpm", {"large": 0.0}, ddpm_chain),
    ("ddpm", {"large": 0.5}, ddpm_chain),
    ("ddpm", {"large": 1.0}, ddpm_chain),
    ("ddim", {"eta": 0.5}, ddim_chain),
    ("ddim", {"eta": 1.0}, ddim_chain),
    ("euler_ancestral", {"eta": 0.5}, euler_ancestral_chain),
    ("euler_ancestral", {"eta": 1.2}, euler_ancestral_chain),
    ("dpmpp_2m_sde", {"eta": 0.5}, dpmpp_2m_sde_chain),
    ("dpmpp_2m_sde", {"eta": 1.0}, dpmpp_2m_sde_chain),
    ("pingpong", {}, pingpong_chain),
]


def rms(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def print_table(header: list[Any], rows: Iterable[list[str]]) -> None:
    print("|", " | ".join(map(str, header)), "|")
    print("|" + "---|" * len(header))
    for name, *cells in rows:
        print("|", " | ".join([f"`{name}`", *cells]), "|", flush=True)
    print()


if __name__ == "__main__":
    main()
