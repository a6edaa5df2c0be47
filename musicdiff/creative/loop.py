"""Loops: circular in time from the noise to the vocoder, as long as their bars to the sample, with the downbeat first."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from musicdiff import artifacts, conditioning, generation, prompts
from musicdiff.audio import circular, loop_chunks, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.conditioning import key
from musicdiff.creative import downbeat
from musicdiff.creative.edited import Edited
from musicdiff.creative.tempo import Layout, lay_out
from musicdiff.generation import Clips, Edit, Generator
from musicdiff.typing import Domain

CLEAR = 0.6  # sure enough to turn a loop by: docs/loops.md has how often that is right
AUDIBLE = 1.0  # cents: smaller moves of pitch are not said


def loop(
    generator: Generator,
    *,
    bars: int,
    bpm: float,
    beats_per_bar: int = 4,
    rate: int = 44_100,
    seeds: Sequence[int],
    turn: bool = True,
    **asked: Any,
) -> Edited:
    """A loop a seed, exactly as long as its bars at `rate`. Any place of the circle could be its beginning: the wrap is no seam.

    F frames are laid at round(i N / F) of N samples (creative/tempo.py); the file is one circular FFT resample of them. Loops longer than the
    model's own clip are denoised in overlapping windows of that length around the circle. Where the model can be told a tempo, it is told bpm.

    turn: turn the loop until its downbeat stands first, where a beat is clear. Which bar of several is the first is not asked
    asked: told, negative, guidance, sampler, batch_size of `generation.generate`; a tempo that is told stays
    Raises UsageError for lengths that the model's frames do not fit (it names tempi that do), and what `generate` raises.
    """
    domain = generator.model.domain
    layout = lay_out(domain, bars=bars, bpm=bpm, beats_per_bar=beats_per_bar, rate=rate)
    told, said = _with_tempo(generator, asked.pop("told", None), bpm)
    clips = generation.generate(
        generator,
        seeds=seeds,
        told=told,
        padding="circular",
        frames=layout.frames,
        samples=layout.model_samples,
        edit=Edit(windows=generation.windows_over(domain, layout.frames)),
        **asked,
    )
    notes = [str(layout), *said, *_remarks(domain, layout)]
    if turn:
        clips, turned = _turned(clips, layout)
        notes += turned
    audio = np.stack([circular.resample(clip.astype(np.float64), layout.samples) for clip in clips.audio])
    return Edited(audio, rate, clips, tuple(notes))


def write(folder: epath.PathLike, generator: Generator, looped: Edited, layout: Layout) -> Iterator[str]:
    """Writes each loop (`save`) and the page that plays them; yields what there is to say, line by line. layout: of `looped`."""
    for clip in save(folder, generator, looped, layout):
        yield "  ".join([str(clip.audio), *clip.findings])
    yield from dict.fromkeys((*looped.notes, *looped.clips.notes))
    yield f"listen: {artifacts.rebuild_page(folder, f'loops: {generator.name}, step {generator.step}')}"


def save(
    folder: epath.PathLike,
    generator: Generator,
    looped: Edited,
    layout: Layout,
    *,
    tool: str = "loop",
    details: Mapping[str, Any] | None = None,
) -> list[artifacts.Clip]:
    """Each loop as 24-bit WAV with what samplers and sequencers read of loops, its sidecar and its picture.

    Chunks `smpl` (the whole file repeats) and `acid` (tempo, beats, and the key's root where it was told) say nothing that is not known.
    tool, details: what the sidecars say besides
    """
    clips = looped.clips
    record = {"tool": tool, "loop": dataclasses.asdict(layout), **(details or {})}
    saved = artifacts.save_clips(
        folder,
        names(layout, clips),
        looped.audio,
        looped.rate,
        provenance=[generation.provenance(generator, clips, i) | record for i in range(len(clips.seeds))],
        mels=clips.log_mel,
        spec=MelSpec(**generator.config["mel"]),
        roughness=np.asarray(quality.roughness(clips.log_mel)),
        reference_roughness=generator.roughness,
    )
    chunks = {"loop": (0, layout.samples), "bpm": layout.bpm, "beats": layout.beats}
    for clip, told in zip(saved, clips.told):
        wav = clip.audio.read_bytes()
        clip.audio.write_bytes(loop_chunks.add(wav, **chunks, beats_per_bar=layout.beats_per_bar, root=root_of(told)))
    return saved


def names(layout: Layout, clips: Clips) -> list[str]:
    """'{style}_{bpm}bpm_{key}_{seed}' of each loop: what was told of it. What was not told is left out."""
    return ["_".join([*_labels(layout, told), str(seed)]) for told, seed in zip(clips.told, clips.seeds)]


def root_of(told: Mapping[str, Any] | prompts.Mix) -> int | None:
    """The tonic of the key that a loop was told, in semitones above C; None where it was told none."""
    number = key.parse(told["key"]) if isinstance(told, Mapping) and "key" in told else None
    return None if number is None else number % 12


def _labels(layout: Layout, told: Mapping[str, Any] | prompts.Mix) -> list[str]:
    told = told if isinstance(told, Mapping) else {}  # of a mix of styles or keys none is the loop's
    root = root_of(told)
    style = [told["style"]] if "style" in told else []
    mode = "minor" if root is not None and key.parse(told["key"]) >= 12 else "major"
    return [*style, f"{layout.bpm:g}bpm", *([] if root is None else [f"{prompts.TONICS[root]} {mode}"])]


def _with_tempo(generator: Generator, told: Any, bpm: float) -> tuple[Any, list[str]]:
    """What is told, with the tempo where the model knows one, and what there is to say of it."""
    condition = generator.model.conditions.get("tempo")
    if condition is None:
        return told, [
            "note: this model cannot be told a tempo: the loop is as long as its bars, but its music need not keep their beat"
        ]
    if reason := condition.refuse(bpm):
        return told, [f"note: this model is not told the tempo, which {reason}"]

    def add(row):
        if not isinstance(row, Mapping):
            return tuple((weight, add(alone)) for weight, alone in row)
        return row if conditioning.is_known(row.get("tempo")) else {**row, "tempo": bpm}

    return add(told or {}) if told is None or isinstance(told, Mapping) else [add(row) for row in told], []


def _remarks(domain: Domain, layout: Layout) -> list[str]:
    cents = -1200 * math.log2(layout.stretch)
    notes = []
    if domain.samples_per_frame == 1 and abs(cents) >= AUDIBLE:
        notes.append(f"note: the stretch of a waveform moves its pitch too, by {cents:+.1f} cents")
    if layout.frames > domain.shape[0]:
        notes.append(
            f"longer than the model's own clip of {domain.seconds:.2f} s: denoised in overlapping windows of it"
        )
    return notes


def _turned(clips: Clips, layout: Layout) -> tuple[Clips, list[str]]:
    """Each clip turned until its downbeat is its first sample: audio to the sample, pictures and x_0 to the frame."""
    audio, log_mel, x_0, notes = [], [], [], []
    for i, seed in enumerate(clips.seeds):
        found = downbeat.find(clips.audio[i], clips.sample_rate, bars=layout.bars, beats_per_bar=layout.beats_per_bar)
        share = found.share / layout.bars if found.beat >= CLEAR else 0.0  # of the loop
        audio.append(np.roll(clips.audio[i], -round(share * clips.audio.shape[1]), axis=0))
        log_mel.append(np.roll(clips.log_mel[i], -round(share * clips.log_mel.shape[1]), axis=0))
        x_0.append(np.roll(clips.x_0[i], -round(share * clips.x_0.shape[1]), axis=0))
        notes.append(f"seed {seed}: {_say(found, layout)}")
    return dataclasses.replace(clips, audio=np.stack(audio), log_mel=np.stack(log_mel), x_0=np.stack(x_0)), notes


def _say(found: downbeat.Downbeat, layout: Layout) -> str:
    if found.beat < CLEAR:
        return f"no beat is clear ({found.beat:.0%} sure): it begins where it was made"
    seconds = found.share * 60 * layout.beats_per_bar / layout.bpm
    if found.bar < CLEAR:
        return f"turned by {seconds:.3f} s: it begins on a beat ({found.beat:.0%} sure), the first of a bar by no more than {found.bar:.0%}"
    return f"turned by {seconds:.3f} s: it begins on the downbeat ({found.bar:.0%} sure)"
