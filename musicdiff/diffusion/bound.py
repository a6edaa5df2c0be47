"""The variational bound: -log p(x_0) <= L_0 + L_1 + ... + L_T (arXiv 2006.11239, eq. 5), each term in bits a dimension.

x_1 ... x_T are x_0 noised to T falling levels. The reverse process p(x_{t-1} | x_t) is q(x_{t-1} | x_t, x_0) with the
denoiser's x_0 in place of the true one. So the two variances are equal, and a step costs what their means differ by.
Levels, and all that follows from them alone, are float64 of the host; what needs x_0 runs on the device.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.diffusion import process
from musicdiff.errors import UsageError
from musicdiff.typing import Array, DenoiseFn, Keys, Schedule

LOG_2 = math.log(2.0)  # nats a bit


def levels(schedule: Schedule, num_levels: int | None = None, highest: float = math.inf) -> np.ndarray:
    """The levels of x_1 ... x_T, falling: a table's own; of a continuous schedule, T evenly in log-SNR over its range.

    Evenly, for then every step costs much the same. Even times would not do: `cosine` ends in steps so wide that they
    cost 2 bits beyond what any denoiser could save, however many they are.

    Args:
        num_levels: T, 2 or more; None takes a table's own number, and 1000 of a continuous schedule
        highest: log-SNR of x_1 at most, on a continuous schedule
    Returns:
        log_snr [T], float64
    Raises:
        UsageError: T below 2, or another than that of the table
    """
    table = schedule.num_levels
    count = (table or 1000) if num_levels is None else num_levels
    if count < 2 or table not in (None, count):
        own = f"{table}, the levels of the model's table" if table else "2 or more"
        raise UsageError(f"the number of levels must be {own}, not {num_levels}")
    if table:
        return np.asarray(schedule.log_snr(np.arange(table) / (table - 1)), np.float64)
    first, last = (float(schedule.log_snr(t)) for t in (0.0, 1.0))
    return np.linspace(min(first, highest), last, count)


def step_weights(levels: np.ndarray) -> np.ndarray:
    """(SNR_{t-1} - SNR_t) / 2 of t = 2 ... T (arXiv 2107.00630, eq. 14): bits for each unit of mean (x_0 - x_0_hat)^2.

    This is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)). SNR_t expm1(difference of levels), for neighbours cancel.
    """
    return np.exp(levels[1:]) * np.expm1(levels[:-1] - levels[1:]) / (2.0 * LOG_2)


def prior(x_0: Array, log_snr: Array) -> Array:
    """L_T = KL(N(alpha x_0, sigma^2) || N(0, 1)) = mean (alpha^2 (x_0^2 - 1) - log sigma^2) / 2: [B]."""
    alpha_squared, log_variance = jax.nn.sigmoid(log_snr), jax.nn.log_sigmoid(-log_snr)
    return _mean(alpha_squared * (jnp.square(x_0) - 1.0) - log_variance) / (2.0 * LOG_2)


def density(x_0: Array, x_0_hat: Array, log_snr: Array) -> Array:
    """L_0 of real numbers, -log N(x_0; x_0_hat, 1 / SNR_1): [B]; it may be negative.

    The variance is what x_1 alone leaves open, that of x_1 / alpha_1.
    """
    return (jnp.exp(log_snr) * _mean(jnp.square(x_0 - x_0_hat)) + math.log(2.0 * math.pi) - log_snr) / (2.0 * LOG_2)


def discretised(x_0: Array, x_0_hat: Array, log_snr: Array, x_0_range: tuple[float, float]) -> Array:
    """L_0 of 8-bit pictures: -log of what N(x_0_hat, 1 / SNR_1) gives to the bin of x_0: [B], never negative.

    256 values, both ends of the range among them, are the bins' middles; the outermost bins are open.
    """
    half = 0.5 * bin_width(x_0_range)
    centre, precision = quantise(x_0, x_0_range), jnp.exp(0.5 * log_snr)
    low = jnp.where(centre < x_0_range[0] + half, -jnp.inf, (centre - half - x_0_hat) * precision)
    high = jnp.where(centre > x_0_range[1] - half, jnp.inf, (centre + half - x_0_hat) * precision)
    # Far on the upper side both are 1 to all digits: that is the mirror image of the lower side, where they are not.
    low, high = jnp.where(low + high > 0.0, -high, low), jnp.where(low + high > 0.0, -low, high)
    log_high, log_low = jax.scipy.stats.norm.logcdf(high), jax.scipy.stats.norm.logcdf(low)
    return -_mean(log_high + jnp.log1p(-jnp.exp(log_low - log_high))) / LOG_2


def quantise(x_0: Array, x_0_range: tuple[float, float]) -> Array:
    """x_0 at the nearest of the 256 values of an 8-bit picture."""
    low, width = x_0_range[0], bin_width(x_0_range)
    return low + width * jnp.clip(jnp.round((x_0 - low) / width), 0, 255)


def bin_width(x_0_range: tuple[float, float]) -> float:
    """Between neighbouring values of an 8-bit picture: 2 / 255 of a range from -1 to 1."""
    return (x_0_range[1] - x_0_range[0]) / 255


def denoised(denoise_fn: DenoiseFn, x_0: Array, log_snr: Array, keys: Keys) -> Array:
    """x_0_hat of x_0 noised to log_snr, scalar or [B], by noise from the keys [B]."""
    return denoise_fn(process.diffuse(x_0, process.draw_noise(keys, x_0), log_snr), log_snr).x_0


def errors(denoise_fn: DenoiseFn, x_0: Array, log_snr: Array, keys: Keys) -> Array:
    """mean (x_0 - x_0_hat)^2 of each example at each of its own levels log_snr [B, S], each with its own noise: [B, S]."""

    def error(number: Array, level: Array) -> tuple[Array, Array]:
        own = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
        return number + 1, _mean(jnp.square(x_0 - denoised(denoise_fn, x_0, level, own)))

    return jax.lax.scan(error, 0, log_snr.T)[1].T


def proposal(levels: np.ndarray) -> np.ndarray:
    """How likely the step at each t = 2 ... T is to be measured: [T - 1], their sum 1.

    Three quarters are what the steps cost a denoiser that is equally wrong in v at all levels, (SNR_{t-1} - SNR_t)
    sigma_t^2; one is even, so that steps that cost little are measured as well, and no weight is large.
    """
    cost = step_weights(levels) / (1.0 + np.exp(levels[1:]))
    return 0.75 * cost / cost.sum() + 0.25 / len(cost)


def draw_steps(keys: Keys, proposal: np.ndarray, count: int) -> np.ndarray:
    """`count` steps for each example, one out of each `count`-th part of the proposal: indices [B, count] into it.

    The mean over them of term / proposal is an unbiased estimate of the sum of all terms.
    """
    # Whole bits, for float32's uniform numbers would not resolve the shares of single steps to all digits.
    bits = np.asarray(jax.vmap(lambda key: jax.random.bits(key, (count,), jnp.uint32))(keys))
    places = (np.arange(count) + (bits + 0.5) * 2.0**-32) / count
    return np.minimum(np.searchsorted(np.cumsum(proposal), places, side="right"), len(proposal) - 1)


def _mean(x: Array) -> Array:
    return jnp.mean(x, axis=tuple(range(1, x.ndim)))
