"""Resampling in blocks, as if of the whole: what has been is kept as arrays, so that it can be saved and gone on from, bit for bit."""

import math
from typing import NamedTuple

import numpy as np

from musicdiff.audio import io

REACH = 2048  # samples to each side, at the lower of the two rates, that a resampler's filter mixes


class Pending(NamedTuple):
    """Samples that are still to be resampled, after `lead` that have been and that the filter needs."""

    samples: np.ndarray
    lead: int


def begin(channels: int) -> Pending:
    return Pending(np.zeros((0, channels), np.float32), 0)


def resample(
    pending: Pending, block: np.ndarray, rate: int, to: int, *, last: bool = False
) -> tuple[np.ndarray, Pending]:
    """A block [n, C] more at `rate` -> what can be said of it at `to` Hz, float32 [n', C], and what is left; all of it with the last one.

    Blocks are cut where samples of both rates coincide, and resampled with what is around them: the same as of the whole, whatever the blocks,
    but for the rounding of 32-bit floats.
    """
    samples = np.concatenate([pending.samples, block])
    if rate == to:
        return samples, begin(samples.shape[1])
    step = rate // math.gcd(rate, to)
    reach = math.ceil(REACH * max(1.0, rate / to) / step) * step
    ready = len(samples) - pending.lead
    if not last:
        ready = max(0, (ready - reach) // step * step)
    if not ready:
        return samples[:0], Pending(samples, pending.lead)
    done = pending.lead + ready
    whole = io.resample(samples[: done + reach], rate, to)
    begun, ended = pending.lead * to // rate, None if last else done * to // rate
    lead = min(reach, done)
    return whole[begun:ended], Pending(samples[done - lead :], lead)
