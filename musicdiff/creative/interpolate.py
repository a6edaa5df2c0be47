"""Between two clips, by way of the noise that each is made of; between two things that a model is told, by mixing what it predicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicdiff import generation
from musicdiff.audio import io
from musicdiff.creative import original
from musicdiff.creative.edited import Edited
from musicdiff.diffusion.interpolation import slerp
from musicdiff.errors import UsageError
from musicdiff.generation import Edit, Generator, Guidance

SAMPLER = "heun"  # comes back from where it went far more exactly than others (docs/samplers.md)


def between_clips(
    generator: Generator,
    a: np.ndarray,
    b: np.ndarray,
    rate: int,
    *,
    weights: Sequence[float],
    told: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None] = (None, None),
    sampler: Mapping[str, Any] | None = None,
    batch_size: int = 8,
) -> Edited:
    """A clip a weight: both are inverted to noise, which is turned from one to the other (slerp) and sampled again by the same levels.

    Weight 0 is a and 1 is b, as the model's representation holds them, but for the inversion's error. The shorter clip is filled with silence,
    and clips longer than the model's are denoised in overlapping windows.

    Args:
        a, b: [N, C] at `rate`, of as many channels
        told: what each clip is, where the model can be told; between them a mix. Without guidance, which does not lead back
        sampler: changes to config.sampler; its name is heun's
    Returns:
        audio at `rate`, as long as the longer clip
    Raises UsageError for weights outside of 0 to 1, clips of different channels, and what `invert` raises.
    """
    _check(weights)
    for clip in (a, b):
        if np.ndim(clip) != 2 or not np.size(clip) or np.shape(clip)[1] != np.shape(a)[1]:
            raise UsageError(
                f"two clips are audio [N, C] with as many channels, not of shapes {np.shape(a)} and {np.shape(b)}"
            )
    domain = generator.model.domain
    ends = [original.to_model(np.asarray(clip, np.float64), rate, domain) for clip in (a, b)]
    unit = domain.multiple * domain.samples_per_frame
    frames = -(-max(map(len, ends)) // unit) * domain.multiple
    num = frames * domain.samples_per_frame
    x_0 = generation.encode(generator, np.stack([np.pad(end, ((0, num - len(end)), (0, 0))) for end in ends]))
    chosen = {**(sampler or {}), "name": SAMPLER}
    told = tuple(row or {} for row in told)
    windows = generation.windows_over(domain, frames)
    x_T = generation.invert(generator, x_0, told=told, sampler=chosen, windows=windows)
    at = np.asarray(weights, np.float32)
    between = slerp(*(np.repeat(end[None], len(at), axis=0) for end in x_T), at)
    clips = generation.generate(
        generator,
        seeds=[0] * len(at),
        frames=frames,
        told=[_mix(*told, weight) for weight in weights],
        guidance=Guidance(1.0) if any(told) else None,
        sampler=chosen,
        batch_size=batch_size,
        edit=Edit(x_T=np.asarray(between), windows=windows),
    )
    made = np.stack([original.from_model(clip, domain, rate, a.shape[1]) for clip in clips.audio])
    length = max(len(a), len(b))
    made = np.pad(made, ((0, 0), (0, max(0, length - made.shape[1])), (0, 0)))[:, :length]
    return Edited(made, rate, clips, original.remarks(rate, a.shape[1], domain))


def between_prompts(
    generator: Generator,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    weights: Sequence[float],
    seed: int,
    rate: int = 44_100,
    **asked: Any,
) -> Edited:
    """A clip a weight, all from the noise of one seed: told a at 0, b at 1, and between them a mix of both.

    asked: negative, guidance, sampler, seconds, batch_size of `generation.generate`
    Raises UsageError for weights outside of 0 to 1, and what `generate` raises.
    """
    _check(weights)
    told = [_mix(a, b, weight) for weight in weights]
    clips = generation.generate(generator, seeds=[seed] * len(told), told=told, **asked)
    made = np.stack([io.resample(clip, clips.sample_rate, rate) for clip in clips.audio]).astype(np.float64)
    return Edited(made, rate, clips)


def _mix(a: Mapping[str, Any], b: Mapping[str, Any], weight: float) -> Any:
    """What is told at a weight; at the ends, and where both are the same, no mix, which would cost twice."""
    if weight in (0.0, 1.0) or a == b:
        return b if weight == 1.0 else a
    return ((1.0 - weight, a), (weight, b))


def _check(weights: Sequence[float]) -> None:
    if not weights or not all(0.0 <= weight <= 1.0 for weight in weights):
        raise UsageError(
            f"weights are from 0, the first, to 1, the second, and one at least, not {', '.join(map(str, weights)) or 'none'}"
        )
