"""A night of music in one file: what it takes is said first, and killed at any time it goes on from there. Memory does not grow with its length."""

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicdiff import export, generation, models, prompts
from musicdiff.audio import loudness
from musicdiff.config import fingerprint
from musicdiff.creative import extend, mastering, saved
from musicdiff.creative.extend import Course, State, Told
from musicdiff.creative.mastering import Carried, Mastering
from musicdiff.creative.wav import Wav, check_room
from musicdiff.errors import DataError, UsageError
from musicdiff.generation import Generator

MEASURED = 60.0  # seconds at the beginning of which the loudness is that of the night
TIMED = 3  # windows, where no loudness is asked for; the first one warms up
SAID = 600.0  # seconds of audio between two lines about progress
MOST_GAIN = 40.0  # dB; what needs more is as good as silent


class Preset(NamedTuple):
    """What to ask of a model for a night. sampler: as of generate; vocoder: options that its configuration has; share: of overlap."""

    sampler: Mapping[str, Any]
    vocoder: Mapping[str, Any]
    share: float


# An hour of computing for eight of audio, on two cores and with a model such as latent:tiny: docs/long.md has what was measured.
PRESETS = {
    "overnight": Preset({"name": "ddim", "num_steps": 8}, {"num_iterations": 8, "num_inversion_steps": 10}, 0.25),
    "studio": Preset({}, {}, 0.5),  # as the model is configured
}


class Progress(NamedTuple):
    """What a resumed night goes on from."""

    state: State
    carried: Carried
    gain_db: float
    num_samples: int


def use(generator: Generator, preset: str) -> tuple[Generator, dict[str, Any]]:
    """The generator with a preset's vocoder, and what else `sleep` is asked. Raises UsageError for an unknown preset: lists them.

    A vocoder that has no such options stays, and so does the sampler of a flow map, which takes few steps anyway.
    """
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r} for a night; there are {', '.join(PRESETS)}")
    chosen, config = PRESETS[preset], generator.config
    if chosen.vocoder and config.get("vocoder", {}).get("name") == "griffin_lim":
        config = {**config, "vocoder": {**config["vocoder"], **chosen.vocoder}}
        generator = dataclasses.replace(generator, model=models.build(config), config=config)
    sampler = {} if generator.model.flow_map else dict(chosen.sampler)
    return generator, {"sampler": sampler, "share": chosen.share}


def sleep(
    generator: Generator,
    path: Any,
    *,
    hours: float,
    seed: int = 0,
    rate: int = 44_100,
    subtype: str = "PCM_24",
    fade_in: float = 20.0,
    fade_out: float = 60.0,
    low_pass: float | None = None,
    lufs: float | None = None,
    share: float = 0.25,
    schedule: Sequence[tuple[float, Told]] = (),
    **asked: Any,
) -> Iterator[str]:
    """Writes `path`, a WAV of so many hours, as it is made; yields what there is to say, the time and disk that it will take first.

    Beside it lies a state file, path.state.npz, until it is done. The same call again goes on from it, after a kill too, to the same bits.

    Args:
        path: local, .wav
        fade_in, fade_out: seconds
        low_pass: Hz, 24 dB an octave
        lufs: loudness of the first minute, as it is made; one gain for the whole night, and a slow limiter below -1 dBFS (`mastering.master`)
        share, schedule, asked: as of `extend.stream`
    Raises UsageError for what cannot be asked together, and for a file that is there already or was begun otherwise, DataError for a disk too
    small and for silence that is to be made loud.
    """
    path = Path(path)
    export.check_format(rate, subtype, "wav")
    if path.suffix.lower() != ".wav":
        raise UsageError(f"{path}: a night is written as .wav, which is valid at any time")
    channels = generator.model.domain.channels
    seconds = hours * 3600
    course = extend.plan(
        generator, seconds=seconds, seed=seed, rate=rate, channels=channels, share=share, schedule=schedule, **asked
    )
    if not all(0 <= fade < math.inf for fade in (fade_in, fade_out)):
        raise UsageError(f"fades are of 0 s or more, not of {fade_in:g} and {fade_out:g}")
    if lufs is not None:
        loudness.check(lufs)
    fades = {"fade_in": round(fade_in * rate), "fade_out": round(fade_out * rate)}
    chain = mastering.check(Mastering(rate, course.total, **fades, low_pass=low_pass))
    record = _record(course, chain, subtype, lufs)
    state_file = path.with_name(path.name + ".state.npz")
    if progress := saved.load(state_file, record, _first(course, chain)):
        yield f"going on at {_clock(progress.num_samples / rate)} of {_clock(seconds)}"
    elif path.exists():
        raise UsageError(f"{path} is there already: take another name, or remove it")
    if not progress:
        size = check_room(path.parent, course.total, channels, subtype)
        cost, loud, notes = _measure(course, chain, lufs)
        gain = 0.0 if lufs is None else lufs - loud
        yield (
            f"{_clock(seconds)} of audio: about {_clock(cost * seconds)} to compute ({cost:.3g} s for each second), {size / 1e9:.2f} GB of disk"
        )
        yield from notes
        if lufs is not None:
            if gain > MOST_GAIN:
                raise DataError(
                    f"what is made first is nearly silent, {loud:.1f} LUFS: take another seed, or leave its loudness alone"
                )
            yield f"the first {min(MEASURED, seconds):.0f} s are at {loud:.1f} LUFS: {gain:+.1f} dB throughout"
        progress = _first(course, chain)._replace(gain_db=gain)
    yield from _write(path, state_file, course, chain, progress, record, subtype)


def _write(
    path: Path,
    state_file: Path,
    course: Course,
    chain: Mastering,
    progress: Progress,
    record: Mapping[str, Any],
    subtype: str,
) -> Iterator[str]:
    chain, carried = chain._replace(gain=10 ** (progress.gain_db / 20)), progress.carried
    resumed, said = progress.num_samples, progress.num_samples
    clock, sidecar = time.perf_counter(), path.with_suffix(".json")
    saved.save(state_file, record, progress)
    wav = Wav(path, course.rate, course.channels, subtype, resumed or None)
    for block, clips, state in extend.blocks(course, progress.state):
        if not resumed and state.carry.number == 1:
            known = generation.provenance(course.generator, clips, 0)
            details = {"tool": "sleep", **record, "gain_db": round(progress.gain_db, 3)}
            sidecar.write_text(json.dumps({**known, **details}, indent=2) + "\n")
        block, carried = mastering.master(chain, carried, block, last=state.sent == course.total)
        wav.append(block)
        saved.save(state_file, record, Progress(state, carried, progress.gain_db, wav.num_samples))
        if wav.num_samples - said >= SAID * course.rate:
            said = wav.num_samples
            yield f"{_clock(said / course.rate)} of {_clock(course.total / course.rate)}"
    if sidecar.exists():
        wav.finish(json.dumps(json.loads(sidecar.read_text())))
    state_file.unlink()
    seconds, made = time.perf_counter() - clock, (course.total - resumed) / course.rate
    yield f"{path}  {_clock(course.total / course.rate)}, the last {_clock(made)} computed in {_clock(seconds)}"


def _measure(course: Course, chain: Mastering, lufs: float | None) -> tuple[float, float, tuple[str, ...]]:
    """Seconds of computing for each of audio, LUFS of the first minute behind the low-pass, and the model's notes. It is made again later."""
    memory, heard, num_samples = mastering.begin(chain, course.channels).memory, [], 0
    clock, costs, notes = time.perf_counter(), [], ()
    for block, clips, _ in extend.blocks(course, extend.begin(course)):
        notes = clips.notes
        costs.append(time.perf_counter() - clock)
        num_samples += len(block)
        if lufs is not None:
            filtered, memory = mastering.filtered(chain, memory, block)
            heard.append(filtered)
        if num_samples >= MEASURED * course.rate if lufs is not None else len(costs) == TIMED:
            break
        clock = time.perf_counter()
    hop = course.layout.hop * course.domain.samples_per_frame / course.domain.sample_rate
    warm = costs[1:] or costs
    loud = loudness.lufs(np.concatenate(heard), course.rate) if heard else 0.0
    return float(np.median(warm)) / hop, loud, notes


def _first(course: Course, chain: Mastering) -> Progress:
    return Progress(extend.begin(course), mastering.begin(chain, course.channels), 0.0, 0)


def _record(course: Course, chain: Mastering, subtype: str, lufs: float | None) -> dict[str, Any]:
    """All that the file's samples depend on, but for the code."""
    generator, asked = course.generator, dict(course.asked)
    schedule = [[since, prompts.record(told or {})] for since, told in course.schedule]
    told, guidance = asked.pop("told", None), asked.pop("guidance", None)
    return {
        "model": {
            "name": generator.name,
            "config": fingerprint(generator.config),
            "step": generator.step,
            "milestone": generator.milestone,
        },
        "night": {"seed": course.seed, "rate": course.rate, "total": course.total, "subtype": subtype, "lufs": lufs},
        "mastering": chain._asdict(),
        "windows": list(course.layout),
        "asked": {**asked, "told": told, "guidance": guidance and dataclasses.asdict(guidance), "schedule": schedule},
    }


def _clock(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
