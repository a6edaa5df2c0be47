"""Log-mel spectrograms in [-1, 1]: MelSpec holds all their numbers, log_mel makes them, power_of undoes the scale."""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff.audio import stft
from musicdiff.errors import UsageError

POWER_FLOOR = 1e-10  # librosa's amin: -100 dB


@dataclass(frozen=True)
class MelSpec:
    """A log-mel spectrogram: the audio behind it, its frames, its bins, and the decibels that -1 and +1 stand for.

    sample_rate: Hz
    n_fft, hop: samples of a frame, and between frames
    num_mels: Slaney bins, normalised by area, from f_min to f_max Hz (None: half the sample rate)
    channels: 1 mono; 2 stereo, held as mid = (L + R) / 2 and side = (L - R) / 2
    db_top, db_range: +1 is db_top dB of mel power (full scale of the audio is 1), -1 is db_top - db_range
    level: 'absolute' keeps the loudness. 'clip' is the historical recipe, where +1 is the loudest bin of each clip, in
        8 bits: db_top is not used, see `historical_log_mel`
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop: int = 256
    num_mels: int = 128
    f_min: float = 0.0
    f_max: float | None = None
    channels: int = 1
    db_top: float = 32.0
    db_range: float = 80.0
    level: str = "absolute"

    def __post_init__(self):
        top = self.sample_rate / 2 if self.f_max is None else self.f_max
        checks = {
            "sample_rate, num_mels and db_range must be positive": min(self.sample_rate, self.num_mels, self.db_range)
            > 0,
            "n_fft must be even and hop at most a third of it": self.n_fft % 2 == 0 and 3 <= 3 * self.hop <= self.n_fft,
            "0 <= f_min < f_max <= sample_rate / 2 must hold": 0 <= self.f_min < top <= self.sample_rate / 2,
            "channels must be 1 or 2": self.channels in (1, 2),
            "level must be 'absolute' or 'clip'": self.level in ("absolute", "clip"),
            "level 'clip' is mono": self.level == "absolute" or self.channels == 1,
        }
        for rule, holds in checks.items():
            if not holds:
                raise UsageError(f"mel: {rule}; got {self}")

    def seconds(self, num_frames: int) -> float:
        """Duration of so many frames."""
        return num_frames * self.hop / self.sample_rate

    def num_frames(self, num_samples: int) -> int:
        """Frames of so many samples: ceil(N / hop)."""
        return stft.num_frames(num_samples, self.hop)


@lru_cache
def filter_bank(spec: MelSpec) -> np.ndarray:
    """Slaney's mel filters, normalised by area (librosa's default): float32 [n_fft // 2 + 1, F], read-only.

    Raises UsageError when bands lie between two bins of the FFT, and so would always be silent.
    """
    import librosa.filters

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of empty bands; here they are an error
        bank = librosa.filters.mel(
            sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.num_mels, fmin=spec.f_min, fmax=spec.f_max
        ).T
    num_empty = np.sum(bank.max(axis=0) == 0)
    if num_empty:
        raise UsageError(
            f"mel: {num_empty} of {spec.num_mels} bands are empty; use a smaller num_mels or a larger n_fft"
        )
    bank.flags.writeable = False
    return bank


def band_centres(spec: MelSpec) -> np.ndarray:
    """Frequencies of the bins' centres, Hz: float [F]."""
    import librosa

    f_max = spec.sample_rate / 2 if spec.f_max is None else spec.f_max
    return librosa.mel_frequencies(spec.num_mels + 2, fmin=spec.f_min, fmax=f_max)[1:-1]


def mel_power(audio: Array, spec: MelSpec, padding: str = "zeros") -> Array:
    """P = |STFT|^2 M: audio [B, N, C] -> [B, T, F, C], T = ceil(N / hop); stereo as mid, side; padding as in stft."""
    if audio.shape[-1] != spec.channels:
        raise UsageError(f"mel: audio {audio.shape} should end in {spec.channels} channels")
    if spec.channels == 2:
        audio = to_mid_side(audio)
    spectrum = stft.stft(jnp.moveaxis(audio, -1, -2), spec.n_fft, spec.hop, padding)  # [B, C, T, K]
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return jnp.moveaxis(jnp.matmul(power, filter_bank(spec), precision="highest"), 1, -1)


def log_mel(audio: Array, spec: MelSpec, padding: str = "zeros") -> Array:
    """x = clip((10 log10 P - db_top) / (db_range / 2) + 1, -1, 1): audio [B, N, C] -> float32 [B, T, F, C].

    Pure and jittable; within 5e-3 dB of librosa. Raises UsageError for level 'clip'.
    """
    if spec.level != "absolute":
        raise UsageError("mel: level 'clip' is made by historical_log_mel, clip by clip on the host")
    decibels = 10 * jnp.log10(jnp.maximum(mel_power(audio, spec, padding), POWER_FLOOR))
    return jnp.clip((decibels - spec.db_top) / (spec.db_range / 2) + 1, -1, 1).astype(jnp.float32)


def decibels_of(log_mel: Array, spec: MelSpec) -> Array:
    """db_top + (x - 1) db_range / 2: the decibels that x stands for; with level 'clip', 0 is the loudest bin."""
    top = spec.db_top if spec.level == "absolute" else 0.0
    return top + (log_mel - 1) * (spec.db_range / 2)


def power_of(log_mel: Array, spec: MelSpec) -> Array:
    """P = 10^(decibels_of(x) / 10), and 0 where x <= -1: the floor stands for silence."""
    decibels = decibels_of(jnp.clip(log_mel, -1, 1), spec)
    return jnp.where(log_mel <= -1, 0.0, 10 ** (decibels / 10))


def historical_log_mel(audio: np.ndarray, spec: MelSpec) -> np.ndarray:
    """The recipe of earlier mel diffusion models: dB below the clip's maximum, -db_range..0 rounded to 0..255.

    On the host, by librosa, so that 8-bit images are identical. A clip of T frames has T hop - 1 samples there: the
    last sample of T hop, which would begin another frame, is left out.

    Args:
        audio: one clip, [N, 1]

    Returns:
        float32 [T, F, 1], each value i / 127.5 - 1 of an 8-bit i
    """
    import librosa

    num = spec.num_frames(len(audio))
    power = librosa.feature.melspectrogram(
        y=audio[: num * spec.hop - 1, 0],
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        hop_length=spec.hop,
        n_mels=spec.num_mels,
        fmin=spec.f_min,
        fmax=spec.f_max,
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=spec.db_range)
    image = np.floor(np.clip((decibels + spec.db_range) * 255 / spec.db_range, 0, 255) + 0.5)
    return (image.T[..., None] / 127.5 - 1).astype(np.float32)


def to_mid_side(audio: Array) -> Array:
    """mid = (L + R) / 2, side = (L - R) / 2, on the last axis."""
    left, right = audio[..., 0], audio[..., 1]
    return jnp.stack([(left + right) / 2, (left - right) / 2], axis=-1)


def to_left_right(audio: Array) -> Array:
    """L = mid + side, R = mid - side, on the last axis: the inverse of to_mid_side."""
    mid, side = audio[..., 0], audio[..., 1]
    return jnp.stack([mid + side, mid - side], axis=-1)
