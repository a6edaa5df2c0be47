"""Euler's method in sigma_ve, the noise of variance exploding coordinates: first order, one evaluation a step."""

from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build() -> Sampler:
    """x_ve_s = x_ve_t + (sigma_ve_s - sigma_ve_t) eps (arXiv 2206.00364), x_ve = x / alpha, sigma_ve = sigma / alpha.

    As x_ve_t = x_0 + sigma_ve_t eps, this is x_s = alpha_s x_0 + sigma_s eps: DDIM with eta 0, by its other name, and
    written so, for the difference of two sigma_ve of 10^4 would leave x_0 few digits. It goes both ways. Unlike `ddim`
    it is a solver of slopes: a flow map is not asked to jump.
    """

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        del keys  # deterministic
        x_0, eps = denoise_fn(x_t, log_snr_t)
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)
        return alpha_s * x_0 + sigma_s * eps, carry

    return Sampler(lambda x_T: None, step)
