"""The level of what is made beside a clip: an autoencoder loses some, and what it loses of the clip says how much."""

import numpy as np

from musicdiff import generation
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import masks
from musicdiff.generation import Generator
from musicdiff.typing import Known

MOST = 6.0  # dB: what is further off is no rendition
SILENT = 1e-10  # of power


def gains(generator: Generator, known: Known, x_0: np.ndarray) -> np.ndarray:
    """[B]: the factors by which renditions of the audio, decoded from its own x_0 [B, T, ...], are softer than the audio where it is known.

    They are 1 for mels and waveforms, which are rendered as they are, for mels without a level, and where there is nothing to compare.
    """
    domain, spec = generator.model.domain, MelSpec(**generator.config["mel"])
    found = np.ones(len(x_0))
    if domain.x_0_range is not None or spec.level != "absolute":
        return found
    reach = spec.n_fft // 2 + masks.reach_of(domain, spec.n_fft)
    is_known = ~masks.frames(known.free, spec.hop, reach)
    mels = (
        mel.log_mel(np.where(known.free[..., None], np.float32(0), known.audio), spec),
        generation.decode(generator, x_0),
    )
    powers = [np.asarray(mel.power_of(x, spec)).sum(axis=(2, 3)) for x in mels]  # [B, T]
    own, made = (np.where(is_known, power, 0).sum(axis=1) for power in powers)
    heard = np.minimum(own, made) > SILENT
    found[heard] = np.sqrt(own[heard] / made[heard])
    return np.clip(found, 10 ** (-MOST / 20), 10 ** (MOST / 20))
