"""Statistics of a log-mel in time: five numbers for each of 40 bands, by a definition and no training. A distance of them is a mel-FD, and no FAD.

Of a window's decibels X[t, f], 256 frames of 40 bands:

    mean       mean_t X                                  the spectrum, with its level
    deviation  (mean_t (X - mean)^2)^(1/2)               dynamics
    change     mean_t |X[t] - X[t - 1]|                  how restless
    low        mean - the 10 % quantile of X             how deep it falls
    high       the 90 % quantile of X - mean             how far accents stand out

each divided by UNITS, what it typically varies by from one window of music to another: none outweighs the others, and a change of level is in the
mean alone.
"""

import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array

from musicdiff.audio.mel import MelSpec, decibels_of, log_mel
from musicdiff.errors import UsageError
from musicdiff.evaluation.embedding import Embedding, Windows
from musicdiff.typing import Params

VARIANTS = ()
SPEC = MelSpec(num_mels=40)
WINDOW = 65_536  # 256 frames, 2.97 s
UNITS = {
    "mean": 9.0,
    "deviation": 4.0,
    "change": 0.75,
    "low": 6.0,
    "high": 5.0,
}  # dB: deviations over 270 windows of 28 built-in songs
PROTOCOL = (
    f"{', '.join(f'{name} / {unit:g}' for name, unit in UNITS.items())} over time of 40 Slaney bands in dB from -48 to 32, frames of 1024 every "
    "256 samples, zeros outside; windows of 65536 samples without overlap, a rest left out, a shorter clip filled with zeros"
)


def build(variant: str, weights: epath.PathLike | None) -> Embedding:
    """Raises UsageError for weights: there are none."""
    if weights is not None:
        raise UsageError(f"melstats is computed without weights: leave {weights} out")
    return Embedding(
        name="melstats",
        protocol=PROTOCOL,
        sample_rate=SPEC.sample_rate,
        window=WINDOW,
        hop=WINDOW,
        width=len(UNITS) * SPEC.num_mels,
        weights="",
        params={},
        cut=cut,
        apply=embed,
    )


def cut(audio: np.ndarray) -> Windows:
    """[N] -> [n, WINDOW]: whole windows; a clip shorter than one is filled with zeros."""
    padding = max(0, 1 - len(audio) / WINDOW) if len(audio) else 0
    if padding:
        audio = np.pad(audio, (0, WINDOW - len(audio)))
    count = len(audio) // WINDOW
    windows = audio[: count * WINDOW].astype(np.float32).reshape(count, WINDOW)
    return Windows(windows, np.full(count, padding, np.float32))


def embed(params: Params, windows: Array) -> Array:
    """[B, WINDOW] -> [B, 200]. Pure; for jax.jit."""
    x = decibels_of(log_mel(windows[..., None], SPEC), SPEC)[..., 0]  # [B, T, F]
    mean = x.mean(axis=1)
    low, high = jnp.quantile(x, jnp.array([0.1, 0.9]), axis=1)
    change = jnp.abs(jnp.diff(x, axis=1)).mean(axis=1)
    statistics = {"mean": mean, "deviation": x.std(axis=1), "change": change, "low": mean - low, "high": high - mean}
    return jnp.concatenate([statistics[name] / unit for name, unit in UNITS.items()], axis=-1)
