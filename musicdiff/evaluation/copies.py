"""Memorisation: is a generated clip nearer to a training track than clips are that training never saw.

The threshold is set on one half of the held-out clips (split conformal: its order statistics), and what it flags of the other half is told.
A flag says that 2.8 s of the clip are found in a track; it does not say that a clip which is transposed or played faster is none.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from etils import epath

from musicdiff import data, generation
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import DataError
from musicdiff.evaluation import fingerprints, sounds
from musicdiff.evaluation.clips import open_tracks
from musicdiff.evaluation.sounds import Trained
from musicdiff.training import curves

RATE = 0.01  # of clips that are no copies, flagged
HELD_OUT = 400  # clips, at most
SPEC = MelSpec()  # whose rate and width folders are read at
LISTED = 20

Sounds = Iterable[tuple[str, np.ndarray]]  # (name, audio float32 [N, C])


@dataclass(frozen=True)
class Match:
    """A clip's nearest training track: its name, the second of it where the likest 2.8 s begin, how like (at most 1); flagged: too like."""

    clip: str
    track: str
    start: float
    similarity: float
    flagged: bool


@dataclass(frozen=True)
class Copies:
    """generated: in order of likeness, the likest first; held_out: similarities, half by half, the first of which set the threshold

    expected: share of clips like the held-out ones that the threshold flags, by its rank; RATE unless the half is too small
    false: flagged share of the other half, with its 95 % interval (Wilson)
    """

    generated: tuple[Match, ...]
    held_out: tuple[tuple[float, ...], tuple[float, ...]]
    threshold: float
    expected: float
    false: float
    interval: tuple[float, float]

    @property
    def flagged(self) -> int:
        return sum(match.flagged for match in self.generated)


def measure(generated: Sounds, training: Sounds, held_out: Sounds, rate: int, *, seed: int = 0) -> Copies:
    """The nearest training track of every clip, all at one rate in Hz. Training tracks are read once; of 10 h, 200 MB are kept.

    Clips of one held-out track ('NAME START', as sounds.real names them) stay in one half.
    Raises DataError for no clips, no training track, fewer than two held-out tracks, and for NaN or infinity.
    """
    asked, known = _pieces(generated, rate), _pieces(held_out, rate)
    if not asked:
        raise DataError("no generated clips: there is nothing to look for")
    halves = _halves([name for name, _ in known], seed)
    found = _nearest(
        [*asked, *known], ((name, fingerprints.picture(_checked(name, audio), rate)) for name, audio in training)
    )
    likeness = np.array([similarity for similarity, _, _ in found[len(asked) :]])
    first, second = (likeness[half] for half in halves)
    threshold, expected = limit(first)
    over = int((second > threshold).sum())
    matches = [
        Match(name, track, start, similarity, bool(similarity > threshold))
        for (name, _), (similarity, track, start) in zip(asked, found)
    ]
    return Copies(
        generated=tuple(sorted(matches, key=lambda match: -match.similarity)),
        held_out=(tuple(first.tolist()), tuple(second.tolist())),
        threshold=threshold,
        expected=expected,
        false=over / len(second),
        interval=wilson(over, len(second)),
    )


def of_run(trained: Trained, generated: Sounds, *, count: int = HELD_OUT, seed: int = 0) -> Copies:
    """`measure` of clips at the run's rate, against its own training tracks and at most `count` clips of its held-out ones.

    Raises DataError where the data are gone or have changed.
    """
    held_out = list(sounds.real(trained, "test", count))  # first: it checks that the data are those of the run
    spec = MelSpec(**trained.generator.config["mel"])
    return measure(generated, training_tracks(trained), held_out, spec.sample_rate, seed=seed)


def of_workdir(workdir: str, generated: str, *, count: int = HELD_OUT, seed: int = 0) -> Copies:
    """`of_run` of a folder of clips and the run in `workdir`."""
    trained = Trained(workdir, generation.load(workdir))
    return of_run(trained, folder(generated, MelSpec(**trained.generator.config["mel"])), count=count, seed=seed)


def of_folders(generated: str, training: str, held_out: str, *, count: int = HELD_OUT, seed: int = 0) -> Copies:
    """`measure` of folders of clips and tracks; held-out tracks are cut into clips as long as the generated ones are in the middle.

    Raises DataError for a folder that is missing or without audio, and for a file that cannot be read.
    """
    asked = list(folder(generated))
    length = int(np.median([len(audio) for _, audio in asked]))
    pieces = [
        (f"{name} {start}", audio[start : start + length])
        for name, audio in folder(held_out)
        for start in range(0, max(1, len(audio) - length + 1), length)
    ]
    chosen = np.unique(np.linspace(0, len(pieces) - 1, min(count, len(pieces))).astype(int))
    return measure(asked, folder(training), [pieces[i] for i in chosen], SPEC.sample_rate, seed=seed)


def folder(path: str, spec: MelSpec = SPEC) -> Iterator[tuple[str, np.ndarray]]:
    """The audio files of a tree as (name, audio [N, C]), at the rate and width of a front end."""
    for track in data.open_source(f"folder:{path}").tracks:
        yield track.name, track.read(sample_rate=spec.sample_rate, channels=spec.channels)[0]


def training_tracks(trained: Trained) -> Iterator[tuple[str, np.ndarray]]:
    """The whole tracks that a run was trained on, read from their source, at the run's rate and width. Raises DataError as `open_tracks` does."""
    config, spec = trained.generator.config, MelSpec(**trained.generator.config["mel"])
    source, tracks = open_tracks(trained.workdir, config, trained.generator.model.feature)
    names = set(map(str, tracks.split("train").labels["name"]))
    for track in source.tracks:
        if track.name in names:
            yield track.name, track.read(sample_rate=spec.sample_rate, channels=spec.channels)[0]


def limit(similarities: np.ndarray) -> tuple[float, float]:
    """(threshold, expected share above it): of n the ceil((n + 1)(1 - RATE))-th smallest, or the largest where n is below 99."""
    count = len(similarities)
    rank = min(count, math.ceil((count + 1) * (1 - RATE)))
    return float(np.sort(similarities)[rank - 1]), (count + 1 - rank) / (count + 1)


def wilson(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score."""
    share, squared = hits / count, z * z / count
    middle = (share + squared / 2) / (1 + squared)
    half = z * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def render(copies: Copies) -> str:
    """What was found, in Markdown: the flagged share, how far the threshold can be trusted, and the likest clips."""
    first, second = map(len, copies.held_out)
    low, high = copies.interval
    total = len(copies.generated)
    lines = [
        f"{copies.flagged} of {total} clips ({copies.flagged / total:.1%}) are more like a training track than {copies.threshold:.4f}.",
        f"The threshold is of {first} held-out clips, and should flag {copies.expected:.1%} of such; "
        f"of {second} others it flags {copies.false:.1%} (95 %: {low:.1%} to {high:.1%}).",
    ]
    if copies.expected > RATE:
        lines.append(
            f"**Too few held-out clips for {RATE:.0%}: that takes 99 in a half.** The threshold is the largest of {first}."
        )
    lines += ["", "| clip | nearest track | at | similarity | |", "|---|---|---|---|---|"]
    for match in copies.generated[: max(LISTED, copies.flagged)]:
        said = "**copy**" if match.flagged else ""
        lines.append(f"| {match.clip} | {match.track} | {match.start:.1f} s | {match.similarity:.4f} | {said} |")
    return "\n".join(lines)


def save_picture(path: epath.PathLike, copies: Copies) -> None:
    """A PNG of the distributions of both, and the threshold."""
    figure = curves.make_figure(7, 3.5)
    axes = figure.subplots()
    sets = {
        "held out": [*copies.held_out[0], *copies.held_out[1]],
        "generated": [m.similarity for m in copies.generated],
    }
    edges = np.linspace(min(map(min, sets.values())), 1.0, 51)
    for label, values in sets.items():
        axes.hist(values, edges, weights=np.full(len(values), 1 / len(values)), alpha=0.6, label=label)
    axes.axvline(copies.threshold, color="black", linewidth=0.8, label="threshold")
    axes.set(xlabel="similarity to the nearest training track", ylabel="share of clips")
    axes.legend(fontsize="small")
    curves.write_png(epath.Path(path), figure)


def _pieces(clips: Sounds, rate: int) -> list[tuple[str, np.ndarray]]:
    return [(name, fingerprints.asked_for(_checked(name, audio), rate)) for name, audio in clips]


def _checked(name: str, audio: np.ndarray) -> np.ndarray:
    if not len(audio) or not np.isfinite(audio).all():
        raise DataError(f"{name} is empty, or holds NaN or infinity: leave it out")
    return audio


def _nearest(
    clips: list[tuple[str, np.ndarray]], training: Iterable[tuple[str, np.ndarray]]
) -> list[tuple[float, str, float]]:
    """(similarity, track, second) of each clip's likest patch."""
    pieces = [patches for _, patches in clips]
    owner = np.repeat(np.arange(len(clips)), [len(piece) for piece in pieces])
    lengths = np.array([pieces[i].shape[1] for i in owner])
    flat = [patch for piece in pieces for patch in piece]
    tracks = list(training)  # pictures: 10 h are 200 MB
    if not tracks:
        raise DataError("no training tracks: there is nothing that could have been copied")
    best = [(-math.inf, "", 0.0)] * len(clips)
    for length in np.unique(lengths):
        where = np.flatnonzero(lengths == length)
        found = fingerprints.search(np.stack([flat[i] for i in where]), tracks)
        for i, *match in zip(owner[where], found.similarity, found.track, found.start):
            best[i] = max(best[i], (float(match[0]), str(match[1]), float(match[2])))
    return best


def _halves(names: list[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of both halves: tracks in random order, as many to each as makes the clips even."""
    tracks = np.array([head if tail.isdigit() else name for name in names for head, _, tail in [name.rpartition(" ")]])
    different = np.unique(tracks)
    if len(different) < 2:
        raise DataError(f"{len(different)} held-out tracks: two at least are needed, to set a threshold and to test it")
    order = np.random.default_rng(seed).permutation(different)
    totals = np.cumsum([(tracks == track).sum() for track in order])
    cut = min(int(np.argmin(np.abs(totals - len(tracks) / 2))), len(order) - 2) + 1
    inside = np.isin(tracks, order[:cut])
    return np.flatnonzero(inside), np.flatnonzero(~inside)
