"""Audio files in and out: soundfile for the formats, soxr for the rates.

Files hold [N, C], full scale is 1. A bad file raises DataError, which names the file and its defect.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr
from etils import epath

from musicdiff.audio import container
from musicdiff.errors import DataError, UsageError

EXTENSIONS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
WRITABLE = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
}  # format, default subtype
PCM_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
PEAK_LIMIT = 100.0  # 40 dB above full scale: beyond it samples are garbage, or integers that someone called floats


@dataclass(frozen=True)
class Header:
    """What a file says of itself: Hz, channels, samples a channel, and libsndfile's name of the sample format."""

    sample_rate: int
    channels: int
    num_frames: int
    subtype: str

    @property
    def seconds(self) -> float:
        return self.num_frames / self.sample_rate


def probe(path: epath.PathLike) -> Header:
    """The header of an audio file, without its samples.

    Raises:
        DataError: the file is missing, empty, not audio, or holds no samples.
    """
    with _open(path) as file:
        return _decoder(path, file)[1]


def read(
    path: epath.PathLike, *, sample_rate: int | None = None, channels: int | None = None, dtype: str = "float32"
) -> tuple[np.ndarray, int]:
    """A whole file as (audio [N, C], sample_rate); full scale is 1.

    Args:
        path: local or remote (gs://...), of any of EXTENSIONS
        sample_rate: Hz to resample to; None keeps the file's
        channels: 1 or 2, made by `mix`; None keeps the file's
        dtype: 'float32', or 'float64', which alone holds samples of 32-bit integers and of doubles exactly; resampled ones are float32

    Raises:
        DataError: the file is missing, empty, not audio, without samples or truncated, or holds NaN, infinities or
            absurd values.
    """
    with _open(path) as file:
        missing = container.missing_bytes(file)
        if missing:
            raise DataError(f"{path}: truncated: {missing} bytes are missing; copy or download it again")
        decoder, header = _decoder(path, file)
        try:
            audio = decoder.read(dtype=dtype, always_2d=True)  # [N, C]
        except soundfile.SoundFileError as error:
            raise DataError(
                f"{path}: truncated or damaged: decoding stopped midway; copy or download it again"
            ) from error
    if len(audio) < header.num_frames:
        lost = f"{len(audio)} of {header.num_frames} samples"
        raise DataError(f"{path}: truncated: only {lost} could be decoded; copy or download it again")
    peak = np.max(np.abs(audio))
    if not np.isfinite(peak):
        raise DataError(f"{path}: holds NaN or infinite samples; export it again from its source")
    if peak > PEAK_LIMIT:
        raise DataError(
            f"{path}: absurd sample values, up to {peak:.3g} where full scale is 1; export it again from its source"
        )
    audio = mix(audio, channels or header.channels)
    if sample_rate in (None, header.sample_rate):
        return audio, header.sample_rate
    return resample(audio, header.sample_rate, sample_rate), sample_rate


def write(
    path: epath.PathLike,
    audio: np.ndarray,
    sample_rate: int,
    *,
    subtype: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> float:
    """Writes audio [N, C]; the suffix is the format (.wav, .flac or .ogg). The same arguments make the same bytes.

    Samples read from files of 16, 24 or 32 bits, and floats, come back bit for bit. Nothing is clipped: where the format cannot hold a peak
    above 1, the whole file is turned down to fit, and the gain is returned and noted in the provenance.

    Args:
        audio: float [N, C], full scale is 1
        subtype: PCM_16, PCM_24, FLOAT, VORBIS, ...; None is PCM_24 for .wav and .flac, VORBIS for .ogg
        provenance: JSON-able; goes into the file's comment tag and into a sidecar, the same name with the suffix .json

    Returns:
        the gain applied, in dB: 0 unless the peak was above 1 and the subtype is not FLOAT or DOUBLE

    Raises:
        UsageError: an unknown suffix, a subtype that the format lacks, or audio that is not [N, C] of finite values.
    """
    path, audio = epath.Path(path), np.asarray(audio)
    if path.suffix.lower() not in WRITABLE:
        raise UsageError(f"{path}: cannot write {path.suffix!r} files; use one of {', '.join(WRITABLE)}")
    file_format, default = WRITABLE[path.suffix.lower()]
    subtype = subtype or default
    if not soundfile.check_format(file_format, subtype):
        allowed = ", ".join(soundfile.available_subtypes(file_format))
        raise UsageError(f"{path}: {file_format} has no subtype {subtype!r}; it has {allowed}")
    if audio.ndim != 2 or not audio.size:
        raise UsageError(f"{path}: audio to write must be [N, C] with samples in it; got shape {audio.shape}")
    peak = float(np.max(np.abs(audio)))
    if not np.isfinite(peak):
        raise UsageError(f"{path}: audio to write must be finite; it holds NaN or infinite samples")
    gain_db = 0.0
    if peak > 1 and subtype not in ("FLOAT", "DOUBLE"):
        audio, gain_db = audio / peak, -20 * float(np.log10(peak))
    if provenance is not None:
        provenance = {**provenance, "gain_db": round(gain_db, 3)} if gain_db else dict(provenance)
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, audio.shape[1], subtype, format=file_format) as encoder:
            if provenance is not None:
                encoder.comment = json.dumps(provenance)
            floats = np.float64 if subtype == "DOUBLE" else np.float32
            samples = _quantize(audio, PCM_BITS[subtype]) if subtype in PCM_BITS else audio.astype(floats)
            for start in range(0, len(samples), sample_rate):  # libvorbis overflows its stack on one long block
                encoder.write(samples[start : start + sample_rate])
    except soundfile.SoundFileError as error:
        raise UsageError(
            f"{path}: {file_format} {subtype} cannot hold {audio.shape[1]} channels at {sample_rate} Hz"
        ) from error
    path.write_bytes(container.without_clock(buffer.getvalue()))
    if provenance is not None:
        path.with_suffix(".json").write_text(json.dumps(provenance, indent=2) + "\n")
    return gain_db


def resample(audio: np.ndarray, rate: int, to: int) -> np.ndarray:
    """[N, C] from `rate` to `to` Hz, band-limited (soxr, high quality): float32 [round(N to / rate), C]."""
    audio = np.asarray(audio, np.float32)
    if rate == to:
        return audio
    num_samples = round(len(audio) * to / rate)
    out = soxr.resample(audio, rate, to)[:num_samples]
    return np.pad(out, ((0, num_samples - len(out)), (0, 0)))  # soxr's own length may differ by one


def mix(audio: np.ndarray, channels: int) -> np.ndarray:
    """[N, C] in 1 or 2 channels: 1 is their mean; 2 repeats mono, or takes the first two of more (left, right)."""
    if channels == audio.shape[1]:
        return audio
    if channels == 1:
        return audio.mean(axis=1, keepdims=True)
    if channels == 2:
        return np.repeat(audio, 2, axis=1) if audio.shape[1] == 1 else audio[:, :2]
    raise UsageError(f"cannot mix {audio.shape[1]} channels to {channels}; channels must be 1 or 2")


def _open(path: epath.PathLike) -> BinaryIO:
    path = epath.Path(path)
    try:
        return io.BytesIO(path.read_bytes()) if "://" in str(path) else open(path, "rb")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be opened ({error.strerror or error}); check the path and its permissions"
        ) from error


def _decoder(path: epath.PathLike, file: BinaryIO) -> tuple[soundfile.SoundFile, Header]:
    if not file.seek(0, io.SEEK_END):
        raise DataError(f"{path}: an empty file (0 bytes); copy or download it again")
    file.seek(0)
    try:
        decoder = soundfile.SoundFile(file)
    except soundfile.SoundFileError as error:
        raise DataError(f"{path}: not readable as audio; musicdiff reads {', '.join(EXTENSIONS)}") from error
    if not decoder.frames:
        raise DataError(f"{path}: a header without samples; export it again from its source")
    return decoder, Header(decoder.samplerate, decoder.channels, decoder.frames, decoder.subtype)


def _quantize(audio: np.ndarray, bits: int) -> np.ndarray:
    # libsndfile scales floats by 2^(bits - 1) - 1 on writing but by 2^(bits - 1) on reading, which would move samples
    # by one step on every copy. Integers, left-justified in 32 bits as it takes them, are written as they are.
    scale = 2.0 ** (bits - 1)
    steps = np.clip(np.round(audio.astype(np.float64) * scale), -scale, scale - 1).astype(np.int64)
    return (steps << (32 - bits)).astype(np.int32)
