"""An embedding for tests, exact and compiled in no time: how loud each quarter of a window is. And clips to listen to."""

import jax.numpy as jnp
import numpy as np

from musicdiff.audio import io
from musicdiff.evaluation.embedding import Embedding, Windows

RATE, WINDOW = 8000, 1024


def make(name="loudness", weights="0" * 64):
    """RMS [B, 4] of the quarters of windows of 128 ms, the last one filled with zeros."""
    return Embedding(
        name=name,
        protocol="RMS of quarters of 1024 samples at 8 kHz, no overlap, zeros behind the end",
        sample_rate=RATE,
        window=WINDOW,
        hop=WINDOW,
        width=4,
        weights=weights,
        params={},
        cut=cut,
        apply=lambda params, x: jnp.sqrt(jnp.mean(jnp.square(x.reshape(len(x), 4, -1)), axis=-1)),
    )


def cut(audio):
    count = -(-len(audio) // WINDOW)
    missing = count * WINDOW - len(audio)
    padding = np.zeros(count, np.float32)
    padding[count - 1 :] = missing / WINDOW
    return Windows(np.pad(audio, (0, missing)).astype(np.float32).reshape(count, WINDOW), padding)


def clips(count, seed, windows=4, spread=0.3):
    """(name, audio [N, 1]): noise whose loudness is each clip's own, and moves from window to window."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        loudness = 0.1 * np.exp(spread * (rng.normal() + 0.5 * rng.normal(size=windows)))
        noise = rng.normal(size=(windows, WINDOW)) * loudness[:, None]
        yield f"clip {i:03d}.wav", np.clip(noise, -1, 1).astype(np.float32).reshape(-1, 1)


def write(folder, sounds, rate=RATE):
    """Sounds as files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio in sounds:
        io.write(folder / name, audio, rate, subtype="FLOAT")
    return folder
