"""Log-mels of whole tracks, however long: fixed-size chunks, so that XLA compiles one program and holds one chunk."""

import threading
from functools import partial

import jax
import numpy as np

from musicdiff.audio.mel import MelSpec, log_mel

CHUNK = 1024  # frames: 12 s at 22050 Hz and hop 256
# One program at a time: two that share a pool of two threads can wait for each other for ever (seen with jax 0.11.2 on CPU).
TURN = threading.Lock()


def whole_mel(audio: np.ndarray, spec: MelSpec) -> np.ndarray:
    """log_mel(audio) computed CHUNK frames at a time.

    A frame sees n_fft / 2 samples on either side, and log_mel pads with zeros: a chunk that comes with that much of its surroundings, zeros
    beyond the ends of the track, has the same frames as the whole.

    Args:
        audio: float32 [N, C] at spec.sample_rate

    Returns:
        float32 [T, F, C], T = ceil(N / hop)
    """
    context = -(-spec.n_fft // (2 * spec.hop))  # frames on either side
    num_frames = spec.num_frames(len(audio))
    out = np.empty((num_frames, spec.num_mels, spec.channels), np.float32)
    window = np.empty(((CHUNK + 2 * context) * spec.hop, spec.channels), np.float32)
    with TURN, jax.default_device(_cpu()):
        for first in range(0, num_frames, CHUNK):
            low = (first - context) * spec.hop
            inside = audio[max(low, 0) : low + len(window)]
            window[:] = 0
            window[max(-low, 0) :][: len(inside)] = inside
            count = min(CHUNK, num_frames - first)
            out[first : first + count] = np.asarray(_chunk(window, spec))[context : context + count]
    return out


@partial(jax.jit, static_argnames="spec")
def _chunk(audio: jax.Array, spec: MelSpec) -> jax.Array:
    return log_mel(audio[None], spec)[0]


def _cpu() -> jax.Device | None:
    """The CPU, whose bits are the same on every machine with accelerators; the default device where JAX_PLATFORMS leaves the CPU out."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None
