"""Length without end: window after window of the model's own length, each of which goes on from the last; from nothing, or from the end of a clip."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from musicdiff import conditioning, generation, prompts, randomness
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import level, masks, original, overlap, rates
from musicdiff.creative.edited import Edited
from musicdiff.creative.overlap import Layout
from musicdiff.creative.rates import Pending
from musicdiff.diffusion import constraints
from musicdiff.errors import UsageError
from musicdiff.generation import Clips, Edit, Generator
from musicdiff.typing import Domain, Known

OVERLAP = 0.5  # of a window
LONGEST = 3600.0  # seconds that are held at once
CROSSFADE = 0.05  # seconds in which a window's audio becomes the next one's
FADE = 0.01  # seconds behind a clip's end in which its difference to what goes on from it fades
RINGING = 16  # samples before a clip's end, at the model's rate, that a resampler's filter mixes with what is not there

Told = Mapping[str, Any] | None


class Carry(NamedTuple):
    """All that a window knows of what was before. number: of the window, from 0.

    x_0: [T, ...], starts: [T], the level up to which each of its frames is held (overlap.starts); audio: [N, C] of the window at the model's rate,
    of which the first `settled` samples are there already
    """

    number: int
    x_0: np.ndarray
    starts: np.ndarray
    audio: np.ndarray
    settled: int


class State(NamedTuple):
    """Between two windows: arrays and numbers alone, so that it can be saved. made: samples at the model's rate; sent: samples at the file's."""

    carry: Carry
    pending: Pending
    made: int
    sent: int


@dataclass(frozen=True)
class Course:
    """What is asked for. rate, channels and total, in samples, are the file's; schedule: (seconds, told), from when on something else is told.

    asked: told, negative, guidance, sampler of `generation.generate`
    gain: of all that is made, a factor: what an autoencoder loses of the clip that it goes on from
    """

    generator: Generator
    layout: Layout
    rate: int
    channels: int
    total: int
    seed: int
    schedule: Sequence[tuple[float, Told]] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    gain: float = 1.0

    @property
    def domain(self) -> Domain:
        return self.generator.model.domain

    def told_at(self, seconds: float) -> Told:
        """The last that the schedule says by then; before it, what is told anyway."""
        told = [self.asked.get("told"), *(told for since, told in self.schedule if since <= seconds)]
        return told[-1]


def plan(
    generator: Generator,
    *,
    seconds: float,
    seed: int,
    rate: int,
    channels: int,
    share: float,
    schedule: Sequence[tuple[float, Told]] = (),
    **asked: Any,
) -> Course:
    """The course of so many seconds, exact to the sample. Raises UsageError for a duration, overlap or schedule that is none, and for what
    cannot be told, now or later."""
    total = round(seconds * rate) if math.isfinite(seconds * rate) else 0
    if total < 1:
        raise UsageError(f"a length of {seconds} s is less than one sample")
    times = [since for since, _ in schedule]
    if any(not 0 <= since < math.inf for since in times) or times != sorted(times):
        raise UsageError(
            f"a schedule's times are seconds from 0 on, in order, not {', '.join(f'{since:g}' for since in times)}"
        )
    for _, told in ((0, asked.get("told")), *schedule):  # not after hours
        conditioning.tell(generator.model.conditions, [alone for _, alone in prompts.mix_of(told or {})])
    layout = overlap.lay_out(generator.model.domain.shape[0], share)
    return Course(generator, layout, rate, channels, total, seed, tuple(schedule), asked)


def begin(course: Course) -> State:
    """Before the first window, from nothing."""
    domain = course.domain
    audio = np.zeros((domain.shape[0] * domain.samples_per_frame, domain.channels), np.float32)
    free = np.full(domain.shape[0], -np.inf, np.float32)
    carry = Carry(0, np.zeros(domain.shape, np.float32), free, audio, 0)
    return State(carry, rates.begin(domain.channels), 0, 0)


def advance(course: Course, state: State) -> tuple[np.ndarray, Clips, State]:
    """The next window: (block [n, C] float64 at the file's rate, what the model made, the state after it). The blocks of all add up to `total`."""
    domain, layout, carry = course.domain, course.layout, state.carry
    seconds = (state.made + carry.settled) / domain.sample_rate
    clips, audio = _window(course, carry, course.told_at(seconds))
    # A window settles its audio up to where the next may still change its frames; the last one, all that is left.
    missing = math.ceil(course.total * domain.sample_rate / course.rate) - state.made
    last = missing <= len(audio)
    size = missing if last else layout.hop * domain.samples_per_frame
    out, pending = rates.resample(state.pending, audio[:size] * course.gain, domain.sample_rate, course.rate, last=last)
    block = original.from_model(out, dataclasses.replace(domain, sample_rate=course.rate), course.rate, course.channels)
    block = block[: course.total - state.sent]
    following = Carry(
        carry.number + 1,
        overlap.carried(clips.x_0[0], layout.hop),
        overlap.starts(layout),
        overlap.carried(audio, layout.hop * domain.samples_per_frame),
        layout.settled * domain.samples_per_frame,
    )
    return block, clips, State(following, pending, state.made + size, state.sent + len(block))


def blocks(course: Course, state: State) -> Iterator[tuple[np.ndarray, Clips, State]]:
    """Windows until the course is through."""
    while state.sent < course.total:
        block, clips, state = advance(course, state)
        yield block, clips, state


def stream(
    generator: Generator,
    *,
    seconds: float,
    seed: int,
    rate: int = 44_100,
    beginning: np.ndarray | None = None,
    share: float = OVERLAP,
    schedule: Sequence[tuple[float, Told]] = (),
    **asked: Any,
) -> Iterator[np.ndarray]:
    """Audio of any length as it is made: blocks float64 [n, C] that add up to round(seconds rate) samples. Memory does not grow with length.

    Each window depends on (seed, its number) and the one before: the same seed, the same bits. Everything is checked before the first window.

    Args:
        seconds: of the whole, with its beginning
        beginning: a clip [N, C] at `rate`, full scale is 1; its samples come first, as they are. Without one it begins from nothing
        share: of a window that overlaps with the next: more holds together better, and takes longer
        schedule: (seconds, told): from then on, other things are told; what `told` says is told before
        asked: told, negative, guidance, sampler of `generation.generate`
    Raises UsageError for a length that is none or that the beginning already has, a beginning too short to go on from, and what `generate` raises.
    """
    for block, _ in follow(
        generator, beginning, seconds=seconds, seed=seed, rate=rate, share=share, schedule=schedule, **asked
    ):
        yield block


def extend(
    generator: Generator,
    audio: np.ndarray,
    rate: int,
    *,
    seconds: float,
    seed: int,
    share: float = OVERLAP,
    **asked: Any,
) -> Edited:
    """The clip [N, C] and what goes on from it, `seconds` in all: its own samples, and then those of `stream`, which says the rest.

    An hour at most: all of it is held. Longer ones raise UsageError, and are for `stream`.

    Returns: audio [1, round(seconds rate), C]; its clips are the first window alone, of all windows' seconds
    """
    if LONGEST < seconds < math.inf:
        raise UsageError(f"{seconds:g} s do not fit into one array, but {LONGEST:g} at most: stream them (--stream)")
    made = list(follow(generator, audio, seconds=seconds, seed=seed, rate=rate, share=share, **asked))
    windows = [clips for _, clips in made if clips is not None]
    clips = dataclasses.replace(
        windows[0],
        compile_seconds=sum(clips.compile_seconds for clips in windows),
        compute_seconds=sum(clips.compute_seconds for clips in windows),
    )
    whole = np.concatenate([block for block, _ in made])
    return Edited(whole[None], rate, clips, original.remarks(rate, audio.shape[1], generator.model.domain))


def follow(
    generator: Generator, beginning: np.ndarray | None, *, rate: int, **asked: Any
) -> Iterator[tuple[np.ndarray, Clips | None]]:
    """The blocks of `stream`, each with the window that it is of; the beginning, which is first, has none."""
    domain = generator.model.domain
    if beginning is None:
        course = plan(generator, rate=rate, channels=domain.channels, **asked)
        for block, clips, _ in blocks(course, begin(course)):
            yield block, clips
        return
    clip = np.asarray(beginning, np.float64)
    if clip.ndim != 2 or not clip.size:
        raise UsageError(f"a clip to go on from is audio [N, C] with samples in it, not of shape {clip.shape}")
    whole = plan(generator, rate=rate, channels=clip.shape[1], **asked)
    if whole.total <= len(clip):
        raise UsageError(
            f"the clip alone is {len(clip) / rate:.6g} s: the length is that of both, clip and continuation, and must be more, "
            f"not {whole.total / rate:.6g} s"
        )
    first, carry, gain = _after(whole, clip)
    schedule = tuple((max(0.0, since - first / rate), told) for since, told in whole.schedule)
    course = dataclasses.replace(whole, total=whole.total - first, schedule=schedule, gain=gain)
    yield clip, None
    yield from _joined(course, clip, len(clip) - first, blocks(course, begin(course)._replace(carry=carry)))


def _after(course: Course, clip: np.ndarray) -> tuple[int, Carry, float]:
    """The clip's sample at which the first window begins, that window's beginning: the clip's end, for as long as windows overlap; and the gain.

    Its frames are held to the last: of a clip none may change.
    """
    domain, spec = course.domain, MelSpec(**course.generator.config["mel"])
    if spec.level != "absolute":
        raise UsageError(
            "this model's mels do not hold how loud a clip is, and so cannot go on from one: take one whose mel.level is 'absolute'"
        )
    size, unit = len(begin(course).carry.audio), domain.samples_per_frame
    step = course.rate // math.gcd(
        course.rate, domain.sample_rate
    )  # samples after which one falls on one of the model's again
    wanted = course.layout.overlap * unit * course.rate / domain.sample_rate
    first = max(0, math.floor((len(clip) - wanted) / step) * step)
    given = original.to_model(clip[first:], course.rate, domain)
    margin = 0 if course.rate == domain.sample_rate else RINGING
    settled = (len(clip) - first) * domain.sample_rate // course.rate - margin
    if settled > size - unit:
        raise UsageError(
            f"clips at {course.rate} Hz do not go with this model's windows of {domain.seconds:.3g} s: resample to {domain.sample_rate} Hz"
        )
    free = np.arange(size) >= settled
    audio = np.zeros((size, domain.channels), np.float32)
    audio[: min(size, len(given))] = given[:size]
    audio[free] = 0
    is_free = masks.frames(free[None], domain.samples_per_frame, masks.reach_of(domain, spec.n_fft))[0]
    if is_free.all():
        least = (unit + masks.reach_of(domain, spec.n_fft) + margin) / domain.sample_rate
        raise UsageError(
            f"a clip of {len(clip) / course.rate:.3g} s is too short to go on from: this model needs {least:.3g} s"
        )
    x_0 = generation.encode(course.generator, audio[None])
    gain = float(level.gains(course.generator, Known(audio[None], free[None]), x_0)[0])
    starts = np.where(is_free, -np.inf, np.inf).astype(np.float32)
    return first, Carry(0, x_0[0], starts, (audio / gain).astype(np.float32), settled), gain


def _joined(
    course: Course, clip: np.ndarray, shared: int, made: Iterator[tuple[np.ndarray, Clips, State]]
) -> Iterator[tuple[np.ndarray, Clips]]:
    """What goes on from the clip, of blocks that begin `shared` samples before its end.

    There the two differ by what the model cannot cover, and a little more. That difference, mirrored at the join, goes on and fades.
    """
    waiting, fade, joined = np.zeros((0, clip.shape[1])), round(FADE * course.rate), False
    for block, clips, state in made:
        if not joined:
            waiting = np.concatenate([waiting, block])
            if len(waiting) < shared + fade and state.sent < course.total:
                yield waiting[:0], clips
                continue
            size = min(fade, shared, len(waiting) - shared)
            difference = (clip[len(clip) - size :] - waiting[shared - size : shared])[::-1]
            fading = 0.5 + 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / max(1, size))
            waiting[shared : shared + size] += difference * fading[:, None]
            block, joined = waiting[shared:], True
        yield np.clip(block, -1.0, 1.0), clips


def _window(course: Course, carry: Carry, told: Told) -> tuple[Clips, np.ndarray]:
    """What the model makes of a window, and its audio [N, C], into which what is settled has become."""
    domain = course.domain
    seed = overlap.seed_of(course.seed, carry.number)
    eps = jax.random.normal(randomness.root_key(seed, "overlap"), carry.x_0.shape)
    held = {
        "x_0": carry.x_0[None],
        "eps": np.asarray(eps)[None],
        "start": carry.starts.reshape(1, -1, *[1] * (carry.x_0.ndim - 1)),
    }
    known = Known(carry.audio[None], np.arange(len(carry.audio))[None] >= carry.settled)
    edit = Edit(constraints.sdedit, held, known=known)
    asked = {**course.asked, "told": told}
    clips = generation.generate(course.generator, seeds=[seed], frames=course.layout.window, edit=edit, **asked)
    # In the middle of what is settled: nearer to its end, phases are those of neither.
    size = min(round(CROSSFADE * domain.sample_rate), carry.settled // 2)
    return clips, overlap.crossfade(carry.audio, clips.audio[0], (carry.settled + size) // 2, size)
