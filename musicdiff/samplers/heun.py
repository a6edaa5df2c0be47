"""Heun's method in rectified-flow time: second order, two evaluations a step and one in the last."""

import jax
import jax.numpy as jnp

from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build() -> Sampler:
    """x_rf = x_t / (alpha + sigma) = (1 - tau) x_0 + tau eps, tau = sigma / (alpha + sigma): a slope of eps - x_0.

    The probability flow (arXiv 2206.00364, algorithm 1) in the time of rectified flow (2209.03003), where its paths are
    nearly straight. It goes both ways; a step to data is x_0 of its first evaluation alone.
    """

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        del keys  # deterministic
        x_0, eps = denoise_fn(x_t, log_snr_t)
        scale_t, tau_t = _straight(log_snr_t)
        scale_s, tau_s = _straight(log_snr_s)

        def correct() -> Array:
            x_rf, slope = x_t / scale_t, eps - x_0
            guess = scale_s * (x_rf + (tau_s - tau_t) * slope)
            x_0_s, eps_s = denoise_fn(guess, log_snr_s)
            return scale_s * (x_rf + (tau_s - tau_t) * 0.5 * (slope + eps_s - x_0_s))

        return jax.lax.cond(log_snr_s < jnp.inf, correct, lambda: x_0), carry

    return Sampler(lambda x_T: None, step)


def _straight(log_snr: Array) -> tuple[Array, Array]:
    """alpha + sigma and tau = sigma / (alpha + sigma) of a level."""
    alpha, sigma = process.alpha_sigma(log_snr)
    return alpha + sigma, sigma / (alpha + sigma)
