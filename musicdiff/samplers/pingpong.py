"""Ping-pong: a flow map's jump to data, then fresh noise, again and again (arXiv 2303.01469, algorithm 1)."""

import jax.numpy as jnp

from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build() -> Sampler:
    """x_s = alpha_s x_0(x_t, to=+inf) + sigma_s noise: with an exact flow map, the right distribution at every level."""

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        x_0, _ = denoise_fn(x_t, log_snr_t, to=jnp.full_like(log_snr_t, jnp.inf))
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        return alpha_s * x_0 + sigma_s * process.draw_noise(keys, x_t), carry

    return Sampler(lambda x_T: None, step, flow_maps=True)
