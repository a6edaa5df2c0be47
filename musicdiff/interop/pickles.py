"""Files of torch.save, read without torch and without running anything in them: tensors, plain containers and numbers, or a refusal.

Such a file is a pickle, a small program that may call whatever it names. Here it can name only what ADMITTED lists, which makes nothing but
descriptions of tensors; their numbers are then taken from the file where they lie.
"""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np
from etils import epath

from musicdiff.errors import DataError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the format before zip archives, which files of 2020 and before have


class Storage(NamedTuple):
    """A run of numbers in the file."""

    key: str
    dtype: np.dtype
    length: int


class Slot(NamedTuple):
    """A tensor: a view of a storage, its offset and strides in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Ordered(dict):
    """For OrderedDict; torch hangs remarks on it, which are not kept."""

    def __setstate__(self, state: Any) -> None:
        pass


class Ignored:
    """For what published files hold beside their tensors: numpy's numbers, such as a score."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


DTYPES = {"Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": ml_dtypes.bfloat16, "Bool": "?"}
DTYPES |= {"Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1"}
ADMITTED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: Slot(
        storage, offset, shape, strides
    ),
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("collections", "OrderedDict"): Ordered,
    ("_codecs", "encode"): Ignored,  # how bytes are written in old pickles
    ("numpy", "dtype"): Ignored,
    ("numpy.core.multiarray", "scalar"): Ignored,
    ("numpy._core.multiarray", "scalar"): Ignored,
}
ADMITTED |= {("torch", f"{name}Storage"): name for name in DTYPES}


class Reader(pickle.Unpickler):
    """Unpickles by ADMITTED only."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not read here")
        return ADMITTED[module, name]

    def persistent_load(self, pid: tuple) -> Storage:
        _, kind, key, _, length, *view = pid
        if any(view) or kind not in DTYPES:
            raise pickle.UnpicklingError(f"it has the storage {pid}")
        return Storage(key, np.dtype(DTYPES[kind]), length)


def read(path: epath.PathLike) -> Any:
    """What torch.save wrote: nested dicts, lists and tuples of numpy arrays and plain values. Arrays are read from the file when they are used.

    Raises DataError when the file is missing, damaged, or names anything but tensors.
    """
    try:
        with open(path, "rb") as file:
            tree, places = _archive(file) if zipfile.is_zipfile(file) else _stream(file)
        return _fill(tree, np.memmap(path, np.uint8, "r"), places)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: check the path, or put the file there") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder: name the file in it") from None
    # What a damaged or hostile pickle can raise is not written down anywhere; none of it says more than this.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is no file of torch.save that can be read here: {reason}") from error


def _archive(file: BinaryIO) -> tuple[Any, dict[str, int]]:
    """(the tree with slots, {storage: its first byte}) of a zip archive: a pickle, and an entry for each storage."""
    with zipfile.ZipFile(file) as archive:
        (root,) = (name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl"))
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        with archive.open(f"{root}data.pkl") as data:
            tree = Reader(data).load()
        places = {}
        for entry in archive.infolist():
            if entry.filename.startswith(f"{root}data/"):
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("its tensors are compressed")
                file.seek(entry.header_offset + 26)
                places[entry.filename.removeprefix(f"{root}data/")] = (
                    entry.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
                )
    return tree, places


def _stream(file: BinaryIO) -> tuple[Any, dict[str, int]]:
    """The same of the older format: five pickles, then each storage behind its length in 8 bytes."""
    file.seek(0)
    if Reader(file).load() != MAGIC or Reader(file).load() != VERSION:
        raise ValueError("another format")
    if not Reader(file).load()["little_endian"]:
        raise ValueError("its numbers are big-endian")
    tree = Reader(file).load()
    dtypes = {slot.storage.key: slot.storage.dtype for slot in _slots(tree)}
    places = {}
    for key in Reader(file).load():
        (length,) = struct.unpack("<q", file.read(8))
        places[key] = file.tell()
        file.seek(length * dtypes[key].itemsize, 1)
    return tree, places


def _slots(tree: Any) -> list[Slot]:
    if isinstance(tree, Slot):
        return [tree]
    inside = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    return [slot for item in inside for slot in _slots(item)]


def _fill(tree: Any, data: np.ndarray, places: Mapping[str, int]) -> Any:
    """The tree with arrays for slots."""
    if isinstance(tree, Slot):
        (key, dtype, length), offset, shape, strides = tree
        end = places[key] + length * dtype.itemsize
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
        # numpy looks at the same, but makes room of its own where a buffer is empty
        if min(length, offset, *shape, *strides) < 0 or (0 not in shape and last >= length) or end > len(data):
            raise ValueError("a tensor reaches beyond its numbers")
        steps = [dtype.itemsize * stride for stride in strides]
        return np.ndarray(shape, dtype, data[places[key] : end], offset * dtype.itemsize, steps)
    if isinstance(tree, Mapping):
        return {key: _fill(value, data, places) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_fill(item, data, places) for item in tree)
    return tree
