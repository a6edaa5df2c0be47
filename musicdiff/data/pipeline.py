"""Batches of clips: the global batch of a step is a pure function of (seed, step), so a run resumes at any step without replaying others.

Two loaders with byte-equal batches: 'tf' leaves the work to tf.data's parallel map and prefetch; 'numpy' is its twin in threads, for machines
without TensorFlow. Clips are read when needed: a data set may be far larger than memory.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from musicdiff.data.clips import Clips, Examples
from musicdiff.data.prefetch import map_ahead
from musicdiff.data.tracks import TrackSplit
from musicdiff.errors import DataError, UsageError

Batch = dict[str, Any]  # trees of arrays [b, ...]
Describe = Callable[[np.ndarray], Mapping[str, Any]]
Plan = Callable[[int], Examples]
Loaded = Iterator[tuple[Examples, np.ndarray]]
LOADERS = ("tf", "numpy")


def batches(
    split: TrackSplit,
    *,
    feature: str,
    frames: int,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    loader: str = "tf",
    rows: tuple[int, int] | None = None,
    describe: Describe | None = None,
) -> Iterator[Batch]:
    """Endless training batches from `start_step` on, which costs the same whatever it is.

    Each epoch covers every example once, in an order and with crops of its own; batches run across the ends of epochs. A clip longer than
    its track is filled with silence at its end.

    Args:
        feature: 'mel', 'latent' or 'audio', as the split holds it
        frames: T of a clip: samples, of audio
        batch_size: of the global batch
        rows: (low, high), the rows of the global batch that this process takes; None takes all
        describe: numbers of tracks in the split [b] -> what else batches hold of their clips, such as {'cond': ...}: trees of arrays [b, ...]

    Returns:
        an iterator of {'x_0': float32 [b, frames, ...], 'index': int32 [b], the example's id, 'weight': float32 [b] of ones, **described}

    Raises:
        UsageError: another feature than the split's, unusable rows, an unknown loader, or 'tf' without TensorFlow.
        DataError: an empty split.
    """
    _check(split, feature)
    low, high = rows or (0, batch_size)
    if not 0 <= low < high <= batch_size:
        raise UsageError(f"rows must be within the batch of {batch_size}; got {low} to {high}")
    if loader not in LOADERS:
        raise UsageError(f"no loader {loader!r}; there are: {', '.join(LOADERS)}")
    if not len(split):
        raise DataError(f"{split.fingerprint}: no tracks to train on")
    clips = Clips(split.frames, frames)

    def plan(step: int) -> Examples:
        return Examples(*(column[low:high] for column in clips.batch(seed, step, batch_size)))

    load = _load_tf if loader == "tf" else _load_numpy
    return (_batch(examples, x_0, describe) for examples, x_0 in load(split, plan, start_step, frames, high - low))


def held_out(
    split: TrackSplit,
    *,
    feature: str,
    frames: int,
    batch_size: int,
    limit: int | None = None,
    describe: Describe | None = None,
) -> Iterator[Batch]:
    """The same clips each time, in batches of one size: the middle of each stratum of each track; rows that fill the last batch have weight 0.

    Args:
        limit: at most so many clips, spread over all tracks
        describe: as in `batches`
    """
    _check(split, feature)
    chosen = Clips(split.frames, frames).centred(limit)
    for first in range(0, len(chosen.index), batch_size):
        taken = [column[first : first + batch_size] for column in chosen]
        missing = batch_size - len(taken[0])
        examples = Examples(*(np.pad(column, (0, missing), mode="edge") for column in taken))
        batch = _batch(examples, _read(split, examples, frames), describe)
        batch["weight"][batch_size - missing :] = 0
        yield batch


def _check(split: TrackSplit, feature: str) -> None:
    if feature != split.feature:
        raise UsageError(f"the cache holds {split.feature!r}, not {feature!r}; build the other one first")


def _batch(examples: Examples, x_0: np.ndarray, describe: Describe | None) -> Batch:
    described = describe(examples.track) if describe else {}
    weight = np.ones(len(examples.index), np.float32)
    return {"x_0": x_0, "index": examples.index.astype(np.int32), "weight": weight, **described}


def _load_numpy(split: TrackSplit, plan: Plan, start_step: int, frames: int, size: int) -> Loaded:
    def load(step: int) -> tuple[Examples, np.ndarray]:
        examples = plan(step)
        return examples, _read(split, examples, frames)

    return map_ahead(load, itertools.count(start_step), workers=min(4, os.cpu_count() or 1))


def _read(split: TrackSplit, examples: Examples, frames: int) -> np.ndarray:
    """The clips of the examples, float32 [b, frames, ...]."""
    x_0 = np.empty((len(examples.index), frames, *split.silence.shape), np.float32)
    for row, track, start in zip(x_0, examples.track, examples.start):
        clip = split.records.array(track, start, start + frames)
        np.multiply(clip, split.records.unit, out=row[: len(clip)])
        row[len(clip) :] = split.silence
    return x_0


def _load_tf(split: TrackSplit, plan: Plan, start_step: int, frames: int, size: int) -> Loaded:
    tf = _tensorflow()
    records, silence = split.records, split.silence

    def rows(step):
        columns = tf.numpy_function(plan, [step], [tf.int64] * 3)
        return tuple(tf.ensure_shape(column, (size,)) for column in columns)

    def read(track, start):
        return np.array(records.serialized(track, start, start + frames), object)

    def clip(index, track, start):
        serialized = tf.ensure_shape(tf.numpy_function(read, [track, start], tf.string), (None,))
        blocks = tf.io.parse_example(serialized, {split.feature: tf.io.FixedLenFeature((), tf.string)})
        array = tf.io.decode_raw(tf.strings.reduce_join(blocks[split.feature]), records.dtype)
        array = tf.reshape(array, (-1, *silence.shape))
        inside = tf.cast(array[start % records.block :][:frames], tf.float32) * records.unit
        beyond = tf.broadcast_to(silence, (frames - tf.shape(inside)[0], *silence.shape))
        return index, track, start, tf.ensure_shape(tf.concat([inside, beyond], 0), (frames, *silence.shape))

    with tf.device("CPU"):
        steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
        clips = steps.map(rows).unbatch().map(clip, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        loaded = clips.batch(size).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    return ((Examples(*columns), x_0) for *columns, x_0 in loaded)


def _tensorflow() -> ModuleType:
    try:
        with _stderr_closed():  # it greets every start with several lines, which no setting of its own stops
            import tensorflow as tf
    except ImportError as error:
        raise UsageError(
            "loader=tf needs TensorFlow, which is not installed here; set loader=numpy, the batches are the same"
        ) from error
    with contextlib.suppress(RuntimeError):  # TensorFlow already runs in this process: its devices stand
        tf.config.set_visible_devices([], "GPU")
    return tf


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """What C++ writes to the process's stderr meanwhile is lost; Python's exceptions are not."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
