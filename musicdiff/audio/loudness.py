"""Integrated loudness by ITU-R BS.1770-4."""

import numpy as np
from scipy import signal

from musicdiff.audio import io
from musicdiff.errors import UsageError

STANDARD_RATE = 48_000  # Hz, of the filters that the standard prints
K_WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)  # the head's shelf, and the high-pass: second-order sections
STEP, STEPS = STANDARD_RATE // 10, 4  # blocks of 400 ms, one every 100 ms
OFFSET, ABSOLUTE_GATE, RELATIVE_GATE = -0.691, -70.0, -10.0  # LUFS, LUFS, LU


def check(target: float) -> None:
    """Raises UsageError for a loudness to aim at, in LUFS, that nothing is measured at, or that only clipping reaches."""
    if not ABSOLUTE_GATE <= target <= 0:
        raise UsageError(f"a loudness to aim at lies between {ABSOLUTE_GATE:g} and 0 LUFS, not at {target:g}")


def lufs(audio: np.ndarray, rate: int) -> float:
    """-0.691 + 10 log10 of K-weighted power, summed over channels, mean over gated blocks of 400 ms, of audio float [N, C] at a rate in Hz.

    A block counts above -70 LUFS, and then above 10 LU below the mean of those; -70 where none does. Every channel weighs 1, as left, right
    and centre do. Other rates are brought to the standard's 48 kHz. A clip below 400 ms is filled with zeros to a block.
    """
    audio = io.resample(audio, rate, STANDARD_RATE)
    audio = np.pad(audio, ((0, max(0, STEPS * STEP - len(audio))), (0, 0))).astype(np.float64)
    power = np.square(signal.sosfilt(K_WEIGHTING, audio, axis=0)).sum(axis=1)  # [N]
    steps = power[: len(power) // STEP * STEP].reshape(-1, STEP).mean(axis=1)
    blocks = np.lib.stride_tricks.sliding_window_view(steps, STEPS).mean(axis=1)
    blocks = blocks[blocks > 10 ** ((ABSOLUTE_GATE - OFFSET) / 10)]
    if not blocks.size:
        return ABSOLUTE_GATE
    return OFFSET + 10 * float(np.log10(blocks[blocks > 10 ** (RELATIVE_GATE / 10) * blocks.mean()].mean()))
