"""Damage, found in audio [N, C] at its own rate: dropouts, clicks and clipped samples as masks bool [N, C], and a cut-off in Hz.

What cannot be told from music is not called damage: the rests, fades and ends of music, its attacks, and tops that are round.
"""

import numpy as np
import scipy.ndimage
import scipy.signal

from musicdiff.creative.prediction import ORDERS, fit, regions_of

# Dropouts
SHORTEST, LONGEST = 0.001, 0.3  # seconds
AROUND = 0.1  # seconds to each side: the music's level
EDGE = 0.004  # seconds to each side, which are not far below that level: the music neither fades into the gap nor begins after it
DEPTH, FADED = 54.0, 14.0  # dB below the level around: of the gap, and of edges that have faded
SUNK = 30.0  # dB of the gap below its edges: the tone of a fading note crosses zero more gently
AUDIBLE = -60.0  # dB of full scale: music below it has no dropouts that matter
# Clicks
BLOCK = 0.05  # seconds that one predictor is fitted to
WIDEST = 0.002  # seconds of a click
UNLIKELY = 12.0  # deviations of the prediction error
LESSER = 0.4  # deviations: the median of the lesser of two errors
MARGIN = 2  # samples to each side of it, whose errors may happen to be small
BESIDE, LOUDER, ROUGHER = (
    0.008,
    1.7,
    1.8,
)  # seconds to each side, whose levels and whose errors differ by less than these factors
RARE = 6.0  # times the prediction error that 1 in 100 samples of the block reach, without the click
# Clipping
STEP = 2.0**-15  # of 16 bits: what a ceiling may waver
FLAT = 3  # samples in a row at the ceiling
CORNER = 16  # such steps that the clip falls beside them at once, where a round top would not
# Bandwidth
SPECTRUM = 0.19  # seconds of a spectrum, about
LOWEST = 1500.0  # Hz: lower cut-offs cannot be told from music without treble
CLIFF = 24.0  # dB that the long-term spectrum falls by within a third of an octave, and for good
WIDTH = 2 ** (1 / 6)  # half of that


def dropouts(audio: np.ndarray, rate: int) -> np.ndarray:
    """Stretches of 1 to 300 ms far below the music that goes on at full level right before and right after them, in each channel."""
    found = np.zeros(audio.shape, bool)
    around, edge = round(AROUND * rate), max(2, round(EDGE * rate))
    for x, mask in zip(np.abs(audio.T), found.T):
        loudest = scipy.ndimage.maximum_filter1d(x, 2 * round(LONGEST * rate) + 1, mode="constant")
        quiet = x <= loudest * 10 ** (-DEPTH / 20)
        for start, stop in regions_of(quiet):
            if not max(3, round(SHORTEST * rate)) <= stop - start <= LONGEST * rate:
                continue
            before, after = x[max(0, start - around) : start], x[stop : stop + around]
            if min(len(before), len(after)) < edge:
                continue
            level, near = (
                [_rms(part) for part in parts] for parts in ((before, after), (before[-edge:], after[:edge]))
            )
            least = max(max(level) * 10 ** (-FADED / 20), 10 ** (AUDIBLE / 20))
            mask[start:stop] = min(near) >= max(least, _rms(x[start:stop]) * 10 ** (SUNK / 20))
    return found


def clicks(audio: np.ndarray, rate: int) -> np.ndarray:
    """Samples that neither their past nor their future explains (S. Godsill, P. Rayner, Digital Audio Restoration, 1998, ch. 5).

    An attack is unexpected only from before, what comes after belongs to it; a click is unexpected from both sides. A sample is part of one where
    both errors are many deviations, and many times as great as those that the music itself reaches now and then.
    """
    found = np.zeros(audio.shape, bool)
    size, widest = max(8 * ORDERS[0], round(BLOCK * rate)), max(4, round(WIDEST * rate))
    beside = max(16, round(BESIDE * rate))
    for x, mask in zip(np.asarray(audio, np.float64).T, found.T):
        for start in range(0, len(x), size // 2):
            block = x[start : start + size]
            if len(block) < 8 * ORDERS[0] or np.ptp(block) < STEP:
                continue
            error = _unexpected(block)
            scale = np.median(error) / LESSER
            near = scipy.ndimage.binary_closing(error > UNLIKELY / 3 * scale, np.ones(5))
            for low, high in regions_of(near):
                others = np.delete(error, np.s_[max(0, low - widest) : high + widest])
                usual = max(UNLIKELY * scale, STEP, RARE * np.quantile(others, 0.99))
                if high - low <= widest and error[low:high].max() > usual and _passes(block, error, low, high, beside):
                    mask[max(0, start + low - MARGIN) : start + high + MARGIN] = True
    return found


def clipped(audio: np.ndarray, rate: int) -> np.ndarray:
    """Samples at the ceiling of their channel and sign, where runs of them have corners."""
    del rate
    found = np.zeros(audio.shape, bool)
    for x, mask in zip(np.asarray(audio, np.float64).T, found.T):
        for side in (x, -x):
            ceiling = side.max()
            if ceiling <= CORNER * STEP:
                continue
            top = side >= ceiling - STEP
            padded = np.pad(side, 1, mode="edge")
            # Of padded, start and stop + 1 are the samples beside a run.
            runs = [
                ceiling - min(padded[start], padded[stop + 1]) > CORNER * STEP
                for start, stop in regions_of(top)
                if stop - start >= FLAT
            ]
            if runs and np.mean(runs) > 0.5:
                mask |= top
    return found


def cut_off(audio: np.ndarray, rate: int) -> float | None:
    """The frequency in Hz above which the long-term spectrum is gone: a cliff above a band that is full. None where there is none."""
    spectrum = long_term(audio, rate)
    if spectrum is None:
        return None
    frequencies, level = spectrum
    found = None
    for i in np.flatnonzero((frequencies > LOWEST) & (frequencies < 0.93 * rate / 2)):
        f = frequencies[i]
        below = level[(frequencies >= f / WIDTH**2) & (frequencies < f / WIDTH**0.25)]
        above = level[frequencies >= f * WIDTH**0.25]
        near = level[(frequencies >= f * WIDTH**0.25) & (frequencies < f * WIDTH)]
        if min(len(below), len(near)) < 4:
            continue
        fall = np.quantile(below, 0.2) - max(np.quantile(near, 0.8), np.quantile(above, 0.98))
        if fall > CLIFF:
            found = i
            break
    if found is None:
        return None
    # The cliff's edge: the last frequency near it that is not yet halfway down, in dB.
    f = frequencies[found]
    inner = (frequencies >= f / WIDTH**2) & (frequencies <= f * WIDTH**2)
    high = np.median(level[(frequencies >= f / WIDTH**4) & (frequencies < f / WIDTH)])
    standing = frequencies[inner & (level > high - CLIFF / 2)]
    return float(standing.max()) if len(standing) else float(f)


def long_term(audio: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray] | None:
    """(Hz, dB) of the mean power of the louder half of the frames, smoothed over 9 bins; None for silence and clips of less than a frame."""
    x, size = np.asarray(audio, np.float64).mean(axis=1), 2 ** round(np.log2(SPECTRUM * rate))
    if len(x) < size or np.max(np.abs(x)) < STEP:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
    power = np.square(np.abs(np.fft.rfft(frames * scipy.signal.windows.blackmanharris(size), axis=1)))
    energy = power.sum(axis=1)
    mean = power[energy >= np.median(energy)].mean(axis=0)
    smooth = scipy.ndimage.uniform_filter1d(mean, 9)
    return np.fft.rfftfreq(size, 1 / rate), 10 * np.log10(smooth + 1e-12 * smooth.max())


def _unexpected(block: np.ndarray) -> np.ndarray:
    """The lesser of the errors of prediction from before and from after, by one predictor: [n]. Near an end there is neither.

    The predictor is fitted twice, the second time without what the first one did not expect.
    """
    error = _errors(block, block)
    strange = scipy.ndimage.binary_dilation(error > UNLIKELY / 3 * np.median(error) / LESSER, iterations=MARGIN)
    return _errors(
        block, np.where(strange, np.interp(places := np.arange(len(block)), places[~strange], block[~strange]), block)
    )


def _errors(block: np.ndarray, whole: np.ndarray) -> np.ndarray:
    a = fit(whole, ORDERS[0])
    order = len(a) - 1
    errors = [np.abs(np.convolve(x, a)[: len(block)]) for x in (block, block[::-1])]
    errors[0][:order] = errors[1][:order] = 0.0
    return np.minimum(errors[0], errors[1][::-1])


def _passes(block: np.ndarray, error: np.ndarray, low: int, high: int, beside: int) -> bool:
    """Whether after low:high the clip and its errors are as loud as before: of an attack, and of a cut, they are not."""
    before, after = np.s_[max(0, low - beside - 2) : max(0, low - 2)], np.s_[high + 2 : high + 2 + beside]
    for x, most in ((block, LOUDER), (error, ROUGHER)):
        if min(len(x[before]), len(x[after])) < beside // 2:
            return False
        first, second = (_rms(part) + STEP / 8 for part in (x[before], x[after]))
        if not 1 / most < second / first < most:
            return False
    return True


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
