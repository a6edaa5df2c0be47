"""Grids: the levels that a sampler visits, from noise to data, made on the host.

A grid is falling times of a schedule, then data. The times of a table are its indices, t = i / (num_levels - 1).
"""

from collections.abc import Callable

import numpy as np

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Schedule


def leading(num_steps: int, num_levels: int | None) -> np.ndarray:
    """t = i / N: from short of the noisiest level down to the least noisy one (arXiv 2010.02502)."""
    if num_levels is None:
        return np.arange(num_steps)[::-1] / num_steps
    return np.arange(num_steps)[::-1] * (num_levels // num_steps) / (num_levels - 1)


def trailing(num_steps: int, num_levels: int | None) -> np.ndarray:
    """t = 1 - i / N: from the noisiest level, as every grid must that starts from pure noise (arXiv 2305.08891)."""
    if num_levels is None:
        return 1.0 - np.arange(num_steps) / num_steps
    indices = np.round(num_levels * (1.0 - np.arange(num_steps) / num_steps)) - 1.0
    return indices / (num_levels - 1)


def linspace(num_steps: int, num_levels: int | None) -> np.ndarray:
    """t evenly from 1 to 0, both ends included."""
    if num_levels is None:
        return np.linspace(1.0, 0.0, num_steps)
    return np.round(np.linspace(num_levels - 1, 0, num_steps)) / (num_levels - 1)


GRIDS: dict[str, Callable[[int, int | None], np.ndarray]] = choice.by_name(leading, trailing, linspace)


def build(name: str | None, schedule: Schedule, num_steps: int) -> np.ndarray:
    """The num_steps + 1 levels of a grid, falling from noise to data: the last one is +inf.

    Args:
        name: a name of GRIDS; None takes 'leading' on a table (DDIM's own) and 'trailing' on a continuous schedule
        num_steps: 1 .. num_levels of a table, 1 or more of a continuous schedule
    Returns:
        log_snr [num_steps + 1], float32 (float64 under jax.enable_x64)
    Raises:
        UsageError: an unknown name or a number of steps out of range
    """
    if name is None:
        name = "trailing" if schedule.num_levels is None else "leading"
    times_of = GRIDS[choice.check("grid", name, GRIDS)]
    if not 1 <= num_steps <= (schedule.num_levels or num_steps):
        most = f", at most {schedule.num_levels}" if schedule.num_levels else ""
        raise UsageError(f"num_steps must be at least 1{most}, not {num_steps}")
    levels = np.asarray(schedule.log_snr(times_of(num_steps, schedule.num_levels)))
    return np.append(levels, np.asarray(np.inf, levels.dtype))
