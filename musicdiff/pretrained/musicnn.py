"""musicnn: a tagger of music (ISMIR 2019 late-breaking demo, arXiv 1909.06654), trained on MagnaTagATune and on the Million Song Dataset."""

import math
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from musicdiff.errors import DataError
from musicdiff.pretrained import Wheel

WHEEL = Wheel(
    package="musicnn",
    version="0.1.0",
    sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
    size=29_292_476,
    licence="ISC",
    contents="music tagger musicnn, 792,079 floats twice: 50 tags of MagnaTagATune, 50 of the Million Song Dataset",
)
CHECKPOINTS = ("MTT_musicnn", "MSD_musicnn")
# The layers of networks.musicnn, in the order in which TensorFlow numbered theirs.
CONVOLUTIONS = ("timbral_0", "timbral_1", "temporal_0", "temporal_1", "temporal_2", "mid_0", "mid_1", "mid_2")
NORMS = ("norm_input", *(f"norm_{name}" for name in CONVOLUTIONS), "norm_pooled", "norm_dense")
LEAVES = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "variance"}

MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1  # of TensorFlow's DataType


def convert(wheel: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """The two checkpoints as parameters of `networks.musicnn.Musicnn`; what the optimizer left in them is dropped."""
    return {f"{name}.safetensors": _params(wheel, f"musicnn/{name}/") for name in CHECKPOINTS}


def _params(wheel: zipfile.ZipFile, folder: str) -> dict[str, Any]:
    tensors = read_checkpoint(wheel.read(f"{folder}.index"), wheel.read(f"{folder}.data-00000-of-00001"))

    def layer(kind: str, number: int, leaves: dict[str, str]) -> dict[str, np.ndarray]:
        name = f"{kind}_{number}" if number else kind
        return {ours: tensors[f"{name}/{theirs}"] for theirs, ours in leaves.items()}

    weights = {"kernel": "kernel", "bias": "bias"}
    params = {name: layer("batch_normalization", i, LEAVES) for i, name in enumerate(NORMS)}
    params |= {name: layer("conv2d", i, weights) for i, name in enumerate(CONVOLUTIONS)}
    params |= {name: layer("dense", i, weights) for i, name in enumerate(("dense", "tags"))}
    for i in range(3):  # theirs are pictures with one row
        kernel = params[f"mid_{i}"]["kernel"]  # [7, F, 1, C]
        params[f"mid_{i}"]["kernel"] = kernel[:, :, 0]
    return params


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """A TensorFlow checkpoint with one data file as {name: float32 array}.

    The index is a sorted string table (LevelDB's format, uncompressed): a footer that points to a block of pointers to blocks of
    (name, BundleEntryProto) pairs. Raises DataError for anything else.
    """
    try:
        if struct.unpack("<Q", index[-8:])[0] != MAGIC:
            raise ValueError("no magic number at the end")
        footer = index[-48:]
        _, at = _handle(footer, 0)  # of a block of statistics
        blocks, _ = _handle(footer, at)
        entries = [entry for _, handle in _entries(index, *blocks) for entry in _entries(index, *_handle(handle, 0)[0])]
        return {name.decode(): _tensor(dict(_fields(proto)), data) for name, proto in entries if name}
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise DataError(f"not a TensorFlow checkpoint that can be read here ({error!r})") from error


def _handle(block: bytes, at: int) -> tuple[tuple[int, int], int]:
    """((offset, size) of a block, where it ends)."""
    offset, at = _varint(block, at)
    size, at = _varint(block, at)
    return (offset, size), at


def _entries(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of a block; each key repeats a prefix of the one before, and is written without it."""
    block, kind = index[offset : offset + size], index[offset + size]
    if kind:
        raise ValueError("compressed")
    (restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, len(block) - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + unshared]
        at += unshared + length
        yield key, block[at - length : at]


def _tensor(proto: dict[int, Any], data: bytes) -> np.ndarray:
    """BundleEntryProto: 1 dtype, 2 shape, 3 data file, 4 offset, 5 size; a field that is 0 is left out."""
    shape = [dict(_fields(dim)).get(1, 0) for _, dim in _fields(proto.get(2, b""))]
    start, size = proto.get(4, 0), proto[5]
    if proto[1] != FLOAT32 or proto.get(3) or size != 4 * math.prod(shape) or start + size > len(data):
        raise ValueError(f"an entry {proto}")
    return np.frombuffer(data, "<f4", size // 4, start).reshape(shape)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a protocol buffer: int, or bytes of what has a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag % 8 == 0:
            value, at = _varint(message, at)
        elif tag % 8 in (2, 5):
            length, at = _varint(message, at) if tag % 8 == 2 else (4, at)
            value, at = message[at : at + length], at + length
        else:
            raise ValueError(f"a field of type {tag % 8}")
        yield tag // 8, value


def _varint(block: bytes, at: int) -> tuple[int, int]:
    """(a number in groups of seven bits, the least first, where it ends)."""
    value = shift = 0
    while True:
        byte = block[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
