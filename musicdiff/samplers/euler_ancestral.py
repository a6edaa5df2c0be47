"""Ancestral Euler: an Euler step in sigma_ve to below the level wanted, then noise up to it."""

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build(eta: float | Array = 1.0) -> Sampler:
    """x_s = alpha_s (x_0 + down eps + up noise), up^2 + down^2 = sigma_ve_s^2, up^2 / sigma_ve_s^2 = eta^2 (1 - r).

    r = sigma_ve_s^2 / sigma_ve_t^2 = SNR_t / SNR_s. Up to eta 1 this is DDIM of that eta, at 1 DDPM too. Beyond, the
    share of new noise ends at 1, where nothing of eps is kept. Towards noise it is `euler`: no noise is added.

    Args:
        eta: 0 or more
    """
    samplers.check_range("sampler 'euler_ancestral': eta", eta)

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        x_0, eps = denoise_fn(x_t, log_snr_t)
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        one_less_r = -jnp.expm1(jnp.minimum(log_snr_t - log_snr_s, 0.0))
        new = jnp.minimum(eta**2 * one_less_r, 1.0)
        noise = process.draw_noise(keys, x_t)
        return alpha_s * x_0 + sigma_s * (jnp.sqrt(1.0 - new) * eps + jnp.sqrt(new) * noise), carry

    return Sampler(lambda x_T: None, step)
