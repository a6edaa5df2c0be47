"""The clip that a tool is given: its samples as its file holds them, and the way to a model's rate and back."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from etils import epath

from musicdiff.audio import io
from musicdiff.errors import UsageError
from musicdiff.typing import Domain

EXACT = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")  # sample formats that are written as they were read
WIDER = {"PCM_U8": "PCM_16", "PCM_S8": "PCM_16"}  # those that another one holds exactly


@dataclass(frozen=True)
class Original:
    """audio float64 [N, C] at `rate`, full scale is 1; subtype and container: of the file that holds these samples exactly.

    name: of the file, without its suffix; sha256: of its bytes
    """

    audio: np.ndarray
    rate: int
    subtype: str
    container: str
    name: str
    sha256: str

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.rate


def read(path: epath.PathLike) -> Original:
    """A file as its samples. Of lossy ones they are what decoding gives, to be kept as 32-bit floats. Raises DataError for what cannot be read."""
    path = epath.Path(path)
    audio, rate = io.read(path, dtype="float64")
    known = io.probe(path).subtype
    subtype = known if known in EXACT else WIDER.get(known, "FLOAT")
    container = "flac" if path.suffix.lower() == ".flac" and subtype in ("PCM_16", "PCM_24") else "wav"
    return Original(audio, rate, subtype, container, path.stem, hashlib.sha256(path.read_bytes()).hexdigest())


def to_model(audio: np.ndarray, rate: int, domain: Domain) -> np.ndarray:
    """[N, C] at `rate` -> float32 [round(N rate' / rate), C'], at the model's rate, in its channels. Raises UsageError where nothing is left."""
    given = io.resample(io.mix(audio, domain.channels), rate, domain.sample_rate)
    if not len(given):
        raise UsageError(
            f"a clip of {len(audio) / rate:.2g} s is less than one sample at the model's {domain.sample_rate} Hz: take a longer one"
        )
    return given


def from_model(audio: np.ndarray, domain: Domain, rate: int, channels: int) -> np.ndarray:
    """[N', C'] of the model -> float64 [round(N' rate / rate'), C] at `rate`; mono is both of two channels, and more than two are mono."""
    given = io.mix(audio, channels) if channels <= 2 else np.repeat(io.mix(audio, 1), channels, axis=1)
    return io.resample(given, domain.sample_rate, rate).astype(np.float64)


def step(rate: int, domain: Domain) -> int:
    """Samples at the model's rate after which a sample of the file falls on one of the model's again."""
    return domain.sample_rate // math.gcd(rate, domain.sample_rate)


def remarks(rate: int, channels: int, domain: Domain) -> tuple[str, ...]:
    """What a model cannot give a clip of this rate and these channels."""
    notes = []
    if rate > domain.sample_rate:
        notes.append(
            f"note: what this model makes ends at {domain.sample_rate / 2000:.4g} kHz; the file goes up to {rate / 2000:.4g}"
        )
    if channels > domain.channels:
        notes.append(
            f"note: what this model makes is {'mono' if domain.channels == 1 else 'stereo'}, the same in all channels of the file"
        )
    return tuple(notes)
