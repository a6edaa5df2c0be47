"""What samplers and sequencers read of a loop, in its WAV file: the chunks `smpl` (which samples repeat) and `acid` (tempo, beats, root)."""

import io
import struct
from typing import Any

from musicdiff.audio import container
from musicdiff.errors import UsageError

FIRST_NOTE = 60  # MIDI's middle C, an octave in which smpl says a root; a file that says none is, by MIDI's standard, of this note
ACID_FIRST_NOTE = 48  # C, where acid's roots begin
ACID_ROOT_SET, ACID_STRETCH = 0x02, 0x04
MOST = 2**16 - 1  # of beats, and of beats a bar
ALWAYS = 0  # smpl: repeats that never end, and a loop that runs forward
SMPL, SMPL_LOOP, ACID = "<9I", "<6I", "<IHHfIHHf"


def add(
    wav: bytes,
    *,
    loop: tuple[int, int] | None = None,
    bpm: float | None = None,
    beats: int | None = None,
    beats_per_bar: int | None = None,
    root: int | None = None,
) -> bytes:
    """A WAV file with the two chunks behind its samples. What is None is not said: `acid` is left out without tempo, beats and their number in a bar.

    loop: the samples that repeat, from the first to behind the last; root: semitones above C, 0 to 11
    Raises UsageError for what is no WAV file, a loop that is empty or longer than the file, and numbers out of range.
    """
    chunks = _chunks(wav)
    if b"fmt " not in chunks or b"data" not in chunks:
        raise UsageError("loop points go into WAV files only")
    _, _, rate, _, frame, _ = struct.unpack("<HHIIHH", chunks[b"fmt "][:16])
    for name, value in {"bpm": bpm, "beats": beats, "beats_per_bar": beats_per_bar}.items():
        if value is not None and not 0 < value <= MOST:
            raise UsageError(f"{name} of a loop must be above 0, and {MOST} at most; got {value}")
    if root is not None and not 0 <= root < 12:
        raise UsageError(f"a root is 0 to 11 semitones above C, not {root}")
    added = []
    if loop is not None:
        start, stop = loop
        if not 0 <= start < stop <= len(chunks[b"data"]) // frame:
            raise UsageError(f"samples {start} to {stop} are no loop of a file of {len(chunks[b'data']) // frame}")
        note = FIRST_NOTE + (root or 0)
        head = struct.pack(SMPL, 0, 0, round(1e9 / rate), note, 0, 0, 0, 1, 0)
        added.append((b"smpl", head + struct.pack(SMPL_LOOP, 0, ALWAYS, start, stop - 1, 0, ALWAYS)))
    if None not in (bpm, beats, beats_per_bar):
        flags = ACID_STRETCH | (0 if root is None else ACID_ROOT_SET)
        note = 0 if root is None else ACID_FIRST_NOTE + root
        added.append((b"acid", struct.pack(ACID, flags, note, 0x8000, 0.0, beats, 4, beats_per_bar, bpm)))
    body = wav[8 : 8 + struct.unpack("<I", wav[4:8])[0]]
    body += b"".join(name + struct.pack("<I", len(data)) + data for name, data in added)
    return wav[:4] + struct.pack("<I", len(body)) + body


def read(wav: bytes) -> dict[str, Any]:
    """What the two chunks of a WAV file say, as `add` takes it; what is not said is not there."""
    chunks, said = _chunks(wav), {}
    if b"smpl" in chunks:
        start, last = struct.unpack_from(SMPL_LOOP, chunks[b"smpl"], struct.calcsize(SMPL))[2:4]
        said["loop"] = (start, last + 1)
    if b"acid" in chunks:
        flags, note, _, _, beats, _, beats_per_bar, bpm = struct.unpack(ACID, chunks[b"acid"])
        said |= {"bpm": bpm, "beats": beats, "beats_per_bar": beats_per_bar}
        said |= {"root": note - ACID_FIRST_NOTE} if flags & ACID_ROOT_SET else {}
    return said


def _chunks(wav: bytes) -> dict[bytes, bytes]:
    """The data of each chunk of a WAV file by its name; of other files, none."""
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        return {}
    return {name: wav[start : start + length] for name, start, length in container.chunks(io.BytesIO(wav))}
