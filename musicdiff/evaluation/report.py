"""The report of `musicdiff evaluate`: a score with its key beside its nulls, the other scores, and the clips behind them: report.md, .json, .png."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath

from musicdiff import generation, prompts
from musicdiff.audio import io
from musicdiff.errors import DataError, MusicdiffError
from musicdiff.evaluation import divergence, fad, forest, kad, listening, nulls, prdc, rows, sounds
from musicdiff.evaluation import reference as references
from musicdiff.evaluation.divergence import Divergence
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.kad import Kad
from musicdiff.evaluation.prdc import Prdc
from musicdiff.evaluation.rows import Row
from musicdiff.evaluation.sounds import Levels, Trained
from musicdiff.tagging import tags
from musicdiff.training import curves

NUM_CLIPS = 64
OUTLIERS = 5
CLIPS = "clips"  # folder of what a workdir generated, in the report's own
NOTHING = (None, {}, prompts.record({}))  # of a provenance: what was not said
NO_WINDOWS = "the reference is statistics, without its windows: give a folder"


@dataclass(frozen=True)
class Report:
    """All that is known of a set of clips against a reference; `dataclasses.asdict` is its JSON.

    made_by: what the provenance of all clips says alike, and their seeds; {} of a folder
    tags: divergence of musicnn's tags from those of the reference's clip of the same name
    missing: {score: why it could not be had}
    influences: {clip: how much lower the raw score would be without it, about}, the outliers first
    channels: of the clips' files, the different ones
    unusable: (clip, reason), of clips that are in no score
    seconds: of computing, by what was computed
    """

    subject: str
    reference: str
    score: Row
    nulls: tuple[Row, ...]
    kad: Kad | None
    prdc: Prdc | None
    tags: Divergence | None
    missing: Mapping[str, str]
    influences: Mapping[str, float]
    levels: Levels
    channels: tuple[int, ...]
    unusable: tuple[tuple[str, str], ...]
    made_by: Mapping[str, Any]
    seconds: Mapping[str, float]


def write(out: epath.PathLike, report: Report) -> list[epath.Path]:
    """Writes OUT/report.md, report.json and report.png; returns their paths."""
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"report.{suffix}" for suffix in ("md", "json", "png")]
    paths[0].write_text(render(report))
    paths[1].write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    curves.write_png(paths[2], draw(report))
    return paths


def measure(
    subject: epath.PathLike,
    reference: str,
    embedding: Embedding,
    *,
    out: epath.PathLike,
    num_clips: int = NUM_CLIPS,
    seed: int = 0,
    milestone: str = "latest",
    batch_size: int = 8,
    asked: Mapping[str, Any] | None = None,
    cache_dir: epath.PathLike | None = None,
    max_padded: float = rows.MAX_PADDED,
) -> Report:
    """All scores of a workdir, by clips that are generated into OUT/clips, or of a folder of clips.

    reference: a folder, a file of statistics, or fma_pop
    num_clips, seed: of a workdir: clips of seeds seed ... seed + num_clips - 1, by its configuration but for what is `asked` of generation.stream
    Raises DataError and UsageError where there is no score; what else cannot be had is a reason in the report.
    """
    seconds: dict[str, float] = {}
    folder, trained, made_by = epath.Path(subject).expanduser(), None, {}
    label, numbers = folder.resolve().name, sounds.seeds(seed, num_clips)
    if (folder / "config.json").exists():
        trained = Trained(folder, generation.load(folder, milestone=milestone))
        label = f"{label}, step {trained.generator.milestone}"
        sounds.check_empty(epath.Path(out) / CLIPS)  # before the reference is heard, which takes long
    with _timed(seconds, "reference"):
        against = references.load(embedding, reference, cache_dir=cache_dir)
    if trained:
        folder = epath.Path(out) / CLIPS
        with _timed(seconds, "generating"):
            made_by = sounds.save_generated(
                trained.generator, folder, numbers, batch_size=batch_size, asked=asked or {}
            )
    with _timed(seconds, "embedding"):
        heard = listening.folder(embedding, folder, cache_dir=cache_dir)
    with _timed(seconds, "levels"):
        levels, like = sounds.examine([folder / name for name in heard.embedded.names])
    options = {"max_padded": max_padded, "seed": seed}
    with _timed(seconds, "score"):
        score = rows.score(embedding, heard, against, label=label, **options)
        influences = fad.influences(heard.embedded, against.moments) / len(heard.embedded.x)
    with _timed(seconds, "nulls"):
        beside = nulls.nulls(embedding, heard, against, like, trained=trained, **options)
    missing: dict[str, str] = {}
    with _timed(seconds, "other scores"):
        pairs = {
            "KAD": lambda: kad.measure(heard.embedded, _windows(against)),
            "precision, recall, density, coverage": lambda: prdc.measure(heard.embedded, _windows(against)),
            "KL of musicnn's tags": lambda: compare_tags(
                folder, heard.embedded.names, reference, _windows(against).names
            ),
        }
        others = [_attempt(name, make, missing) for name, make in pairs.items()]
    order = np.argsort(-influences, kind="stable")
    return Report(
        label,
        against.name,
        score,
        tuple(beside),
        *others,
        missing,
        {heard.embedded.names[clip]: float(influences[clip]) for clip in order},
        levels,
        heard.channels,
        heard.unusable,
        made_by,
        seconds,
    )


def compare_tags(
    generated: epath.PathLike, generated_names: Sequence[str], reference: epath.PathLike, reference_names: Sequence[str]
) -> Divergence:
    """KL of musicnn's tags of each clip from those of the reference's clip of the same name, suffixes apart, as of prompts with a real clip each.

    Raises DataError where fewer than 2 clips are named alike, or the tagger's weights are missing.
    """
    files = [
        {epath.Path(name).with_suffix(""): epath.Path(folder).expanduser() / name for name in names}
        for folder, names in ((reference, reference_names), (generated, generated_names))
    ]
    common = sorted(files[0].keys() & files[1].keys())
    if len(common) < 2:
        raise DataError(f"{len(common) or 'no'} clips of the two folders are named alike: there are no pairs")
    tagger = tags.load()
    p, q = (np.array([_listen(tagger, paths[name]) for name in common]) for paths in files)
    return divergence.mean(divergence.kl_tags(p, q))


def render(report: Report) -> str:
    """The report for people, in Markdown."""
    row, found, key = report.score, report.score.fad, report.score.key
    low, high = found.interval
    lines = [
        f"# {report.subject} against {report.reference}",
        "",
        f"**{row.metric} {found.value:.4g} ± {found.error:.2g}** (95 %: {low:.4g} to {high:.4g}) of {key.clips} clips, {key.seconds:.0f} s",
        "",
        rows.render([row, *report.nulls], but=(*rows.COUNTS, "reference")),
        "",
        "The score is without its bias, which `raw` has; as many windows of the reference's own law would score about the floor, raw.",
        *_compared(report),
        "",
        "![scores and influences](report.png)",
        "",
        "## Other scores",
        "",
        *_other_scores(report),
        "",
        "## Clips",
        "",
        *_clips(report),
        "",
        "## Key",
        "",
        *(f"- {name}: {_said(value)}" for name, value in dataclasses.asdict(key).items()),
        *(f"- {name}: {_said(value)}" for name, value in report.made_by.items() if value not in NOTHING),
        f"- seconds of computing: {', '.join(f'{name} {value:.1f}' for name, value in report.seconds.items())}",
    ]
    return "\n".join(lines) + "\n"


def draw(report: Report) -> Any:
    """Scores with their intervals on one axis, and how much each clip raises the score."""
    scored = [row for row in (report.score, *report.nulls) if row.fad]
    figure = curves.make_figure(13, 1.8 + 0.42 * max(len(scored), 7))
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    figure.suptitle(f"{report.subject} against {report.reference}")
    forest.draw(left, scored, {report.score.label: "tab:blue", **dict.fromkeys(nulls.REAL, "tab:green")})
    values = list(report.influences.values())
    right.hist(values, bins="auto" if len(values) > 20 else 10, color="tab:blue", alpha=0.6)
    for name, value in _outliers(report):
        right.plot(value, 0, "^", color="tab:red", clip_on=False, zorder=3, label=f"{name}: {value:+.2g}")
    right.legend(fontsize="small", title="the highest", title_fontsize="small")
    right.locator_params(axis="x", nbins=5)
    right.locator_params(axis="y", integer=True)
    right.grid(alpha=0.3)
    right.set(xlabel="how much a clip raises the raw score", ylabel="clips")
    return figure


def _compared(report: Report) -> Iterator[str]:
    for null in report.nulls:
        if null.fad and null.label in nulls.REAL:
            value, error = rows.difference(report.score, null)
            yield f"It is {abs(value):.3g} ± {error:.2g} {'above' if value >= 0 else 'below'} that of {null.label}."


def _other_scores(report: Report) -> Iterator[str]:
    plugin = report.score.key.embedding
    if found := report.kad:
        low, high = found.interval
        yield f"- {plugin}-KAD {found.value:.4g} ± {found.error:.2g} (95 %: {low:.4g} to {high:.4g}), bandwidth {found.bandwidth:.4g}"
    if found := report.prdc:
        yield f"- {', '.join(f'{name} {value:.3f}' for name, value in dataclasses.asdict(found).items())}; they depend on the number of clips"
    if found := report.tags:
        yield f"- KL of musicnn's tags {found.value:.4g} ± {found.error:.2g} nats, each clip from the reference's of the same name"
    yield from (f"- {name}: none, because {reason}" for name, reason in report.missing.items())


def _clips(report: Report) -> Iterator[str]:
    outliers = ", ".join(f"{name} {value:.3g}" for name, value in _outliers(report))
    yield f"- outliers, and how much lower the raw score would be without each, about: {outliers}"
    rates, channels = (", ".join(map(str, numbers)) for numbers in (report.score.key.rate, report.channels))
    yield f"- {rates} Hz, {channels} channel{'' if channels == '1' else 's'}"
    levels = report.levels
    for name, spread in (("RMS", levels.rms_db), ("peak", levels.peak_db)):
        if spread:
            yield f"- {name} {spread[1]:.1f} dB of full scale, {spread[0]:.1f} to {spread[2]:.1f}"
    found = ", ".join(f"{name} {count}" for name, count in levels.findings.items())
    yield f"- found in clips: {found or 'nothing'}"
    yield f"- unusable, in no score: {len(report.unusable) or 'none'}"
    yield from (f"    - {name}: {reason}" for name, reason in report.unusable)


def _outliers(report: Report) -> list[tuple[str, float]]:
    return list(report.influences.items())[:OUTLIERS]


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _listen(tagger: tags.Tagger, path: epath.Path) -> list[float]:
    return list(tags.listen(tagger, *io.read(path)).values())


def _windows(against: references.Reference):
    if against.heard is None:
        raise DataError(NO_WINDOWS)
    return against.heard.embedded


def _attempt(name: str, make: Callable[[], Any], missing: dict[str, str]) -> Any:
    try:
        return make()
    except MusicdiffError as error:
        missing[name] = str(error)
        return None


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
