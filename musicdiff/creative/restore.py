"""Restoration: what a dropout, a click, a clipped peak or a lost band took from a clip is made anew; what is not damaged stays as it is."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import scipy.signal

from musicdiff import generation, randomness
from musicdiff.audio.mel import MelSpec, filter_bank
from musicdiff.creative import damage, original
from musicdiff.creative.edited import Edited
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.original import Original
from musicdiff.creative.prediction import interpolate, regions_of
from musicdiff.creative.regions import Region, check, merge
from musicdiff.diffusion import constraints, starts
from musicdiff.errors import UsageError
from musicdiff.generation import Clips, Edit, Generator

SHORT = 0.05  # seconds: gaps up to this are interpolated, nearer than a model comes (experiments/restore_damage.py)
STRENGTH = 0.5  # of SDEdit, where a model has no bands to hold
AUDIBLE = 20.0  # Hz: a band above it is all that can be heard
TAPS = 511  # of the crossover, which is of linear phase
MOST = 12.0  # dB by which a new band is turned up or down to go on from the old one
DETECTORS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "dropout": damage.dropouts,
    "click": damage.clicks,
    "clip": damage.clipped,
}
KINDS = (*DETECTORS, "bandwidth")


def restore(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    fix: str,
    *,
    regions: Sequence[Region] | None = None,
    cutoff: float | None = None,
    seeds: Sequence[int],
    **asked: Any,
) -> Edited:
    """The clip without its dropouts, clicks, clipped peaks, or with the band above its cut-off, once a seed.

    Gaps up to 50 ms, about a window of a mel, are interpolated from the samples around them (autoregression, no diffusion: all seeds
    give the same); so are clicks and clipped peaks, which end at or beyond the ceiling. Longer ones are inpainted. A band is sampled with the bins
    below the cut-off held (mel models), or by SDEdit, and crossed over.

    Args:
        audio: [N, C], full scale is 1
        fix: dropout, click, clip or bandwidth
        regions: of the damage, in all channels; of 'clip', where peaks are looked for. None: it is found
        cutoff: Hz, of 'bandwidth' alone; None: it is found
        asked: told, negative, guidance, sampler, batch_size of `generation.generate`
    Returns:
        audio at its own rate, channels and length, where nothing is damaged bit for bit its own; of 'clip' it may exceed full scale
        (`written`), of 'bandwidth' it is the clip's below the cut-off
    Raises UsageError where no damage is found, for options of another kind, and what `inpaint` raises.
    """
    audio = np.asarray(audio, np.float64)
    if fix not in KINDS:
        raise UsageError(f"no such damage: {fix!r}; there are {', '.join(KINDS)}")
    if audio.ndim != 2 or not audio.size:
        raise UsageError(f"a clip to restore is audio [N, C] with samples in it, not of shape {audio.shape}")
    if fix == "bandwidth":
        if regions is not None:
            raise UsageError("a band is restored all along the clip: leave the regions out")
        return _widen(generator, audio, rate, cutoff, seeds, asked)
    if cutoff is not None:
        raise UsageError(f"a cut-off is of --fix bandwidth, not of {fix}")
    lost = DETECTORS[fix](audio, rate) if regions is None else _within(audio, rate, fix, regions)
    if not lost.any():
        raise UsageError(f"no {fix} found in the clip: name its regions, if you hear one")
    num = sum(len(regions_of(channel)) for channel in lost.T)
    found = f"{fix}: {num} of {round(1000 * lost.any(axis=1).sum() / rate, 1):g} ms in all"
    if fix == "clip":
        mended = np.stack([interpolate(x, at, (x.min(), x.max())) for x, at in zip(audio.T, lost.T)], axis=1)
        peak = np.abs(mended).max()
        return _without_model(
            generator, mended, rate, seeds, (found, f"note: peaks now reach {20 * np.log10(peak):+.1f} dBFS")
        )
    long = [region for region in merge(regions_of(lost.any(axis=1))) if region.stop - region.start > SHORT * rate]
    short = lost.copy()
    for region in long:
        short[region.start : region.stop] = False
    hidden = lost & ~short
    mended = np.stack([interpolate(x, at) for x, at in zip(np.where(hidden, 0.0, audio).T, short.T)], axis=1)
    mended = np.where(short, np.clip(mended, -1.0, 1.0), audio)
    if not long:
        return _without_model(generator, mended, rate, seeds, (found,))
    edited = inpaint(generator, mended, rate, long, seeds=seeds, **asked)
    whole = np.where(hidden, edited.audio, mended)
    return dataclasses.replace(edited, audio=whole, notes=(found, *edited.notes))


def written(clip: Original, fix: str) -> Original:
    """The clip in the format that a restored one is written in: its own, but floats for 'clip', whose peaks may exceed full scale.

    Integers would have to be turned down, and no sample would be the clip's own any more.
    """
    if fix != "clip":
        return clip
    subtype = "DOUBLE" if clip.subtype in ("PCM_32", "DOUBLE") else "FLOAT"
    return dataclasses.replace(clip, subtype=subtype, container="wav")


def _within(audio: np.ndarray, rate: int, fix: str, regions: Sequence[Region]) -> np.ndarray:
    """The samples of the regions, of 'clip' those at their channel's ceiling."""
    lost = np.zeros(audio.shape, bool)
    for region in merge([check(Region(*region), rate, len(audio)) for region in regions]):
        lost[region.start : region.stop] = True
    if fix == "clip":
        lost &= (audio >= audio.max(axis=0) - damage.STEP) | (audio <= audio.min(axis=0) + damage.STEP)
    if lost.all(axis=0).any():
        raise UsageError("the regions leave nothing of the clip to go by: name shorter ones")
    return lost


def _without_model(
    generator: Generator, audio: np.ndarray, rate: int, seeds: Sequence[int], notes: tuple[str, ...]
) -> Edited:
    """The same for each seed; its clips are empty, of no evaluations."""
    num, domain = len(seeds), generator.model.domain
    nothing = np.zeros((num, 0, domain.channels), np.float32)
    clips = Clips(nothing, nothing, domain.sample_rate, tuple(seeds), 0.0, 0.0, {}, 0, ({},) * num, {}, nothing)
    said = "note: interpolated from what is around it, without the model: the same for each seed"
    return Edited(np.repeat(audio[None], num, axis=0), rate, clips, (*notes, said))


def _widen(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    cutoff: float | None,
    seeds: Sequence[int],
    asked: dict[str, Any],
) -> Edited:
    """The clip below the cut-off, and above it what the model makes of the clip."""
    domain = generator.model.domain
    cutoff = damage.cut_off(audio, rate) if cutoff is None else cutoff
    if cutoff is None:
        raise UsageError("no cut-off found in the clip: name it in Hz, if you hear one")
    if not AUDIBLE <= cutoff < rate / 2:
        raise UsageError(f"cut-off {cutoff:g} Hz is not between {AUDIBLE:g} and half the clip's rate, {rate / 2:g} Hz")
    if cutoff >= 0.95 * domain.sample_rate / 2:
        raise UsageError(
            f"the clip reaches up to {cutoff:g} Hz, and this model no further than {domain.sample_rate / 2:g}: take one of a higher rate"
        )
    given = original.to_model(audio, rate, domain)
    unit = domain.multiple * domain.samples_per_frame
    frames = -(-len(given) // unit) * domain.multiple
    padded = np.pad(given, ((0, frames * domain.samples_per_frame - len(given)), (0, 0)))
    x_0 = generation.encode(generator, padded[None])
    edit = _banded(generator, x_0, cutoff, seeds, asked)
    windows = generation.windows_over(domain, frames)
    edit = dataclasses.replace(edit, windows=windows)
    clips = generation.generate(generator, seeds=seeds, frames=frames, edit=edit, **asked)
    rows, gains = [], []
    for clip in clips.audio:
        made = original.from_model(clip, domain, rate, audio.shape[1])
        made = np.pad(made, ((0, max(0, len(audio) - len(made))), (0, 0)))[: len(audio)]
        gains.append(_gain(audio, made, rate, cutoff))
        rows.append(_cross(audio, made * 10 ** (gains[-1] / 20), rate, cutoff))
    turned = ", ".join(f"{gain:+.1f}" for gain in gains)
    said = f"bandwidth: the clip ends at {cutoff:.0f} Hz; above it is the model's, at {turned} dB"
    return Edited(np.stack(rows), rate, clips, (said, *original.remarks(rate, audio.shape[1], domain)))


def _banded(generator: Generator, x_0: np.ndarray, cutoff: float, seeds: Sequence[int], asked: dict[str, Any]) -> Edit:
    """Mels: bins that reach above the cut-off are free, the others held. Latents and waveforms have no such bins: SDEdit of the whole."""
    num, domain = len(seeds), generator.model.domain
    held = np.repeat(x_0, num, axis=0)
    if len(domain.shape) == 3 and domain.x_0_range is not None:
        spec = MelSpec(**generator.config["mel"])
        free = _bins(spec, cutoff)
        mask = np.broadcast_to(free[None, None, :, None], held[..., :1].shape)
        return Edit(constraints.inpaint, {"x_0": held, "mask": mask})
    level = np.float32(starts.level(STRENGTH, generator.model.schedule))
    keys = randomness.seed_keys(generation.check_seeds(seeds), "restore")
    eps = np.asarray(jax.vmap(lambda key: jax.random.normal(key, x_0.shape[1:]))(keys))
    grid = generation.levels(generator, asked.get("sampler"))
    levels = starts.moved(grid, np.array([level]))
    return Edit(constraints.sdedit, {"x_0": held, "eps": eps, "start": np.full(num, level)}, levels=levels)


def _bins(spec: MelSpec, cutoff: float) -> np.ndarray:
    """bool [F]: mel bins that anything above the cut-off is in."""
    bank = filter_bank(spec)
    return bank[np.linspace(0, spec.sample_rate / 2, len(bank)) > cutoff].any(axis=0)


def _gain(audio: np.ndarray, made: np.ndarray, rate: int, cutoff: float) -> float:
    """dB by which the clip is louder than what is made of it in the third of an octave below the cut-off."""
    low = cutoff / damage.WIDTH**2
    powers = []
    for x in (audio, made):
        power = np.square(np.abs(np.fft.rfft(x.mean(axis=1))))
        frequencies = np.fft.rfftfreq(len(x), 1 / rate)
        powers.append(power[(frequencies >= low) & (frequencies < 0.97 * cutoff)].sum())
    if not min(powers) > 0:
        return 0.0
    return float(np.clip(10 * np.log10(powers[0] / powers[1]), -MOST, MOST))


def _cross(audio: np.ndarray, made: np.ndarray, rate: int, cutoff: float) -> np.ndarray:
    """audio + high-pass(made), by a linear-phase filter without delay: what the clip has below the cut-off stays."""
    taps = scipy.signal.firwin(TAPS, cutoff, fs=rate, pass_zero=False)
    return audio + scipy.signal.fftconvolve(made, taps[:, None], mode="same", axes=0)
