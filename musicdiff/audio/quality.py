"""What can be wrong with audio, measured: no judgement of music, only of signals."""

import jax.numpy as jnp
import numpy as np
from jax import Array

SILENT_PEAK_DB = -90.0  # below one step of 16 bits (-90.3 dB): such a file plays nothing
QUIET_RMS_DB = -60.0  # music stands near -30 to -10 dB; 30 dB under its quietest is no longer heard beside it
FULL_SCALE = 1 - 2**-15  # the largest sample of 16 bits: clipped recordings reach it in any width
CLIPPED_RUN = 3  # samples in a row of one value: a wave that merely touches full scale bends there
CLIPPED_SHARE = 1e-4  # two samples a second at 22.05 kHz
DC_OFFSET = 0.02  # any sound above 20 Hz has a mean under 1 / (20 pi) = 0.016 of its peak over a second
NOISE_ROUGHNESS = 1.6  # single real clips reach 1.5 times their mean, noise of sigma 0.1 is at 2: docs/artifacts.md
CLICK_QUANTILE = 0.999  # of curvature: edges of waves and drum strokes fill more than a thousandth of the samples
CLICK_RATIO = 10.0  # a Gaussian's largest of a million samples is 1.5 times that quantile
CLICK_JUMP = 0.05  # of full scale: smaller steps are masked by music


def roughness(log_mel: Array) -> Array:
    """mean |m[t + 1] - m[t]| over a log-mel's time, bins and channels: what noise raises and music keeps low.

    It only means something against real clips of the same MelSpec: NOISE_ROUGHNESS bounds the ratio to their mean.

    Args:
        log_mel: [B, T, F, C], T at least 2

    Returns:
        [B], in the units of the mel
    """
    return jnp.mean(jnp.abs(jnp.diff(log_mel, axis=1)), axis=(1, 2, 3))


def examine(
    audio: np.ndarray, rate: int, *, roughness: float | None = None, reference_roughness: float | None = None
) -> list[str]:
    """What is wrong with audio [N, C], each finding one line with its number; an empty list when nothing is.

    Args:
        audio: float, full scale is 1
        rate: Hz
        roughness, reference_roughness: of the clip's log-mel, and the mean over real ones; noise is judged where both are given
    """
    audio = np.asarray(audio)
    if not audio.size:
        return ["empty: no samples"]
    broken = audio.size - np.count_nonzero(np.isfinite(audio))
    if broken:
        return [f"not finite: {broken} of {audio.size} samples are NaN or infinite"]
    peak, rms = _decibels(np.abs(audio).max()), _decibels(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    if peak < SILENT_PEAK_DB:
        return [f"silent: peak {peak:.1f} dB of full scale"]

    findings = []
    if rms < QUIET_RMS_DB:
        findings.append(f"nearly silent: RMS {rms:.1f} dB of full scale, below {QUIET_RMS_DB:.0f}")
    clipped = _clipped_share(audio)
    if clipped > CLIPPED_SHARE:
        findings.append(f"clipped: {clipped:.2%} of the samples stand in flat runs at full scale")
    for channel, offset in enumerate(audio.mean(axis=0, dtype=np.float64), start=1):
        if abs(offset) > DC_OFFSET:
            findings.append(f"DC: channel {channel} is off zero by {offset:+.3f} of full scale")
    findings += _clicks(audio, rate)
    if roughness is not None and reference_roughness and roughness / reference_roughness > NOISE_ROUGHNESS:
        ratio = roughness / reference_roughness
        findings.append(
            f"noise-like: its mel is {ratio:.1f} times as rough in time as real music, above {NOISE_ROUGHNESS}"
        )
    return findings


def _decibels(amplitude: float) -> float:
    return float(20 * np.log10(amplitude)) if amplitude > 0 else -np.inf


def _clipped_share(audio: np.ndarray) -> float:
    """The share of all samples that stand in runs of at least CLIPPED_RUN equal ones at full scale."""
    if len(audio) < CLIPPED_RUN:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(audio, CLIPPED_RUN, axis=0)  # [N - RUN + 1, C, RUN]
    starts = (np.abs(audio[: len(windows)]) >= FULL_SCALE) & (windows == windows[..., :1]).all(axis=-1)
    inside = np.zeros(audio.shape, bool)
    for shift in range(CLIPPED_RUN):
        inside[shift : shift + len(starts)] |= starts
    return float(inside.mean())


def _clicks(audio: np.ndarray, rate: int) -> list[str]:
    """Jumps: |x[n + 1] - 2 x[n] + x[n - 1]| far beyond what the clip does elsewhere, in places too rare to be its sound."""
    if len(audio) < 3:
        return []
    curvature = np.abs(np.diff(audio, n=2, axis=0)).max(axis=1)  # [N - 2]
    threshold = max(CLICK_RATIO * np.quantile(curvature, CLICK_QUANTILE), CLICK_JUMP)
    jumps = np.flatnonzero(curvature > threshold)
    if not jumps.size:
        return []
    count = 1 + np.count_nonzero(
        np.diff(jumps) > rate // 200
    )  # one jump bends several samples; 5 ms apart is another one
    largest = int(curvature.argmax())
    return [f"click-like: {count} jumps, the largest at {(largest + 1) / rate:.3f} s"]
