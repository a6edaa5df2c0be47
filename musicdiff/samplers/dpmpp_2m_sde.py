"""SDE-DPM-Solver++(2M) (arXiv 2211.01095): `dpmpp_2m` with noise, on the reverse process itself; one evaluation a step."""

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build(eta: float | Array = 1.0) -> Sampler:
    """x_s = alpha_s x_0 + sigma_s (e^(-eta h) eps + sqrt(1 - e^(-2 eta h)) noise) + alpha_s slope (x_0 - x_0_r).

    slope = (1 - e^(-(1 + eta) h)) h / (2 h_r), h = log(SNR_s / SNR_t) / 2, h_r that of the step before, from r to t. At
    eta 0 it is `dpmpp_2m`; at eta 1 its first order is DDPM. Towards noise none is added, whatever eta is.

    Args:
        eta: 0 or more, the noise in units of the reverse process's own
    """
    samplers.check_range("sampler 'dpmpp_2m_sde': eta", eta)

    def init(x_T: Array) -> tuple[Array, Array]:
        return jnp.full((), -jnp.inf, x_T.dtype), jnp.zeros_like(x_T)  # infinitely far back: its slope counts nothing

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: tuple[Array, Array], log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, tuple[Array, Array]]:
        log_snr_r, x_0_r = carry
        x_0, eps = denoise_fn(x_t, log_snr_t)
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        h = 0.5 * (log_snr_s - log_snr_t)
        h = jnp.where(jnp.isfinite(h), h, 0.0)  # to data, and from it, first order without noise
        eta_h = eta * jnp.maximum(h, 0.0)
        slope = samplers.slope_weight(log_snr_r, log_snr_t, log_snr_s, eta)
        noise = jnp.exp(-eta_h) * eps + jnp.sqrt(-jnp.expm1(-2.0 * eta_h)) * process.draw_noise(keys, x_t)
        return alpha_s * x_0 + sigma_s * noise + alpha_s * slope * (x_0 - x_0_r), (log_snr_t, x_0)

    return Sampler(init, step)
