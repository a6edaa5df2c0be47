"""A WAV file that grows: valid after every block, and beyond 4 GiB as RF64 (EBU Tech 3306), whose longer header it has room for from the first."""

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np

from musicdiff.errors import DataError, UsageError

BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # a sample
HEADER = 80  # bytes before the samples
LARGEST = 2**32 - 1  # that a RIFF chunk can say


def check_room(folder: Any, num_samples: int, channels: int, subtype: str) -> int:
    """Bytes of a file of so many samples. Raises UsageError for an unknown sample format, DataError where the disk of `folder` has no room for it."""
    size = HEADER + num_samples * channels * BYTES[check_subtype(subtype)]
    there = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise DataError(
            f"{folder}: {size / 1e9:.4g} GB of disk are needed, and {free / 1e9:.4g} are free: make room, or ask for less"
        )
    return size


def check_subtype(subtype: str) -> str:
    """The sample format, if files that grow have it. Raises UsageError where they have not."""
    if subtype not in BYTES:
        raise UsageError(f"a file that grows has one of the sample formats {', '.join(BYTES)}, not {subtype}")
    return subtype


class Wav:
    """A file at a local path, to be appended to. Samples beyond full scale are clipped in formats that end there.

    num_samples: None begins a new file; else the first so many samples of the one that is there are kept, and what is behind them is cut off
    Raises UsageError for an unknown sample format, DataError where there are not so many samples.
    """

    def __init__(self, path: Any, rate: int, channels: int, subtype: str = "PCM_24", num_samples: int | None = None):
        self.path, self.rate, self.channels, self.subtype = Path(path), rate, channels, check_subtype(subtype)
        self.num_samples = num_samples or 0
        if num_samples is None:
            self.path.write_bytes(b"")
        elif not self.path.exists() or self.path.stat().st_size < HEADER + self._size:
            raise DataError(
                f"{path} is shorter than the {num_samples} samples that were written: remove it and its state file, and begin anew"
            )
        self.append(np.zeros((0, channels)))

    def append(self, audio: np.ndarray) -> None:
        """Writes [n, C], full scale is 1, and the header with it; both are on the disk when it returns."""
        self._write(audio, b"")

    def finish(self, comment: str) -> None:
        """Writes behind the samples what the file says of itself, as the comment that libsndfile and players read (LIST INFO, ICMT)."""
        text = comment.encode() + b"\0"
        text += bytes(len(text) % 2)  # chunks are padded to even sizes
        body = b"INFO" + struct.pack("<4sI", b"ICMT", len(text)) + text
        self._write(np.zeros((0, self.channels)), struct.pack("<4sI", b"LIST", len(body)) + body)

    def _write(self, audio: np.ndarray, behind: bytes) -> None:
        with open(self.path, "r+b") as file:
            file.truncate(HEADER + self._size)
            file.seek(HEADER + self._size)
            file.write(encode(audio, self.subtype))
            self.num_samples += len(audio)
            file.write(bytes(self._size % 2) + behind)
            file.seek(0)
            file.write(header(self._size, self.rate, self.channels, self.subtype, len(behind)))
            file.flush()
            os.fsync(file.fileno())

    @property
    def _size(self) -> int:
        return self.num_samples * self.channels * BYTES[self.subtype]


def header(size: int, rate: int, channels: int, subtype: str, behind: int = 0) -> bytes:
    """The first 80 bytes of a file of `size` bytes of samples, and so many behind them."""
    width = BYTES[subtype]
    whole = HEADER - 8 + size + size % 2 + behind
    large = whole > LARGEST
    kind = 3 if subtype in ("FLOAT", "DOUBLE") else 1
    sizes = struct.pack("<QQQI", whole, size, size // (channels * width), 0) if large else bytes(28)
    return b"".join(
        [
            struct.pack("<4sI4s", b"RF64" if large else b"RIFF", LARGEST if large else whole, b"WAVE"),
            struct.pack("<4sI", b"ds64" if large else b"JUNK", 28) + sizes,
            struct.pack(
                "<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * channels * width, channels * width, 8 * width
            ),
            struct.pack("<4sI", b"data", LARGEST if large else size),
        ]
    )


def encode(audio: np.ndarray, subtype: str) -> bytes:
    """[n, C] as the bytes of a sample format, rounded as `audio.io.write` rounds, so that copies are exact."""
    if subtype in ("FLOAT", "DOUBLE"):
        return np.ascontiguousarray(audio, "<f4" if subtype == "FLOAT" else "<f8").tobytes()
    width = BYTES[subtype]
    scale = 2.0 ** (8 * width - 1)
    steps = np.clip(np.round(np.asarray(audio, np.float64) * scale), -scale, scale - 1).astype("<i4")
    return steps[..., None].view(np.uint8)[..., :width].tobytes()
