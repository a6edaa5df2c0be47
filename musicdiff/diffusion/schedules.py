"""Schedules: the level log_snr(t) along a time t in [0, 1], 0 = data, and t_of(log_snr), its inverse.

A new schedule is one function that returns a Schedule, named in SCHEDULES; its keyword arguments are its options.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Schedule

# In float32 (N - 1) * (i / (N - 1)) is i only to about 1e-4: what is this close to an index is meant to be it.
SNAP = 1e-3
# log_snr: below, alpha is under 6e-4, and x_t is noise whatever x_0 was.
NOISE = -15.0


def linear_beta(num_levels: int = 1000, beta_min: float = 1e-4, beta_max: float = 2e-2) -> Schedule:
    """alpha_bar_i = prod_{j <= i} (1 - beta_j), betas linear: DDPM's table (arXiv 2006.11239), t = i / (levels - 1).

    Index 0 is the least noisy level (log_snr 9.21 with the defaults), not data. Between two indices log_snr is linear.
    """
    return _table(_log_snr(_log_alpha_bar("linear_beta", num_levels, beta_min, beta_max)))


def zero_terminal(
    num_levels: int = 1000, beta_min: float = 1e-4, beta_max: float = 2e-2, log_snr_min: float = -20.0
) -> Schedule:
    """alpha_i' = (alpha_i - alpha_N) alpha_0 / (alpha_0 - alpha_N), alpha_i of linear_beta (arXiv 2305.08891, alg. 1).

    The last alpha would be 0; all levels but data are finite, so that one is log_snr_min, where no sample can tell.
    """
    alpha = np.exp(0.5 * _log_alpha_bar("zero_terminal", num_levels, beta_min, beta_max))
    rescaled = alpha[0] * (alpha[:-1] - alpha[-1]) / (alpha[0] - alpha[-1])
    levels = _log_snr(2.0 * np.log(rescaled))
    if not log_snr_min < levels[-1]:
        raise UsageError(
            f"zero_terminal is at log_snr {levels[-1]:.3g} before its last level already: log_snr_min must be below that, "
            f"not {log_snr_min:g}; or take a smaller beta_max"
        )
    return _table(np.append(levels, log_snr_min))


def cosine(log_snr_min: float = -20.0, log_snr_max: float = 20.0) -> Schedule:
    """alpha = cos(pi t / 2): log_snr = -2 log tan(pi t / 2) (arXiv 2202.00512), within [log_snr_min, log_snr_max]."""
    return _mirrored(
        lambda t: 2.0 * jnp.log(jnp.sin(0.5 * jnp.pi * t)),
        lambda level: 2.0 / jnp.pi * jnp.arctan(jnp.exp(-0.5 * level)),
        log_snr_min,
        log_snr_max,
    )


def rectified_flow(log_snr_min: float = -20.0, log_snr_max: float = 20.0) -> Schedule:
    """sigma / alpha = t / (1 - t), of x_rf = (1 - t) x_0 + t eps: log_snr = 2 log((1 - t) / t) (arXiv 2209.03003)."""
    return _mirrored(lambda t: 2.0 * jnp.log(t), lambda level: jax.nn.sigmoid(-0.5 * level), log_snr_min, log_snr_max)


def sigmoid(
    start: float = -3.0, end: float = 3.0, tau: float = 1.0, log_snr_min: float = -20.0, log_snr_max: float = 20.0
) -> Schedule:
    """alpha^2 = (s(end) - s(u)) / (s(end) - s(start)), s(u) = sigmoid(u / tau), u from start to end (arXiv 2212.11972).

    By the sums of hyperbolic functions log_snr = log sinh((1 - t) w) - log sinh(t w) + centre, w = (end - start) / 2 tau.
    """
    if not (start < end and tau > 0.0):
        raise UsageError(f"sigmoid needs start < end and tau > 0, not {start}, {end}, {tau}")
    w, first, last = 0.5 * (end - start) / tau, 0.5 * start / tau, 0.5 * end / tau

    def log_2_sinh(x: Array) -> Array:
        return x + jnp.log(-jnp.expm1(-2.0 * x))

    return _mirrored(
        lambda t: log_2_sinh(w * t),
        # sinh(w - x) / sinh(x) = e^level solved for x = w t; softplus, for near data t is small.
        lambda level: jax.nn.softplus(log_2_sinh(w) - jnp.logaddexp(-w, level)) / (2.0 * w),
        log_snr_min,
        log_snr_max,
        centre=float(np.logaddexp(first, -first) - np.logaddexp(last, -last)),
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = choice.by_name(
    linear_beta, zero_terminal, cosine, sigmoid, rectified_flow
)


def build(name: str, shift: float = 1.0, **options: Any) -> Schedule:
    """The schedule called `name`, all its levels moved by -2 log(shift): sigma / alpha becomes shift times as much.

    Args:
        shift: above 1 for more noise, as large pictures and long clips want it, whose neighbours say the same: the
            resolution over the base's (arXiv 2301.11093), or SD3's shift of time (2403.03206)
        options: of that schedule
    Raises:
        UsageError: an unknown name or option, with the list of what exists
    """
    if not shift > 0.0:
        raise UsageError(f"a schedule's shift multiplies sigma / alpha and must be above 0, not {shift}")
    schedule = choice.call(f"schedule {name!r}", SCHEDULES[choice.check("schedule", name, SCHEDULES)], options)
    offset = 2.0 * math.log(shift)
    return schedule._replace(
        log_snr=lambda t: schedule.log_snr(t) - offset, t_of=lambda log_snr: schedule.t_of(log_snr + offset)
    )


def index_of(schedule: Schedule, log_snr: Array) -> Array:
    """The position of a level in a schedule's table, 0 .. num_levels - 1: whole at the table's own levels."""
    return _snap(schedule.t_of(log_snr) * (schedule.num_levels - 1))


def time_of_table(schedule: Schedule, t: Array) -> Array:
    """The table's own time i / (num_levels - 1) in whose share of [0, 1], one of num_levels equal ones, t lies."""
    last = schedule.num_levels - 1
    return jnp.minimum(jnp.floor(t * schedule.num_levels), last) / last


def lowest(schedule: Schedule) -> float:
    """The noisiest level of a schedule, log_snr(1), as a number of the host."""
    with jax.ensure_compile_time_eval():
        return float(schedule.log_snr(1.0))


def ends_in_noise(schedule: Schedule) -> bool:
    """Whether nothing is left of the data at t = 1, as DDPM's own table leaves it at log_snr -10.1."""
    return lowest(schedule) < NOISE


def _mirrored(
    g: Callable[[Array], Array],
    t_at: Callable[[Array], Array],
    log_snr_min: float,
    log_snr_max: float,
    centre: float = 0.0,
) -> Schedule:
    """log_snr = g(1 - u) - g(u) + centre, u even in t between the two bounds; u = t_at(log_snr - centre).

    g(0) = -inf: u and 1 - u stay above what they are at the bounds. Cut out, not clipped: clipped, a share of all t would
    have one level, and a grid would visit it many times.
    """
    if not log_snr_min < log_snr_max:
        raise UsageError(f"a schedule needs log_snr_min < log_snr_max, not {log_snr_min} and {log_snr_max}")

    def bounds() -> tuple[Array, Array, Array]:
        """The least u, the least 1 - u, and what lies between."""
        near_data, near_noise = t_at(log_snr_max - centre), t_at(centre - log_snr_min)
        return near_data, near_noise, 1.0 - near_data - near_noise

    def log_snr(t: Array) -> Array:
        near_data, near_noise, span = bounds()
        # 1 - u from 1 - t: a float32 u near 1 lacks its digits.
        return g(near_noise + span * (1.0 - t)) - g(near_data + span * t) + centre

    def t_of(log_snr: Array) -> Array:
        near_data, _, span = bounds()
        return (t_at(jnp.clip(log_snr, log_snr_min, log_snr_max) - centre) - near_data) / span

    return Schedule(log_snr, t_of)


def _log_alpha_bar(name: str, num_levels: int, beta_min: float, beta_max: float) -> np.ndarray:
    if num_levels < 2 or not 0.0 < beta_min <= beta_max < 1.0:
        raise UsageError(
            f"{name} needs num_levels >= 2 and 0 < beta_min <= beta_max < 1, not {num_levels}, {beta_min}, {beta_max}"
        )
    return np.cumsum(np.log1p(-np.linspace(beta_min, beta_max, num_levels)))


def _log_snr(log_alpha_bar: np.ndarray) -> np.ndarray:
    return log_alpha_bar - np.log(-np.expm1(log_alpha_bar))  # 1 - alpha_bar cancels at the least noisy levels


def _table(levels: np.ndarray) -> Schedule:
    """The schedule through decreasing `levels` [num_levels] at t = i / (num_levels - 1), linear between them."""
    last = len(levels) - 1
    indices = np.arange(len(levels))

    def log_snr(t: Array) -> Array:
        return jnp.interp(_snap(jnp.asarray(t) * last), indices, levels)

    def t_of(log_snr: Array) -> Array:
        level = jnp.clip(log_snr, levels[-1], levels[0])
        return _snap(jnp.interp(level, levels[::-1], indices[::-1])) / last

    return Schedule(log_snr, t_of, len(levels))


def _snap(index: Array) -> Array:
    nearest = jnp.round(index)
    return jnp.where(jnp.abs(index - nearest) < SNAP, nearest, index)
