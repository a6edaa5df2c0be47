"""Pictures of sound in which a copy is found wherever it lies: normalised cross-correlation of mel patches at every lag.

A patch is the fourth root of mel power, less the mean of each frame and of each band: what remains is not that a sound fades, but how its colour
changes. Its correlation does not change with the level, by construction; the root keeps
noise far below the music from mattering, as a logarithm would not. Phases are no part of it, so that a vocoder changes it little.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.audio import io
from musicdiff.audio.mel import MelSpec, mel_power

SPEC = MelSpec(sample_rate=11_025, n_fft=2048, hop=512, num_mels=64, f_min=60.0)
EDGE = SPEC.n_fft // SPEC.hop // 2  # frames at either end of a clip that hear beyond it, where a track goes on
# Samples: a copy is never more than an eighth of a hop off the frames of one.
SHIFTS = range(0, SPEC.hop, SPEC.hop // 4)
# Frames that are compared, 2.8 s: with its edges, and all shifts, a clip of 65,536 samples at 22,050 Hz has one.
PATCH = 60
CHUNK = 1024  # frames of a track that are searched at once, and of audio that become a picture at once
SEARCHED = 4  # chunks in a call
ASKED = 64  # patches in a call
FLAT = 1e-5  # of a track's mean energy: where a patch has less, there is nothing to compare


@dataclass
class Nearest:
    """Of each patch the best match so far. similarity: float [n], at most 1; track: its name; start: seconds into it."""

    similarity: np.ndarray
    track: np.ndarray
    start: np.ndarray


def picture(audio: np.ndarray, rate: int) -> np.ndarray:
    """Fourth root of mel power, each frame less its mean: audio [N, C] -> float32 [T, F]."""
    return _image(_mono(audio, rate))


def asked_for(audio: np.ndarray, rate: int) -> np.ndarray:
    """The patches of a clip [N, C] that are looked for, [n, t, F]: its picture's at each of SHIFTS, without the edges."""
    mono = _mono(audio, rate)
    mono = np.pad(mono, (0, max(0, SPEC.n_fft - len(mono))))
    length = len(mono) - SHIFTS[-1]
    images = [_image(mono[shift : shift + length]) for shift in SHIFTS]
    edge = EDGE if len(images[0]) > 4 * EDGE else 0
    return np.concatenate([patches(image[edge : len(image) - edge]) for image in images])


def _mono(audio: np.ndarray, rate: int) -> np.ndarray:
    return io.resample(io.mix(np.asarray(audio, np.float32), 1), rate, SPEC.sample_rate)[:, 0]


def _image(mono: np.ndarray) -> np.ndarray:
    context, frames = SPEC.n_fft // SPEC.hop, SPEC.num_frames(len(mono))
    length = (CHUNK + 2 * context) * SPEC.hop
    ends = -(-frames // CHUNK) * CHUNK * SPEC.hop + context * SPEC.hop - len(mono)
    padded = np.pad(mono, (context * SPEC.hop, ends))
    parts = [
        np.asarray(_picture(padded[first * SPEC.hop : first * SPEC.hop + length]))[context : context + CHUNK]
        for first in range(0, frames, CHUNK)
    ]
    return np.concatenate([np.zeros((0, SPEC.num_mels), np.float32), *parts])[:frames]


def patches(image: np.ndarray) -> np.ndarray:
    """Half overlapping patches [n, t, F] that cover a picture [T, F]; t is PATCH, or T of a shorter one. Silent ones are zeros."""
    length = min(PATCH, len(image))
    starts = sorted({*range(0, len(image) - length + 1, PATCH // 2), len(image) - length})
    cut = np.stack([image[start : start + length] for start in starts]).astype(np.float64)
    cut -= cut.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(cut).sum(axis=(1, 2), keepdims=True))
    return (cut / np.where(norms > 1e-9, norms, np.inf)).astype(np.float32)


def search(asked: np.ndarray, tracks: Iterable[tuple[str, np.ndarray]]) -> Nearest:
    """Where patches [n, t, F] of one length match best in pictures (name, [T, F]): max over lags of the correlation.

    Work: n x (frames of all tracks) x t x F multiplications; memory does not grow with the tracks.
    """
    count, length, _ = asked.shape
    found = Nearest(np.full(count, -1.0), np.full(count, "", object), np.zeros(count))
    filled = np.concatenate([asked, np.zeros((-count % ASKED, *asked.shape[1:]), np.float32)])
    kernels = [filled[i : i + ASKED].transpose(1, 2, 0) for i in range(0, len(filled), ASKED)]
    for names, starts, chunks, scales in _batches(tracks, length):
        best = [_match(kernel, chunks, scales) for kernel in kernels]
        values, lags = (np.concatenate([np.asarray(each[i]) for each in best], axis=1)[:, :count] for i in (0, 1))
        for name, start, value, lag in zip(names, starts, values, lags):
            better = value > found.similarity
            found.similarity[better] = value[better]
            found.track[better] = name
            found.start[better] = (start + lag[better]) * SPEC.hop / SPEC.sample_rate
    return found


def _batches(tracks: Iterable[tuple[str, np.ndarray]], length: int) -> Iterator[tuple]:
    """SEARCHED chunks at a time: names, first frames, [S, CHUNK + length - 1, F], and 1 / |patch| at every lag [S, CHUNK], 0 where there is none."""
    held: list[tuple] = []
    empty = ("", 0, np.zeros((CHUNK + length - 1, SPEC.num_mels), np.float32), np.zeros(CHUNK, np.float32))
    for name, image in tracks:
        image = np.pad(image, ((0, max(0, length - len(image))), (0, 0)))
        scale = _scales(image, length)
        for first in range(0, len(scale), CHUNK):
            chunk, part = image[first : first + CHUNK + length - 1], scale[first : first + CHUNK]
            chunk = np.pad(chunk, ((0, CHUNK + length - 1 - len(chunk)), (0, 0)))
            held.append((name, first, chunk, np.pad(part, (0, CHUNK - len(part)))))
            if len(held) == SEARCHED:
                yield _stacked(held)
                held = []
    if held:
        yield _stacked(held + [empty] * (SEARCHED - len(held)))


def _stacked(held: list[tuple]) -> tuple:
    names, starts, chunks, scales = zip(*held)
    return names, starts, np.stack(chunks), np.stack(scales)


def _scales(image: np.ndarray, length: int) -> np.ndarray:
    """1 / |patch - its bands' means| at every lag: [T - length + 1]."""
    wide = image.astype(np.float64)
    zero = np.zeros((1, wide.shape[1]))
    sums, squares = (np.concatenate([zero, np.cumsum(each, axis=0)]) for each in (wide, np.square(wide)))
    energy = (squares[length:] - squares[:-length] - np.square(sums[length:] - sums[:-length]) / length).sum(axis=1)
    least = max(FLAT * np.square(wide).sum(axis=1).mean() * length, 1e-12)
    return np.where(energy > least, 1.0 / np.sqrt(np.maximum(energy, least)), 0.0).astype(np.float32)


@jax.jit
def _picture(audio: Array) -> Array:
    roots = jnp.sqrt(jnp.sqrt(mel_power(audio[None, :, None], SPEC)[0, :, :, 0]))
    return roots - roots.mean(axis=1, keepdims=True)


@jax.jit
def _match(kernel: Array, chunks: Array, scales: Array) -> tuple[Array, Array]:
    """The best correlation and its lag: kernel [t, F, Q], chunks [S, CHUNK + t - 1, F], scales [S, CHUNK] -> [S, Q] each."""
    with jax.default_matmul_precision("highest"):
        dots = jax.lax.conv_general_dilated(chunks, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    values = jnp.where(scales[..., None] > 0, dots * scales[..., None], -1.0)
    return values.max(axis=1), values.argmax(axis=1)
