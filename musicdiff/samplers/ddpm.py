"""DDPM (arXiv 2006.11239): ancestral sampling, between any two levels."""

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build(large: float | Array = 0.0) -> Sampler:
    """x_s = mean of q(x_s | x_t, x_0) + sqrt(variance) noise, towards cleaner levels only.

    Args:
        large: 0 .. 1, the variance: 0 is that of q(x_s | x_t, x_0), 1 that of q(x_t | x_s), the bounds of the reverse
            process (fixed small, fixed large); between them geometrically interpolated (arXiv 2102.09672, eq. 15)
    """
    samplers.check_range("sampler 'ddpm': large", large, most=1.0)

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: None, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, None]:
        x_0, _ = denoise_fn(x_t, log_snr_t, to=log_snr_s)
        mean, small = process.posterior(x_0, x_t, log_snr_t, log_snr_s)
        variance = small ** (1.0 - large) * process.variance_between(log_snr_t, log_snr_s) ** large
        # Data get no noise, under the large variance either.
        deviation = jnp.sqrt(jnp.where(log_snr_s < jnp.inf, variance, 0.0))
        return mean + deviation * process.draw_noise(keys, x_t), carry

    return Sampler(lambda x_T: None, step)
