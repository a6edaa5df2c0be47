"""File containers, below the samples: their chunks, what a cut file lacks, and the clock readings that encoders put in."""

import io
import struct
from collections.abc import Iterator
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
    # By its chunk: the four letters may stand in a prompt too, or in the samples of another format.
    for name, position, _ in chunks(io.BytesIO(data)) if data[:4] == b"RIFF" else ():
        if name == b"PEAK":
            stamp = position + 4  # after the version
            data = data[:stamp] + bytes(4) + data[stamp + 4 :]
    return data


def chunks(file: BinaryIO, order: str = "<") -> Iterator[tuple[bytes, int, int]]:
    """(name, where its data begin, how many bytes they are said to be) of each chunk of a RIFF ('<') or AIFF ('>') file, in its order."""
    size, position = file.seek(0, io.SEEK_END), 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        yield name, position + 8, length
        position += 8 + length + length % 2  # chunks are padded to even sizes


def _data_end(file: BinaryIO, size: int, wanted: bytes, order: str) -> int:
    for name, position, length in chunks(file, order):
        if name == wanted:
            return size if length == UNKNOWN_SIZE else max(size, position + length)
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
