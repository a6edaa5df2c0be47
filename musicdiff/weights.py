"""Weights as files: a nested dict of arrays is one safetensors file, its keys joined by '/', its content named by a sha256."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from etils import epath

from musicdiff.errors import DataError, UsageError
from musicdiff.typing import Params

# safetensors' own reader of bytes knows no bfloat16, and its reader of files no remote paths.
DTYPES = {"BOOL": np.dtype(bool), "BF16": np.dtype(ml_dtypes.bfloat16), "C64": np.dtype("complex64")}
DTYPES |= {f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)}
DTYPES |= {f"{sign}{bits}": np.dtype(f"{sign}{bits // 8}".lower()) for sign in "IU" for bits in (8, 16, 32, 64)}


def write_tree(path: epath.PathLike, tree: Params, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a nested dict of arrays. The same content gives the same bytes, whatever the order of the keys.

    Raises UsageError for a key that is not a string without '/'.
    """
    data = safetensors.numpy.save(dict(_flatten(tree)))
    start, header = _header(data)
    if metadata:
        # The library writes metadata in the order of a randomly seeded hash map: sorted here instead.
        header = {"__metadata__": dict(sorted(metadata.items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format's arrays begin at a multiple of 8 bytes
    with epath.Path(path).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(memoryview(data)[start:])


def read_tree(path: epath.PathLike) -> dict[str, Any]:
    """The nested dict of numpy arrays that `write_tree` wrote. Raises DataError as `read_tensors` does."""
    tree: dict[str, Any] = {}
    for name, array in read_tensors(path).items():
        *folders, leaf = name.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = array
    return tree


def read_tensors(path: epath.PathLike) -> dict[str, np.ndarray]:
    """Any safetensors file as {name: array}. Raises DataError when it is missing, damaged, or of a type not in DTYPES."""
    data = _read(path)
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise DataError(f"{path} is truncated or no safetensors file ({error}): write or fetch it again") from error
    tensors = {}
    for name, entry in entries:
        if entry["dtype"] not in DTYPES:
            raise DataError(f"{path}: {name} is {entry['dtype']}; {', '.join(DTYPES)} can be read")
        tensors[name] = np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


@contextlib.contextmanager
def open_rows(path: epath.PathLike) -> Iterator[Callable[..., np.ndarray]]:
    """read(name, first=0, stop=None) -> rows first..stop of a tensor [n, ...]; of the file, however large, nothing else is read.

    Raises ValueError where the file is not whole, and `read` KeyError for a tensor that it has not.
    """
    path = epath.Path(path)
    with path.open("rb") as file:
        length, size = path.stat().length, int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(size, length)))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if 8 + size + max(entry["data_offsets"][1] for entry in entries.values()) > length:
            raise ValueError(f"{path} is cut short")

        def read(name: str, first: int = 0, stop: int | None = None) -> np.ndarray:
            (start, end), (count, *shape) = entries[name]["data_offsets"], entries[name]["shape"]
            each = (end - start) // count
            file.seek(8 + size + start + first * each)
            content = file.read(((count if stop is None else stop) - first) * each)
            return np.frombuffer(content, DTYPES[entries[name]["dtype"]]).reshape(-1, *shape)

        yield read


def read_metadata(path: epath.PathLike) -> dict[str, str]:
    """The strings that `write_tree` was given beside the tree; empty when there were none."""
    try:
        return _header(_read(path))[1].get("__metadata__", {})
    except ValueError as error:
        raise DataError(f"{path} is truncated or no safetensors file: write or fetch it again") from error


def sha256(path: epath.PathLike) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with epath.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(tree: Params) -> str:
    """The sha256 of a nested dict's names, dtypes, shapes and values: what a cache made with these weights is known by."""
    digest = hashlib.sha256()
    for name, array in sorted(_flatten(tree)):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _flatten(tree: Params, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for key, value in tree.items():
        if not isinstance(key, str) or "/" in key:
            raise UsageError(f"weights are named by strings without '/': rename {key!r} in {prefix or 'the tree'}")
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}/")
        else:
            # C order, or the library would write a transposed view's memory as it lies.
            yield prefix + key, np.asarray(value, order="C")


def _header(data: bytes) -> tuple[int, dict[str, Any]]:
    """Where the arrays start, and the JSON before them: a length of 8 bytes, little endian, then as much text."""
    start = 8 + int.from_bytes(data[:8], "little")
    return start, json.loads(data[8:start])


def _read(path: epath.PathLike) -> bytes:
    path = epath.Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist: check the path, or write or fetch these weights first")
    if path.is_dir():
        raise DataError(f"{path} is a folder: name the file of weights in it")
    return path.read_bytes()
