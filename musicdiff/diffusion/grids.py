"""Grids: the levels that a sampler visits, from noise to data, made on the host.

A grid is falling times of a schedule, or levels spread between its two ends, then data. The times of a table are its
indices, t = i / (num_levels - 1); between two indices its level is linear, and a network told the index is told the
fraction.
"""

from collections.abc import Callable

import numpy as np

from musicdiff import choice
from musicdiff.diffusion import schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Schedule


def auto(schedule: Schedule, num_steps: int) -> np.ndarray:
    """The one that suits the schedule: `resolve` says which."""
    return GRIDS[resolve("auto", schedule)](schedule, num_steps)


def leading(schedule: Schedule, num_steps: int) -> np.ndarray:
    """t = i / N: from short of the noisiest level down to the least noisy one (arXiv 2010.02502)."""
    if schedule.num_levels is None:
        return schedule.log_snr(np.arange(num_steps)[::-1] / num_steps)
    return schedule.log_snr(np.arange(num_steps)[::-1] * (schedule.num_levels // num_steps) / (schedule.num_levels - 1))


def trailing(schedule: Schedule, num_steps: int) -> np.ndarray:
    """t = 1 - i / N: from the noisiest level, as every grid must that starts from pure noise (arXiv 2305.08891)."""
    times = 1.0 - np.arange(num_steps) / num_steps
    if schedule.num_levels is None:
        return schedule.log_snr(times)
    return schedule.log_snr((np.round(schedule.num_levels * times) - 1.0) / (schedule.num_levels - 1))


def linspace(schedule: Schedule, num_steps: int) -> np.ndarray:
    """t evenly from 1 to 0, both ends included."""
    if schedule.num_levels is None:
        return schedule.log_snr(np.linspace(1.0, 0.0, num_steps))
    last = schedule.num_levels - 1
    return schedule.log_snr(np.round(np.linspace(last, 0, num_steps)) / last)


def log_snr(schedule: Schedule, num_steps: int) -> np.ndarray:
    """The level itself evenly from one end of the schedule to the other, both included."""
    return np.linspace(*_ends(schedule), num_steps)


def karras(schedule: Schedule, num_steps: int, rho: float = 7.0) -> np.ndarray:
    """sigma_ve^(1 / rho) evenly from end to end (arXiv 2206.00364, eq. 5), sigma_ve = sigma / alpha = e^(-log_snr / 2).

    Args:
        rho: above 0; 1 is even in sigma_ve, the limit of large rho is `log_snr`
    """
    if not 0.0 < rho < np.inf:
        raise UsageError(f"grid 'karras': rho must be above 0, such as karras:7, not {rho:g}")
    roots = np.linspace(*np.exp(-0.5 * _ends(schedule) / rho), num_steps)
    return -2.0 * rho * np.log(roots)


GRIDS: dict[str, Callable[..., np.ndarray]] = choice.by_name(auto, leading, trailing, linspace, log_snr, karras)


def resolve(name: str, schedule: Schedule) -> str:
    """What 'auto' is for a schedule: 'leading' on a table that ends short of noise, DDPM's with DDIM, and 'trailing' on all others.

    `trailing` begins at the schedule's end, where x_T belongs that is noise alone. Any other name is itself.
    """
    if name != "auto":
        return name
    return "trailing" if schedule.num_levels is None or schedules.ends_in_noise(schedule) else "leading"


def build(name: str, schedule: Schedule, num_steps: int) -> np.ndarray:
    """The num_steps + 1 levels of a grid, falling from noise to data: the last one is +inf.

    Args:
        name: a name of GRIDS, 'karras:RHO' for another rho than 7
        num_steps: 1 .. num_levels of a table, 1 or more of a continuous schedule
    Returns:
        log_snr [num_steps + 1], float32 (float64 under jax.enable_x64)
    Raises:
        UsageError: an unknown name, a bad rho or a number of steps out of range
    """
    name, colon, rho = str(name).partition(":")
    levels_of = GRIDS[choice.check("grid", name, GRIDS)]
    if not 1 <= num_steps <= (schedule.num_levels or num_steps):
        most = f", at most {schedule.num_levels}" if schedule.num_levels else ""
        raise UsageError(f"num_steps must be at least 1{most}, not {num_steps}")
    options = {"rho": _number(rho)} if colon else {}
    levels = choice.call(f"grid {name!r}", levels_of, options, schedule=schedule, num_steps=num_steps)
    return np.append(levels, np.inf).astype(np.asarray(schedule.log_snr(1.0)).dtype)


def _ends(schedule: Schedule) -> np.ndarray:
    """The noisiest and the least noisy level of a schedule [2], in double precision."""
    return np.asarray(schedule.log_snr(np.array([1.0, 0.0])), np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"grid 'karras': rho must be a number, such as karras:7, not {text!r}") from None
