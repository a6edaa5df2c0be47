"""DDIM (arXiv 2010.02502): from deterministic (eta 0) to ancestral sampling (eta 1)."""

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build(eta: float | Array = 0.0) -> Sampler:
    """x_s = alpha_s x_0 + sigma_s (sqrt(1 - new) eps + sqrt(new) noise), new = eta^2 (1 - SNR_t / SNR_s).

    With eta = 0 an exponential integrator of the probability flow, first order, both ways: a step to a noisier level is
    DDIM inversion, and adds no noise whatever eta is. It samples a flow map by asking for the level it goes to.

    Args:
        eta: 0 .. 1
    """
    samplers.check_range("sampler 'ddim': eta", eta, most=1.0)

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        # Upwards a flow map is asked for its own level, where it is the plain denoiser.
        x_0, eps = denoise_fn(x_t, log_snr_t, to=jnp.maximum(log_snr_t, log_snr_s))
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        # As a share of sigma_s^2 the variance cannot exceed it by rounding, and take the root of a negative number.
        new = eta**2 * -jnp.expm1(jnp.minimum(log_snr_t - log_snr_s, 0.0))
        noise = process.draw_noise(keys, x_t)
        return alpha_s * x_0 + sigma_s * (jnp.sqrt(1.0 - new) * eps + jnp.sqrt(new) * noise), carry

    return Sampler(lambda x_T: None, step)
