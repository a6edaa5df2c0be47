"""File containers, below the samples: what a cut file lacks, and the clock readings that encoders put in."""

import io
import struct
from typing import BinaryIO

UNKNOWN_SIZE = 0xFFFFFFFF  # what streaming writers put where a size belongs


def missing_bytes(file: BinaryIO) -> int:
    """How many bytes a WAV, AIFF or Ogg file promises beyond its end, by its chunk sizes or its last page; else 0.

    libsndfile reads such files short without a word. Of the other formats, a cut FLAC raises, and a cut MP3 decodes
    fewer samples than its header says.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    magic = file.read(12)
    if magic[:4] == b"OggS":
        return _ogg_end(file, size) - size
    if magic[:4] == b"RIFF" and magic[8:] == b"WAVE":
        return _data_end(file, size, b"data", "<") - size
    if magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"):
        return _data_end(file, size, b"SSND", ">") - size
    return 0


def without_clock(data: bytes) -> bytes:
    """The file, the same whenever written: no time stamp in a float WAV's PEAK chunk, no random number in Ogg pages."""
    if data[:4] == b"OggS":
        return _renumbered(data)
    peak = data.find(b"PEAK", 0, data.find(b"data"))
    stamp = peak + 12  # after name, size and version
    return data if peak < 0 else data[:stamp] + bytes(4) + data[stamp + 4 :]


def _data_end(file: BinaryIO, size: int, wanted: bytes, order: str) -> int:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        position += 8
        if name == wanted:
            return size if length == UNKNOWN_SIZE else max(size, position + length)
        position += length + length % 2  # chunks are padded to even sizes
    return size


def _ogg_end(file: BinaryIO, size: int) -> int:
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            return max(size, position + 27)
        lengths = file.read(header[26])
        position += 27 + header[26] + sum(lengths)
    return max(size, position)


def _renumbered(data: bytes) -> bytes:
    from mutagen.ogg import OggPage  # computes the pages' checksums anew

    source, pages = io.BytesIO(data), []
    while source.tell() < len(data):
        page = OggPage(source)
        page.serial = 0
        pages.append(page.write())
    return b"".join(pages)
