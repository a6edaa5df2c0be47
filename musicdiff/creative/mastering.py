"""What is done to a long recording on its way into its file, block by block: low-pass, gain, a slow limiter, fades."""

import math
from typing import NamedTuple

import numpy as np
from scipy import signal

from musicdiff.errors import UsageError

ORDER = 4  # of the low-pass, Butterworth
CHUNK = 0.1  # seconds between the limiter's nodes
CEILING = 10 ** (-1 / 20)  # -1 dBFS
RELEASE = 0.01  # by which the limiter's gain rises from node to node, at most: 10 s from silence to 1


class Mastering(NamedTuple):
    """What is asked for. rate in Hz; total, fade_in, fade_out in samples; low_pass in Hz, None without; gain a factor."""

    rate: int
    total: int
    fade_in: int = 0
    fade_out: int = 0
    low_pass: float | None = None
    gain: float = 1.0


class Carried(NamedTuple):
    """From block to block: how many samples have left, the low-pass's memory, the samples that the limiter holds, its gain at their first."""

    position: int
    memory: np.ndarray
    held: np.ndarray
    node: float


def check(asked: Mastering) -> Mastering:
    """Raises UsageError for fades that do not fit, and for a low-pass that is none."""
    if asked.fade_in < 0 or asked.fade_out < 0 or asked.fade_in + asked.fade_out > asked.total:
        fades = f"{asked.fade_in / asked.rate:g} s in and {asked.fade_out / asked.rate:g} s out"
        raise UsageError(f"fades of {fades} do not fit into {asked.total / asked.rate:g} s: shorten them")
    if asked.low_pass is not None and not 20 <= asked.low_pass < asked.rate / 2:
        raise UsageError(
            f"a low-pass lies between 20 Hz and half the file's rate, {asked.rate / 2:g} Hz, not at {asked.low_pass:g}"
        )
    return asked


def begin(asked: Mastering, channels: int) -> Carried:
    sections = 1 if asked.low_pass is None else len(_filter(asked))
    return Carried(0, np.zeros((sections, 2, channels)), np.zeros((0, channels)), 1.0)


def master(asked: Mastering, carried: Carried, block: np.ndarray, *, last: bool = False) -> tuple[np.ndarray, Carried]:
    """A block [n, C] more -> what leaves of it, [n', C], and what is carried on. What leaves in all depends on no block's length.

    The limiter looks 0.1 s ahead: its gain is a line between nodes so far apart, each low enough for the loudest sample to both its
    sides, so that none lies above -1 dBFS; it falls within 0.1 s, and rises by 0.1 a second.
    """
    block, memory = filtered(asked, carried.memory, block)
    held = np.concatenate([carried.held, block * asked.gain])
    size = round(CHUNK * asked.rate)
    chunks = math.ceil(len(held) / size) if last else max(0, len(held) // size - 1)  # one is looked at ahead
    needed = [
        min(1.0, CEILING / max(np.abs(held[i * size : (i + 1) * size]).max(initial=0.0), 1e-9))
        for i in range(chunks + 1)
    ]
    node, out = min(carried.node, needed[0]), []
    for i in range(chunks):
        following = min(needed[i], needed[i + 1], node + RELEASE)
        part = held[i * size : (i + 1) * size]
        out.append(part * (node + (following - node) * np.arange(len(part)) / size)[:, None])
        node = following
    left = np.concatenate([*out, held[:0]])
    places = carried.position + np.arange(len(left))
    return left * fade(asked, places)[:, None], Carried(
        carried.position + len(left), memory, held[chunks * size :], node
    )


def filtered(asked: Mastering, memory: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The low-pass alone: (block [n, C], its memory)."""
    if asked.low_pass is None or not len(block):
        return np.asarray(block, np.float64), memory
    return signal.sosfilt(_filter(asked), block, axis=0, zi=memory)


def fade(asked: Mastering, places: np.ndarray) -> np.ndarray:
    """The fades' gain at samples of the whole: raised cosines, from 0 and to 0."""
    gain = np.ones(len(places))
    for size, distance in ((asked.fade_in, places + 0.5), (asked.fade_out, asked.total - places - 0.5)):
        if size:
            gain *= 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / size, 0, 1))
    return gain


def _filter(asked: Mastering) -> np.ndarray:
    return signal.butter(ORDER, asked.low_pass, fs=asked.rate, output="sos")
