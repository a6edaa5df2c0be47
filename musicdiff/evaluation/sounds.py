"""Clips on their way to an embedding, as (name, audio): generated, real, carried by a model's codec, silent, or noise; and how loud clips are."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from musicdiff import artifacts, facts, generation, parallel, randomness
from musicdiff.audio import io, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.data.clips import Clips
from musicdiff.data.progress import track_progress
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation.clips import open_tracks
from musicdiff.generation import Generator

BATCH = 8  # clips that pass through a model's codec at once

Sounds = Iterator[tuple[str, np.ndarray]]  # (name, audio float32 [N, C])


class Like(NamedTuple):
    """What silence and noise are made like. lengths: of clips, in samples; rate: Hz; rms: the clips' mean level, full scale is 1."""

    lengths: Sequence[int]
    rate: int
    rms: float


class Trained(NamedTuple):
    """The model behind the clips, and where its data are told."""

    workdir: Any
    generator: Generator


@dataclass(frozen=True)
class Levels:
    """Of usable clips. rms_db, peak_db: (lowest, mean, highest) in dB of full scale, of those that are not silent, None where all are.

    findings: {what `quality.examine` found, such as 'silent' or 'clipped': in how many clips}
    """

    rms_db: tuple[float, float, float] | None
    peak_db: tuple[float, float, float] | None
    findings: Mapping[str, int]


def seeds(first: int, count: int) -> range:
    """first ... first + count - 1. Raises UsageError for fewer than 2: of one clip there is no score."""
    if count < 2:
        raise UsageError(f"a set of clips is scored: 2 at least, not {count}")
    return range(first, first + count)


def generated(generator: Generator, seeds: Sequence[int], *, batch_size: int, asked: Mapping[str, Any]) -> Sounds:
    """A clip a seed, as they are computed; asked: of generation.stream."""
    for clips in _batches(generator, seeds, batch_size, asked):
        yield from ((f"seed {seed:06d}", audio) for seed, audio in zip(clips.seeds, clips.audio))


def check_empty(folder: epath.Path) -> None:
    """Raises UsageError where a folder holds anything: clips of another report would be scored with those that are to be generated."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty, and clips in it would be scored too: name another --out, or remove it"
        )


def save_generated(
    generator: Generator,
    folder: epath.Path,
    seeds: Sequence[int],
    *,
    batch_size: int,
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes a clip a seed, bit for bit as generated, with the page that plays them; returns what of their provenance they share.

    Raises UsageError as `check_empty` does.
    """
    check_empty(folder)
    records: list[dict[str, Any]] = []
    for clips in _batches(generator, seeds, batch_size, asked):
        provenance = [generation.provenance(generator, clips, i) for i in range(len(clips.audio))]
        names = [f"seed {seed:06d}" for seed in clips.seeds]
        kept = {"provenance": provenance, "mels": clips.log_mel, "spec": MelSpec(**generator.config["mel"])}
        artifacts.save_clips(folder, names, clips.audio, clips.sample_rate, subtype="FLOAT", **kept)
        records += provenance
    artifacts.rebuild_page(folder, f"{generator.name}, step {generator.step}")
    shared = {name: value for name, value in records[0].items() if all(record[name] == value for record in records)}
    return shared | {"seed": f"{seeds[0]} to {seeds[-1]}"}


def real(trained: Trained, split: str, count: int) -> Sounds:
    """At most `count` clips of a split of the run's data, 'train' or 'test', as long as the model's, where `data.held_out` cuts them.

    They are read from the source: caches hold what a model is trained on, which need not be audio. A clip longer than its track is filled
    with zeros. Raises DataError where the data are gone, or are not those of the run.
    """
    model, config = trained.generator.model, trained.generator.config
    spec = MelSpec(**config["mel"])
    if "fingerprint" not in facts.read(trained.workdir):
        raise DataError(f"{trained.workdir} does not tell what it was trained on")
    source, tracks = open_tracks(trained.workdir, config, model.feature)
    cached = tracks.split(split)
    if not len(cached):
        raise DataError(f"{config['data']['source']} has one track, which was trained on: nothing was held out")
    unit = 1 if model.feature == "audio" else spec.hop
    samples = model.domain.shape[0] * model.domain.samples_per_frame
    chosen = Clips(cached.frames, samples // unit).centred(count)
    by_name = {track.name: track for track in source.tracks}
    for number, group in itertools.groupby(zip(chosen.track, chosen.start), key=lambda place: place[0]):
        name = str(cached.labels["name"][number])
        audio, _ = by_name[name].read(sample_rate=spec.sample_rate, channels=spec.channels)
        for _, start in group:
            clip = audio[start * unit : start * unit + samples]
            yield f"{name} {start * unit}", np.pad(clip, ((0, samples - len(clip)), (0, 0)))


def carried(trained: Trained, count: int) -> Sounds:
    """Held-out clips as the model's representation and vocoder give them back: to_audio(encode(audio))."""
    model, frozen = trained.generator.model, trained.generator.frozen

    def carry(frozen, batch):
        keys = randomness.seed_keys(batch["seeds"], "vocoder")
        return model.to_audio(frozen, model.encode(frozen, batch["audio"]), keys)

    program, done, held_out = parallel.Batched(carry), 0, real(trained, "test", count)
    while clips := list(itertools.islice(held_out, BATCH)):
        filled = np.resize(np.arange(len(clips)), BATCH)  # a short last batch too: one compilation
        batch = {"audio": np.stack([clips[i][1] for i in filled]), "seeds": (done + filled).astype(np.uint32)}
        yield from zip([name for name, _ in clips], program(frozen, batch))
        done += len(clips)


def silence(like: Like) -> Sounds:
    """Zeros, as long as the clips."""
    return ((f"silence {i}", np.zeros((length, 1), np.float32)) for i, length in enumerate(like.lengths))


def noise(like: Like, seed: int) -> Sounds:
    """White Gaussian noise at the clips' level, as long as they are; beyond full scale nothing is clipped."""
    for i, length in enumerate(like.lengths):
        rng = np.random.default_rng((seed, i))
        yield f"noise {i}", np.float32(like.rms) * rng.standard_normal((length, 1), np.float32)


def examine(paths: Sequence[epath.Path]) -> tuple[Levels, Like]:
    """The levels of clips, and what nulls are made like: their lengths at the highest of their rates."""
    squares, peaks, seconds, rates, findings = [], [], [], [], Counter()
    for path in paths:
        audio, rate = io.read(path)
        squares.append(float(np.mean(np.square(audio, dtype=np.float64))))
        peaks.append(float(np.abs(audio).max()))
        seconds.append(len(audio) / rate)
        rates.append(rate)
        findings.update({finding.partition(":")[0] for finding in quality.examine(audio, rate)})
    audible = 20.0 * np.log10(np.maximum(peaks, 1e-30)) >= quality.SILENT_PEAK_DB
    rms_db, peak_db = 10.0 * np.log10(np.array(squares)[audible]), 20.0 * np.log10(np.array(peaks)[audible])
    rate = max(rates)
    like = Like([max(1, round(length * rate)) for length in seconds], rate, float(np.sqrt(np.mean(squares))))
    return Levels(_spread(rms_db), _spread(peak_db), dict(findings.most_common())), like


def _batches(
    generator: Generator, seeds: Sequence[int], batch_size: int, asked: Mapping[str, Any]
) -> Iterator[generation.Clips]:
    batches = generation.stream(generator, seeds=seeds, batch_size=batch_size, **asked)
    what = f"{len(seeds)} clips of {generator.name}, step {generator.milestone}"
    return track_progress(batches, -(-len(seeds) // batch_size), what, unit="batch")


def _spread(values: np.ndarray) -> tuple[float, float, float] | None:
    return (float(values.min()), float(values.mean()), float(values.max())) if len(values) else None
