"""Clips: what a sampling made, and what their files say of it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from musicdiff import config as configuration
from musicdiff import prompts
from musicdiff.diffusion.guidance import Guidance
from musicdiff.generation.generator import Generator


@dataclass(frozen=True)
class Clips:
    """B clips: audio float32 [B, N, C], log_mel [B, T, F, C], the seed of each, the sampler's settings, and the seconds that it took.

    evaluations: of networks, for each clip; told: {condition: value} for each clip, or a mix of such; negative: what guidance led away from,
    nothing if empty; x_0: what was sampled [B, T, ...], of which audio and log_mel are made; notes: lines about what will hardly be wanted
    """

    audio: np.ndarray
    log_mel: np.ndarray
    sample_rate: int
    seeds: tuple[int, ...]
    compile_seconds: float
    compute_seconds: float
    settings: dict[str, Any]
    evaluations: int
    told: tuple[dict[str, Any] | prompts.Mix, ...]
    negative: dict[str, Any]
    x_0: np.ndarray
    guidance: Guidance | None = None
    notes: tuple[str, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Compute seconds per second of audio, compilation apart; 0 where there is none."""
        seconds = self.audio.shape[0] * self.audio.shape[1] / self.sample_rate
        return self.compute_seconds / seconds if seconds else 0.0


def provenance(generator: Generator, clips: Clips, i: int) -> dict[str, Any]:
    """What the file of the i-th clip says of itself."""
    guide = clips.guidance and asdict(clips.guidance) | {"autoguide": generator.weaker_milestone}
    if guide and guide["interval"]:
        guide["interval"] = list(guide["interval"])
    return {
        **prompts.record(clips.told[i]),
        "negative": prompts.record(clips.negative),
        "model": generator.config["model"]["name"],
        "config": configuration.fingerprint(generator.config),
        "step": generator.step,
        "milestone": generator.milestone,
        "sampler": clips.settings,
        "evaluations": clips.evaluations,
        "guidance": guide,
        "seed": clips.seeds[i],
    }
