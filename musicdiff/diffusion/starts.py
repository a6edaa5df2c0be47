"""Where an edit of a clip begins (SDEdit, arXiv 2108.01073): strengths, steps of a schedule, and the levels of both."""

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.typing import Schedule


def level(strength: float, schedule: Schedule) -> float:
    """log_snr(t = strength): the level that a clip is noised to. 0 is data, +inf, and 1 noise alone, -inf: the clip itself counts for nothing then.

    Raises UsageError outside of 0 to 1.
    """
    if not 0.0 <= strength <= 1.0:
        raise UsageError(f"a strength is from 0, the clip itself, to 1, which ignores it, not {strength:g}")
    return np.inf if strength == 0.0 else -np.inf if strength == 1.0 else float(schedule.log_snr(np.float64(strength)))


def strength_of(step: float, num_steps: int) -> float:
    """A start step 0 .. T as a strength, step / T. Raises UsageError for another."""
    if not 0 <= step <= num_steps:
        raise UsageError(f"a start step is from 0, the clip itself, to {num_steps}, which ignores it, not {step:g}")
    return step / num_steps


def moved(levels: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The levels [N + 1] with the nearest ones moved onto the starts, so that each is where sampling can begin.

    Infinite starts move nothing, nor do those noisier than the first level, which begin in noise as if without a clip; where there are such, the
    first level stays, for theirs is noise of that level. Raises UsageError where there are fewer steps than starts.
    """
    levels, starts = np.array(levels, np.float64), np.asarray(starts, np.float64)
    held = set(np.flatnonzero(np.isin(levels[:-1], starts)))
    if (starts < levels[0]).any():
        held.add(0)
    wanted = [start for start in np.unique(starts) if levels[0] <= start < np.inf and start not in levels]
    steps, count = len(levels) - 1, len(held) + len(wanted)
    if count > steps:
        raise UsageError(f"{count} strengths need as many steps of the sampler, which has {steps}")
    for start in wanted:
        nearest = min((i for i in range(steps) if i not in held), key=lambda i: abs(levels[i] - start))
        levels[nearest] = start
        held.add(nearest)
    return np.sort(levels).astype(np.float32)
