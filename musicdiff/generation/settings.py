"""What a sampling is asked for, checked and resolved before anything is compiled: sampler, levels, guidance, length."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicdiff import samplers
from musicdiff.diffusion import grids
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import UsageError
from musicdiff.generation.generator import Generator
from musicdiff.typing import Domain, Model

LONGEST = 3600.0  # seconds of one clip, which is sampled as a whole
NEARLY_NOISE = -4.0  # log_snr: above, more than a seventh of x_t is data, and it is wrong to begin there with noise


def check_seeds(seeds: Sequence[int]) -> np.ndarray:
    """Seeds as uint32 [B]. Raises UsageError for those that are none, and where there are none."""
    if not len(seeds) or any(not 0 <= seed < 2**32 for seed in seeds):
        raise UsageError("seeds are whole numbers from 0 to 4294967295, one for each clip")
    return np.asarray(seeds, np.uint32)


def merged_sampler(default: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """config.sampler with changes; another sampler's own options are dropped with its name."""
    if changes.get("name", default["name"]) == default["name"]:
        return {**default, **changes}
    return {"num_steps": default["num_steps"], "grid": default["grid"], **changes}


def length(
    domain: Domain, seconds: float | None, frames: int | None = None, samples: int | None = None
) -> tuple[int, int]:
    """Audio samples and frames along T, for a duration in seconds or for frames; by default those of the model's own clip.

    samples: what so many frames are laid on, where that is not a hop for each
    Raises UsageError for a duration out of range and for frames that the model does not take.
    """
    if frames is not None:
        if seconds is not None:
            raise UsageError(f"a length is in seconds or in frames, not in both: {seconds:g} s and {frames}")
        if frames < 1 or frames % domain.multiple:
            raise UsageError(f"this model takes frames in multiples of {domain.multiple}, not {frames}")
        samples = frames * domain.samples_per_frame if samples is None else samples
    elif samples is not None:
        raise UsageError("samples are those of a number of frames: give frames as well")
    elif seconds is None:
        frames, samples = domain.shape[0], domain.shape[0] * domain.samples_per_frame
    elif seconds > LONGEST:
        raise _too_long(seconds)
    else:
        samples = round(seconds * domain.sample_rate) if math.isfinite(seconds) else 0
        if samples < 1:
            raise UsageError(
                f"a duration of {seconds} s is less than one sample; this model makes {domain.seconds:.2f} s by default"
            )
        frames = -(-samples // (domain.multiple * domain.samples_per_frame)) * domain.multiple
    if samples > LONGEST * domain.sample_rate:
        raise _too_long(samples / domain.sample_rate)
    return samples, frames


def _too_long(seconds: float) -> UsageError:
    return UsageError(f"a duration of {seconds:g} s does not fit into one clip: {LONGEST:g} s at most")


def grid_and_options(model: Model, settings: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.float32]]:
    """The levels [N + 1] and the sampler's numeric options, checked before anything is compiled."""
    options = {key: value for key, value in settings.items() if key not in ("name", "num_steps", "grid")}
    samplers.build(settings["name"], **options)
    grid = grids.build(settings["grid"], model.schedule, settings["num_steps"])
    return grid, {key: np.float32(value) for key, value in options.items()}


def levels(generator: Generator, sampler: Mapping[str, Any] | None = None) -> np.ndarray:
    """log_snr [N + 1], from noise to +inf: those that `generate` visits with the same changes to config.sampler."""
    return grid_and_options(generator.model, merged_sampler(generator.config["sampler"], sampler or {}))[0]


def check_guidance(model: Model, guidance: Guidance | None) -> None:
    """Raises UsageError for a rescale of a flow map: what is rescaled is an estimate of data, and its x_0, on a jump to noise, is none."""
    if guidance and guidance.rescale and model.flow_map:
        raise UsageError(
            f"rescale={guidance.rescale:g} is for models that estimate data; this one, a flow map, predicts where a jump ends: leave it at 0"
        )


def notes_on(model: Model, settings: Mapping[str, Any], from_noise: bool = True) -> tuple[str, ...]:
    """What to say of sampler settings that work with this model, but hardly as their user hopes.

    from_noise: whether the grid's first level is where noise alone begins
    """
    grid, options = grid_and_options(model, settings)
    sampler, start, notes = settings["name"], grid[0], []
    if samplers.build(sampler, **options).flow_maps and not model.flow_map:
        notes.append(
            f"note: sampler {sampler!r} is for flow maps, such as objective mean_flow trains; of this model, which is none, it makes blurred clips"
        )
    if from_noise and start > NEARLY_NOISE:
        notes.append(
            f"note: clips begin as pure noise, but grid {settings['grid']!r} begins at log_snr {start:.3g}, where data show; "
            "'trailing' begins at the schedule's end"
        )
    return tuple(notes)
