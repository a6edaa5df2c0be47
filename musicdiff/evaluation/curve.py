"""A score over the number of clips, which shows its bias, and over the steps of a training, which shows what it was worth."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath

from musicdiff import generation, milestones, parallel
from musicdiff.errors import DataError
from musicdiff.evaluation import fad, frechet, listening, moments, rows, sounds
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.fad import Comparison, Infinity
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.reference import Reference
from musicdiff.evaluation.rows import Row
from musicdiff.training import curves

FEWEST = 8  # clips of the smallest subsets
SUBSETS = 8  # of each size, at most
NUM_CLIPS = 64  # of each milestone
NUM_DRAWS = 20  # of the bootstrap that tells how often a change has its sign


@dataclass(frozen=True)
class Point:
    """A place on a curve.

    x: clips, or the step
    row: the score there, over clips that of the first subset
    raws: over clips, the raw scores of disjoint subsets of that size
    change: over steps, from the point before, clips of one seed being pairs
    """

    x: int
    row: Row
    raws: tuple[float, ...] = ()
    change: Comparison | None = None


@dataclass(frozen=True)
class Curve:
    """Points from left to right; over: 'clips' or 'step'; infinity: over clips, where a line through subsets meets n = infinity."""

    over: str
    points: tuple[Point, ...]
    infinity: Infinity | None = None


def over_clips(
    embedding: Embedding,
    heard: Heard,
    reference: Reference,
    *,
    label: str,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> Curve:
    """All clips, a half of them, a quarter ...: subsets WITHOUT replacement, disjoint where they are of one size, by a random order.

    Raises DataError for fewer than 8 clips, and what rows.score raises.
    """
    clips = heard.embedded.clips
    heard.embedded.need(FEWEST)
    order = np.random.default_rng(seed).permutation(clips)
    points = []
    for size in sorted(_sizes(clips)):
        parts = [rows.part(heard, order[start : start + size]) for start in range(0, clips - size + 1, size)][:SUBSETS]
        options = {"label": f"{label}, {size} clips", "max_padded": max_padded, "seed": seed}
        row = rows.score(embedding, parts[0], reference, **options)
        raws = [frechet.distance(moments.of(part.embedded.x), reference.moments) for part in parts]
        points.append(Point(size, row, tuple(raws)))
    return Curve("clips", tuple(points), fad.infinity(heard.embedded, reference.moments, seed=seed))


def over_steps(
    embedding: Embedding,
    workdir: Any,
    reference: Reference,
    *,
    num_clips: int = NUM_CLIPS,
    seed: int = 0,
    batch_size: int = 8,
    asked: Mapping[str, Any] | None = None,
    max_padded: float = rows.MAX_PADDED,
) -> Curve:
    """Every milestone that the run left, from the same seeds: clips of one seed are pairs, and a change is known better than either score.

    asked: of generation.stream, where it is to be other than the configuration
    Raises DataError for no milestones, and what generation.load and rows.score raise.
    """
    generator, numbers = generation.load(workdir), sounds.seeds(seed, num_clips)
    points, before = [], None
    for milestone in (each for each in milestones.find(workdir) if each.width is None):
        _, params = milestones.read(workdir, milestone.name)
        # The same model: what is compiled for one milestone is for all.
        at = dataclasses.replace(
            generator, params=parallel.local(params), step=milestone.step, milestone=milestone.name
        )
        clips = sounds.generated(at, numbers, batch_size=batch_size, asked=asked or {})
        heard = listening.arrays(embedding, clips, generator.model.domain.sample_rate)
        options = {"label": f"{generator.name}, step {milestone.name}", "max_padded": max_padded, "seed": seed}
        row = rows.score(embedding, heard, reference, **options)
        points.append(Point(milestone.step, row, change=before and change(heard, before, reference, seed)))
        before = heard
    return Curve("step", tuple(points))


def change(later: Heard, earlier: Heard, reference: Reference, seed: int) -> Comparison:
    """How far the score rose, by the clips that both have: one that is unusable leaves its pair."""
    common = set(later.embedded.names) & set(earlier.embedded.names)
    if len(common) < 2:
        raise DataError(f"{len(common)} clips are usable at both steps: they cannot be compared")
    pair = [
        rows.part(heard, np.flatnonzero([name in common for name in heard.embedded.names])).embedded
        for heard in (later, earlier)
    ]
    return fad.compare(*pair, reference.moments, num_draws=NUM_DRAWS, seed=seed)


def write(out: epath.PathLike, curve: Curve) -> list[epath.Path]:
    """Writes OUT/score_over_clips.md, .json and .png, or score_over_step; returns their paths."""
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"score_over_{curve.over}.{suffix}" for suffix in ("md", "json", "png")]
    paths[0].write_text(render(curve) + "\n")
    paths[1].write_text(json.dumps(dataclasses.asdict(curve), indent=2) + "\n")
    curves.write_png(paths[2], draw(curve))
    return paths


def render(curve: Curve) -> str:
    """The points as a table, in Markdown, and what is known of them together."""
    lines = [rows.render([point.row for point in curve.points]), ""]
    for point in curve.points:
        if len(point.raws) > 1:
            mean, deviation = np.mean(point.raws), np.std(point.raws, ddof=1)
            lines.append(f"- {len(point.raws)} sets of {point.x} clips: raw {mean:.4g}, deviation {deviation:.2g}")
        if found := point.change:
            low, high = found.interval
            moved = f"{found.difference:+.4g} ± {found.error:.2g} (95 %: {low:+.4g} to {high:+.4g})"
            lines.append(
                f"- to step {point.x}: {moved}; {found.share * NUM_DRAWS:g} of {NUM_DRAWS} draws have that sign"
            )
    if found := curve.infinity:
        lines.append(
            f"- led to infinitely many clips: {found.value:.4g} ± {found.error:.2g} of the fit; slope {found.slope:.4g}"
        )
    return "\n".join(lines).rstrip()


def draw(curve: Curve) -> Any:
    """The score without bias with its 95 %, the raw one, and the floor, over clips or steps."""
    figure = curves.make_figure(7.5, 4.5)
    axes = figure.subplots()
    x = [point.x for point in curve.points]
    found = [point.row.fad for point in curve.points]
    values = np.array([each.value for each in found])
    bars = np.abs(np.array([each.interval for each in found]).T - values)
    raws = [point.raws or (point.row.fad.raw,) for point in curve.points]
    for each, several in zip(x, raws):
        axes.plot([each] * len(several), several, "o", color="tab:orange", alpha=0.35, markersize=4)
    axes.plot(x, [np.mean(several) for several in raws], color="tab:orange", label="raw")
    line = "none" if curve.over == "clips" else "-"  # sets of other clips are no course of things
    axes.errorbar(x, values, bars, color="tab:blue", marker="o", linestyle=line, capsize=3, label="without bias, 95 %")
    axes.plot(x, [each.floor for each in found], color="0.5", linestyle="--", label="floor, C / n")
    if curve.infinity:
        axes.axhline(curve.infinity.value, color="tab:green", linewidth=1, label="led to infinitely many clips")
        axes.set_xscale("log")
        axes.set_xticks(x, [str(each) for each in x])
        axes.set_xticks([], minor=True)
    axes.set(xlabel=curve.over, ylabel=curve.points[0].row.metric)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _sizes(clips: int) -> list[int]:
    """clips, and its halves down to FEWEST."""
    sizes = [clips]
    while sizes[-1] // 2 >= FEWEST:
        sizes.append(sizes[-1] // 2)
    return sizes
