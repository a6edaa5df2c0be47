"""Schedules: the level log_snr(t) along a time t in [0, 1], 0 = data, and t_of(log_snr), its inverse.

A new schedule is one function that returns a Schedule, named in SCHEDULES; its keyword arguments are its options.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Schedule

# In float32 (N - 1) * (i / (N - 1)) is i only to about 1e-4: what is this close to an index is meant to be it.
SNAP = 1e-3


def linear_beta(num_levels: int = 1000, beta_min: float = 1e-4, beta_max: float = 2e-2) -> Schedule:
    """alpha_bar_i = prod_{j <= i} (1 - beta_j), betas linear: DDPM's table (arXiv 2006.11239), t = i / (levels - 1).

    Index 0 is the least noisy level (log_snr 9.21 with the defaults), not data. Between two indices log_snr is linear.
    """
    if num_levels < 2 or not 0.0 < beta_min <= beta_max < 1.0:
        raise UsageError(
            f"linear_beta needs num_levels >= 2 and 0 < beta_min <= beta_max < 1, "
            f"not {num_levels}, {beta_min}, {beta_max}"
        )
    log_alpha_bar = np.cumsum(np.log1p(-np.linspace(beta_min, beta_max, num_levels)))
    # expm1, for 1 - alpha_bar cancels at the least noisy levels.
    return _table(log_alpha_bar - np.log(-np.expm1(log_alpha_bar)))


def cosine(log_snr_min: float = -20.0, log_snr_max: float = 20.0) -> Schedule:
    """alpha = cos(pi t / 2): log_snr = -2 log tan(pi t / 2) (arXiv 2202.00512), within [log_snr_min, log_snr_max]."""
    if not log_snr_min < log_snr_max:
        raise UsageError(f"cosine needs log_snr_min < log_snr_max, not {log_snr_min} and {log_snr_max}")
    # The angle to data, pi t / 2, and the angle to noise, its complement, are bounded each on its own, before
    # trigonometry: tan is infinite at t = 1, its logarithm at 0, and a float32 t near 1 lacks the digits of its bound.
    least_from_data = math.atan(math.exp(-0.5 * log_snr_max))
    least_from_noise = math.atan(math.exp(0.5 * log_snr_min))

    def log_snr(t: Array) -> Array:
        from_data = jnp.maximum(0.5 * jnp.pi * t, least_from_data)
        from_noise = jnp.maximum(0.5 * jnp.pi * (1.0 - t), least_from_noise)
        level = 2.0 * (jnp.log(jnp.sin(from_noise)) - jnp.log(jnp.sin(from_data)))
        return jnp.clip(level, log_snr_min, log_snr_max)

    def t_of(log_snr: Array) -> Array:
        return 2.0 / jnp.pi * jnp.arctan(jnp.exp(-0.5 * jnp.clip(log_snr, log_snr_min, log_snr_max)))

    return Schedule(log_snr, t_of)


SCHEDULES = choice.by_name(linear_beta, cosine)


def names() -> list[str]:
    """The schedules that a config may name, sorted."""
    return sorted(SCHEDULES)


def build(name: str, **options: Any) -> Schedule:
    """The schedule called `name`. Raises UsageError on an unknown name or option, with the list of what exists."""
    return choice.call(f"schedule {name!r}", SCHEDULES[choice.check("schedule", name, SCHEDULES)], options)


def index_of(schedule: Schedule, log_snr: Array) -> Array:
    """The position of a level in a schedule's table, 0 .. num_levels - 1: whole at the table's own levels."""
    return _snap(schedule.t_of(log_snr) * (schedule.num_levels - 1))


def lowest(schedule: Schedule) -> float:
    """The noisiest level of a schedule, log_snr(1), as a number of the host."""
    with jax.ensure_compile_time_eval():
        return float(schedule.log_snr(1.0))


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
