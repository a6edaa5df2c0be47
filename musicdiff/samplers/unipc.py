"""UniPC (arXiv 2302.04867, order 2, B_2): predictor and corrector, third order with one evaluation a step."""

from typing import Any

import jax.numpy as jnp

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def build() -> Sampler:
    """Predict x_s as `dpmpp_2m` does from x_0 at t and r; at s, where x_0 is evaluated anyway, integrate through all three.

    The correction of a step waits for the start of the next and is added to x_t there: what a constraint has made of x_t
    meanwhile stays. The evaluation is not repeated at the corrected x_t. It goes both ways; the last step, to data, is
    x_0 as evaluated. Levels are visited in the order q, r, t, s.
    """

    def init(x_T: Array) -> Any:
        never = jnp.full((), -jnp.inf, x_T.dtype), jnp.zeros_like(x_T)
        return never, never

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: Any, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, Any]:
        del keys  # deterministic
        (log_snr_r, x_0_r), (log_snr_q, x_0_q) = carry
        x_0, eps = denoise_fn(x_t, log_snr_t)
        alpha_t, sigma_t = process.alpha_sigma(log_snr_t)
        alpha_s, sigma_s = process.alpha_sigma(log_snr_s)

        new, old = _corrector(log_snr_q, log_snr_r, log_snr_t)
        correction = alpha_t * (new * (x_0 - x_0_r) + old * (x_0_r - x_0_q))
        # x_0 stays, so the change of x_t is one of eps. At data (sigma 0) there is nothing to correct.
        eps = eps + correction / jnp.maximum(sigma_t, jnp.finfo(x_t.dtype).tiny)
        x_s = (
            alpha_s * x_0
            + sigma_s * eps
            + alpha_s * samplers.slope_weight(log_snr_r, log_snr_t, log_snr_s) * (x_0 - x_0_r)
        )
        return x_s, ((log_snr_t, x_0), (log_snr_r, x_0_r))

    return Sampler(init, step)


def _corrector(log_snr_q: Array, log_snr_r: Array, log_snr_t: Array) -> tuple[Array, Array]:
    """The weights of x_0_t - x_0_r and x_0_r - x_0_q in the correction of x_t / alpha_t: integral less prediction.

    With D(theta) = x_0_r + a theta + b theta^2 through the three, theta from 0 at r to 1 at t and -u at q, the integral of
    h e^(-(1 - theta) h) D(theta) has weights p_0, p_1, p_2. They cancel for small h as fast as a and b do: no digit of
    x_t is lost. Without q, or where r repeats it, it is the mean of the two ends; without r, where t repeats it, or from
    data, there is nothing to correct.
    """
    h = 0.5 * (log_snr_t - log_snr_r)
    known = jnp.isfinite(h) & (h != 0.0)
    h = jnp.where(known, h, 1.0)
    u = jnp.where(known & (log_snr_r != log_snr_q), 0.5 * (log_snr_r - log_snr_q) / h, jnp.inf)
    p_0 = -jnp.expm1(-h)
    p_1 = 1.0 - p_0 / h
    p_2 = 1.0 - 2.0 * p_1 / h
    bend = (p_2 - p_1) / (1.0 + u)
    new = jnp.where(u < jnp.inf, p_1, 0.5 * p_0) + bend
    old = -(bend + 0.5 * p_0) / u
    return jnp.where(known, new, 0.0), jnp.where(known, old, 0.0)
