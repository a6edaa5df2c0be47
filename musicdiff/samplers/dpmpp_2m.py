"""DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2): second order from the last two predictions, one evaluation a step."""

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build() -> Sampler:
    """x_s = alpha_s x_0 + sigma_s eps + alpha_s (1 - e^-h) h / (2 h_r) (x_0 - x_0_r), h = log(SNR_s / SNR_t) / 2.

    DDIM and half a step of the slope of x_0 since the level r before t, h_r apart. The first step is DDIM, and so is the
    last one to data. It goes both ways.
    """

    def init(x_T: Array) -> tuple[Array, Array]:
        return jnp.full((), -jnp.inf, x_T.dtype), jnp.zeros_like(x_T)  # infinitely far back: its slope counts nothing

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: tuple[Array, Array], log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, tuple[Array, Array]]:
        del keys  # deterministic
        log_snr_r, x_0_r = carry
        x_0, eps = denoise_fn(x_t, log_snr_t)
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        slope = samplers.slope_weight(log_snr_r, log_snr_t, log_snr_s)
        return alpha_s * x_0 + sigma_s * eps + alpha_s * slope * (x_0 - x_0_r), (log_snr_t, x_0)

    return Sampler(init, step)
