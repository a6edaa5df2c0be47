"""RePaint (arXiv 2201.09865): what is filled in is noised and denoised again, several times, until it fits to what is known."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.diffusion.process import draw_noise, variance_between
from musicdiff.errors import UsageError
from musicdiff.typing import Array, DenoiseFn, Keys, Sampler


def repaint(sampler: Sampler) -> Sampler:
    """The sampler, but for steps to more noise: q(x_s | x_t), the process itself, after which the sampler begins anew (algorithm 1).

    Without such a step it is the sampler itself.
    """

    def step(
        denoise_fn: DenoiseFn, x_t: Array, carry: Any, log_snr_t: Array, log_snr_s: Array, keys: Keys
    ) -> tuple[Array, Any]:
        def up(x_t: Array, carry: Any) -> tuple[Array, Any]:
            variance = variance_between(log_snr_s, log_snr_t)  # of what is noisier, given what is not
            x_s = jnp.sqrt(1.0 - variance) * x_t + jnp.sqrt(variance) * draw_noise(keys, x_t)
            return x_s, sampler.init(x_s)

        def down(x_t: Array, carry: Any) -> tuple[Array, Any]:
            return sampler.step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, keys)

        return jax.lax.cond(log_snr_s < log_snr_t, up, down, x_t, carry)

    return sampler._replace(step=step)


def rewound(levels: np.ndarray, jump: int, times: int) -> np.ndarray:
    """A grid that goes through each stretch of `jump` steps `times` times, and back to its beginning in one step before each but the first.

    The last stretch, to data, too: x_0 is noised again. Raises UsageError for a jump or a number of times below 1.
    """
    if jump < 1 or times < 1:
        raise UsageError(
            f"a stretch is gone through at least once and has at least one step, not {times} times {jump} steps"
        )
    levels = np.asarray(levels)
    starts = range(0, len(levels) - 1, jump)
    return np.concatenate(
        [
            levels[:1],
            *[np.r_[levels[i + 1 : i + 1 + jump], np.tile(levels[i : i + 1 + jump], times - 1)] for i in starts],
        ]
    )
