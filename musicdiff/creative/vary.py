"""Variations: a clip is noised to a level and denoised again, told the same or something else (SDEdit, arXiv 2108.01073)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import generation, randomness
from musicdiff.audio import picture
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import files, original
from musicdiff.creative.edited import Edited
from musicdiff.creative.original import Original
from musicdiff.diffusion import constraints, starts
from musicdiff.errors import UsageError
from musicdiff.generation import Edit, Generator

STEPS = 1000  # T of start steps, where the model's schedule has no number of its own
LADDER = (950, 750, 500, 250, 0)  # start steps of the talk


def vary(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    *,
    strengths: Sequence[float],
    seeds: Sequence[int],
    **asked: Any,
) -> Edited:
    """A variation for each seed and strength, seeds first: of every one the clip is the same, and of one seed the noise.

    Strength 0 is the clip as the model's own representation holds it, 1 is generated and ignores it. All are one batch: the sampler's nearest levels
    are moved onto those of the strengths. A clip longer than the model's is denoised in overlapping windows.

    Args:
        audio: [N, C], full scale is 1
        asked: told, negative, guidance, sampler, batch_size of `generation.generate`; rows of `told` are one a seed
    Returns:
        audio at its own rate, channels and length
    Raises UsageError for strengths outside of 0 to 1, or none, and what `generate` raises.
    """
    audio, domain = np.asarray(audio, np.float64), generator.model.domain
    if audio.ndim != 2 or not audio.size:
        raise UsageError(f"a clip to vary is audio [N, C] with samples in it, not of shape {audio.shape}")
    if not strengths:
        raise UsageError("nothing to vary: name at least one strength")
    seeds = generation.check_seeds(seeds)
    levels = np.array([starts.level(strength, generator.model.schedule) for strength in strengths], np.float32)
    given = original.to_model(audio, rate, domain)
    unit = domain.multiple * domain.samples_per_frame
    frames = -(-len(given) // unit) * domain.multiple
    padded = np.pad(given, ((0, frames * domain.samples_per_frame - len(given)), (0, 0)))
    x_0 = generation.encode(generator, padded[None])[0]
    each = np.repeat(seeds, len(levels))
    eps = jax.vmap(lambda key: jax.random.normal(key, x_0.shape))(randomness.seed_keys(each, "vary"))
    held = {
        "x_0": np.repeat(x_0[None], len(each), axis=0),
        "eps": np.asarray(eps),
        "start": np.tile(levels, len(seeds)),
    }
    grid = generation.levels(generator, asked.get("sampler"))
    windows = generation.windows_over(domain, frames)
    edit = Edit(constraints.sdedit, held, levels=starts.moved(grid, levels), windows=windows)
    told = asked.pop("told", None)
    if told is not None and not isinstance(told, Mapping):
        told = [row for row in told for _ in levels]
    clips = generation.generate(generator, seeds=each.tolist(), frames=frames, told=told, edit=edit, **asked)
    made = np.stack([original.from_model(clip, domain, rate, audio.shape[1]) for clip in clips.audio])
    made = np.pad(made, ((0, 0), (0, max(0, len(audio) - made.shape[1])), (0, 0)))[:, : len(audio)]
    return Edited(made, rate, clips, original.remarks(rate, audio.shape[1], domain))


def write(
    folder: epath.PathLike, generator: Generator, varied: Edited, given: Original, *, strengths: Sequence[float]
) -> Iterator[str]:
    """Writes each variation (`files.write`) and ladder.png, the mels of the first seed's; yields what there is to say, line by line.

    strengths: of `varied`
    """
    clips, steps, num = varied.clips, num_steps(generator), len(strengths)
    drawn = epath.Path(folder) / "ladder.png"
    drawn.parent.mkdir(parents=True, exist_ok=True)  # before the page, which shows it
    said = [says(generator, strength) for strength in strengths]
    picture.save_mels(drawn, clips.log_mel[:num], MelSpec(**generator.config["mel"]), titles=said, columns=1)
    rows = list(zip(clips.seeds, [*strengths] * (len(clips.seeds) // num)))
    titles = [f"{given.name} varied strength {strength:g} seed {seed}" for seed, strength in rows]
    details = [{"strength": strength, "start_step": strength * steps} for _, strength in rows]
    yield from files.write(folder, titles, generator, varied, [given], tool="vary", details=details)
    yield f"the ladder of seed {clips.seeds[0]}: {drawn}"


def says(generator: Generator, strength: float) -> str:
    """A strength, and the start step that it is."""
    steps = num_steps(generator)
    return f"strength {strength:g} (start step {strength * steps:g} of {steps})"


def num_steps(generator: Generator) -> int:
    """T of the start steps: that of the model's schedule, or 1000."""
    return generator.model.schedule.num_levels or STEPS
