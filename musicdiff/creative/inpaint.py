"""Inpainting: regions of a clip are made anew, to fit what is around them; every other sample stays the clip's own, bit for bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicdiff import generation
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import level, masks, original
from musicdiff.creative.edited import Edited
from musicdiff.creative.regions import Region, check, merge
from musicdiff.diffusion import constraints, repaint
from musicdiff.errors import UsageError
from musicdiff.generation import Edit, Generator
from musicdiff.typing import Domain, Known

JUMP = 5  # levels that RePaint goes back at once
FADE = 0.03  # seconds within a region in which the difference to the clip beside it fades
RINGING = 16  # samples to each side of a region, at the model's rate, that a resampler's filter mixes with it


@dataclass(frozen=True)
class Window:
    """Regions sampled together: a stretch of the clip at the model's rate, from sample `start` on; regions in samples of the file."""

    start: int
    regions: tuple[Region, ...]


def inpaint(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    regions: Sequence[Region],
    *,
    seeds: Sequence[int],
    repeats: int = 1,
    **asked: Any,
) -> Edited:
    """The clip with its regions made anew, once a seed, by sampling with what is around them held (arXiv 2201.09865).

    Regions that fit into half a clip of the model's length are sampled together, others each in a window of their own; a longer region in
    overlapping windows. Frames are held that nothing of a region is in. The vocoder knows the samples beside a region, so that its phases go on from
    them. What is made is turned up by as much as an autoencoder renders the clip around it softer than it is; what difference is left fades inside
    the region.

    Args:
        audio: [N, C], full scale is 1; what the regions hide counts for nothing
        regions: in samples; those that overlap are one
        repeats: how often each stretch of levels is gone through (RePaint); more fit better, and take as many times as long
        asked: told, negative, guidance, sampler, batch_size of `generation.generate`
    Returns:
        audio at its own rate, channels and length; what is made lies within full scale. Its clips are of windows: a row for each seed and window
    Raises UsageError for regions outside of the clip, or none, and what `generate` raises.
    """
    audio = np.asarray(audio, np.float64)
    if audio.ndim != 2 or not audio.size:
        raise UsageError(f"a clip to inpaint is audio [N, C] with samples in it, not of shape {audio.shape}")
    if not regions:
        raise UsageError("nothing to inpaint: name at least one region")
    named = [check(Region(*region), rate, len(audio)) for region in regions]
    regions = merge(named)
    domain, spec = generator.model.domain, MelSpec(**generator.config["mel"])
    free = _free(regions, len(audio))
    hidden = np.where(free[:, None], 0.0, audio)
    whole = original.to_model(hidden, rate, domain)
    frames, windows = _windows(regions, rate, len(whole), domain)
    known = Known(
        *(np.stack(part) for part in zip(*(_cut(window, whole, regions, rate, frames, domain) for window in windows)))
    )
    x_0 = generation.encode(generator, np.where(known.free[..., None], 0.0, known.audio))
    mask = masks.frames(known.free, domain.samples_per_frame, masks.reach_of(domain, spec.n_fft))
    gains = level.gains(generator, known, x_0)
    mask = mask.reshape(*mask.shape, *[1] * (x_0.ndim - 2))

    def rows(array: np.ndarray) -> np.ndarray:
        """Those of the windows, for each seed."""
        return np.tile(array, (len(seeds), *[1] * (array.ndim - 1)))

    levels = generation.levels(generator, asked.get("sampler"))
    edit = Edit(
        constraints.inpaint,
        {"x_0": rows(x_0), "mask": rows(mask)},
        known=Known(rows(known.audio), rows(known.free)),
        levels=repaint.rewound(levels, JUMP, repeats),
        renoise=repeats > 1,
        windows=generation.windows_over(domain, frames),
    )
    told = asked.pop("told", None)
    if told is not None and not isinstance(told, Mapping):
        told = [row for row in told for _ in windows]
    each = [seed for seed in seeds for _ in windows]
    clips = generation.generate(generator, seeds=each, frames=frames, told=told, edit=edit, **asked)
    out = np.repeat(audio[None], len(seeds), axis=0)
    for row, made in enumerate(clips.audio):
        at = row % len(windows)
        _put(out[row // len(windows)], made * gains[at], windows[at], free, rate, domain)
    notes = original.remarks(rate, audio.shape[1], domain)
    if (left := len(regions)) < len(named):
        verb = "is" if left == 1 else "are"
        notes = (f"note: of {len(named)} regions, those that overlap or touch are one: {left} {verb} made", *notes)
    return Edited(out, rate, clips, notes)


def _free(regions: Sequence[Region], num_samples: int) -> np.ndarray:
    free = np.zeros(num_samples, bool)
    for region in regions:
        free[region.start : region.stop] = True
    return free


def _windows(regions: Sequence[Region], rate: int, num_samples: int, domain: Domain) -> tuple[int, list[Window]]:
    """Frames of every window, the model's own or more for a long region, and the windows; num_samples: of the clip, at the model's rate."""
    ratio, size = domain.sample_rate / rate, domain.samples_per_frame
    half = domain.shape[0] * size // 2
    groups: list[list[Region]] = []
    for region in regions:
        if groups and (region.stop - groups[-1][0].start) * ratio <= half:
            groups[-1].append(region)
        else:
            groups.append([region])
    longest = max(group[-1].stop - group[0].start for group in groups) * ratio
    unit = domain.multiple * size
    # As much around the longest region as a window has around those of half its length, but no more than there is of the clip.
    needed = -(-int(min(longest + half, max(num_samples, 2 * half))) // unit) * domain.multiple
    frames = max(domain.shape[0], needed)
    step = original.step(rate, domain)
    windows = []
    for group in groups:
        middle = (group[0].start + group[-1].stop) / 2 * ratio
        start = int(np.clip(middle - frames * size / 2, 0, max(0, num_samples - frames * size)))
        windows.append(Window(start // step * step, tuple(group)))
    return frames, windows


def _cut(
    window: Window, whole: np.ndarray, regions: Sequence[Region], rate: int, frames: int, domain: Domain
) -> tuple[np.ndarray, np.ndarray]:
    """(audio [N', C'], free [N']) of a window: free are all regions, those of other windows too, and what lies beyond the clip."""
    num = frames * domain.samples_per_frame
    audio = whole[window.start : window.start + num]
    free = np.ones(num, bool)
    free[: len(audio)] = False
    margin = 0 if rate == domain.sample_rate else RINGING
    for region in regions:
        low, high = (edge * domain.sample_rate / rate - window.start for edge in region)
        free[max(0, int(np.floor(low)) - margin) : max(0, int(np.ceil(high)) + margin)] = True
    return np.pad(audio, ((0, num - len(audio)), (0, 0))), free


def _put(out: np.ndarray, made: np.ndarray, window: Window, free: np.ndarray, rate: int, domain: Domain) -> None:
    """Writes what a window made of its regions into the clip [N, C].

    At its edges the clip and what is made differ by what the model cannot cover, and a little more. That difference, mirrored at the edge, goes
    on into the region and fades: no sample outside changes, and none jumps.
    """
    made = original.from_model(made, domain, rate, out.shape[1])
    begin = window.start * rate // domain.sample_rate
    for start, stop in window.regions:
        new = made[start - begin : stop - begin].copy()
        size = min(round(FADE * rate), stop - start)
        fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)
        for edge, step in ((start - 1, -1), (stop, 1)):
            beside = edge + step * np.arange(size)
            beside = beside[(beside >= max(0, begin)) & (beside < min(len(out), begin + len(made)))]
            beside = beside[~np.logical_or.accumulate(free[beside])]  # up to the next region
            difference = (out[beside] - made[beside - begin]) * fade[: len(beside), None]
            inside = slice(None, len(beside)) if step < 0 else slice(len(new) - len(beside), None)
            new[inside] += difference if step < 0 else difference[::-1]
        out[start:stop] = np.clip(new, -1.0, 1.0)
