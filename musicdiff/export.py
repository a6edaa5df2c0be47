"""Generated clips as files: at the rate and width that is asked for, each with its provenance, findings and picture."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from musicdiff import artifacts, prompts
from musicdiff.audio import io, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import UsageError
from musicdiff.generation import Clips, Generator, provenance

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000  # of files, in Hz


def check_format(rate: int, subtype: str, container: str) -> None:
    """Raises UsageError for a rate, sample format or container that files cannot have; to be asked before anything is computed."""
    import soundfile

    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UsageError(f"a file's rate lies between {LOWEST_RATE} and {HIGHEST_RATE} Hz, not at {rate}")
    if not soundfile.check_format(container.upper(), subtype):
        known = ", ".join(
            name for name in soundfile.available_subtypes() if soundfile.check_format(container.upper(), name)
        )
        raise UsageError(f"{container} files have no {subtype!r}; there are: {known}")


def describe(generator: Generator, clips: Clips, i: int) -> str:
    """The i-th clip's title: what it is told, model, step, sampler with its options, guidance, duration and seed.

    Only the same clip again has the same file.
    """
    settings = dict(clips.settings)
    weights = generator.milestone or generator.step
    words = [prompts.say(clips.told[i])] if clips.told[i] else []
    words += [generator.name, f"step {weights}", f"{settings.pop('name')} {settings.pop('num_steps')}"]
    words += [str(value) if key == "grid" else f"{key} {_number(value)}" for key, value in settings.items()]
    if guidance := clips.guidance:
        words += [f"guidance {_number(guidance.scale)}"]
        words += [f"from {generator.weaker_milestone}"] if generator.weaker_milestone else []
        words += [f"not {prompts.say(clips.negative)}"] if clips.negative else []
        # Signs: file names keep a +, and lose a -.
        levels = [_number(level, sign=True) for level in guidance.interval or ()]
        words += [f"within {' to '.join(levels)}"] if levels else []
        words += [f"rescale {_number(guidance.rescale)}"] if guidance.rescale else []
    return " ".join([*words, f"{_seconds(clips.audio.shape[1], clips.sample_rate)} s", f"seed {clips.seeds[i]}"])


def _number(value: float, sign: bool = False) -> str:
    """With as many digits as it needs to be no other number: '3', '0.07'."""
    return np.format_float_positional(value, trim="-", sign=sign)


def _seconds(samples: int, rate: int) -> str:
    """With as many digits, from four on, as it needs to be no other number of samples."""
    decimals = (f"{samples / rate:.{digits}g}" for digits in range(4, 18))
    return next(decimal for decimal in decimals if round(float(decimal) * rate) == samples)


def write_clips(
    folder: Any,
    generator: Generator,
    clips: Clips | Iterable[Clips],
    *,
    rate: int = 44_100,
    subtype: str = "PCM_24",
    container: str = "wav",
) -> Iterator[str]:
    """Writes each clip to `folder` with sidecar and picture, then the page that plays them; yields what there is to say, line by line.

    clips: of generation.generate, or the batches of generation.stream, of which each is written before the next is computed
    rate: of the files; what is above half the model's own rate stays empty. subtype: libsndfile's name. container: 'wav' or 'flac'.
    Raises UsageError for a rate or format that does not exist.
    """
    check_format(rate, subtype, container)
    count, compile_seconds, compute_seconds = 0, 0.0, 0.0
    for batch in [clips] if isinstance(clips, Clips) else clips:
        audio = np.stack([io.resample(clip, batch.sample_rate, rate) for clip in batch.audio])
        saved = artifacts.save_clips(
            folder,
            [describe(generator, batch, i) for i in range(len(audio))],
            audio,
            rate,
            subtype=subtype,
            format=container,
            provenance=[provenance(generator, batch, i) for i in range(len(audio))],
            mels=batch.log_mel,
            spec=MelSpec(**generator.config["mel"]),
            roughness=np.asarray(quality.roughness(batch.log_mel)),
            reference_roughness=generator.roughness,
        )
        for clip in saved:
            yield "  ".join([str(clip.audio), *clip.findings])
        count += len(saved)
        compile_seconds += batch.compile_seconds
        compute_seconds += batch.compute_seconds
    yield from batch.notes
    reach, seconds = min(rate, batch.sample_rate) / 2000, audio.shape[1] / rate
    yield f"{count} clips of {seconds:.2f} s at {rate} Hz, {subtype}; their content reaches {reach:.4g} kHz"
    yield (
        f"compiled in {compile_seconds:.1f} s, computed in {compute_seconds:.2f} s, {batch.evaluations} evaluations: "
        f"{compute_seconds / (count * batch.audio.shape[1] / batch.sample_rate):.3g} s for each second of audio"
    )
    page = artifacts.rebuild_page(folder, f"{generator.name}, step {generator.step}")
    yield f"listen: {page}"
