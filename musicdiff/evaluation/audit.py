"""Can an embedding be trusted with a Fréchet distance? Sets whose order is known are scored, and what must not change a vector is changed.

Each clip is degraded by a little and by more, and the degraded set is scored against the clean one: a score that falls while the sound gets
worse says nothing of quality, and is reported. Both sets are of the same clips, so that the score of no degradation is 0, without a floor.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from etils import epath

from musicdiff import data
from musicdiff.audio import io
from musicdiff.data.progress import track_progress
from musicdiff.errors import DataError
from musicdiff.evaluation import frechet, listening, moments, rows
from musicdiff.evaluation.degradations import DEGRADATIONS, Audio, Degradation, quantise
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.moments import Moments

FORMAT = Degradation("bits", (24, 16), lambda audio, bits, seed: quantise(audio, bits))
ROUNDING = 1e-9  # of the point mass, the score of no variety: equal scores
SAME = 1e-5  # of the vectors' deviation: equal vectors, computed in single precision
UNNOTICED = 0.01  # of the floor at this number of windows: no measurement with so many clips sees it
ALONE = 8  # windows that are also computed alone


@dataclass(frozen=True)
class Check:
    """What must be small. found, limit: in the same unit, `of`; found is None where clips could not be embedded"""

    name: str
    found: float | None
    limit: float
    of: str
    passed: bool


@dataclass(frozen=True)
class Curve:
    """Scores of a degradation, from weak to strong, against the clean clips.

    scores: raw Fréchet distances, None where clips could no more be embedded
    monotone: every step, the first one from 0, makes the score higher
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    scores: tuple[float | None, ...]
    monotone: bool


@dataclass(frozen=True)
class Audit:
    """What was found of an embedding on a set of clips. `dataclasses.asdict` is its JSON.

    point_mass, floor: of the clean clips, as frechet.py has them: what their mean for ever scores, what as many independent windows would
    halves: the score of a random half of the clips against the other
    padded: share of the clean windows; unusable: (name, reason); lost: (degradation, reason), where degraded clips could not be embedded
    passed: all checks, and all curves are monotone
    """

    embedding: str
    protocol: str
    weights: str
    clips: int
    windows: int
    seconds: float
    padded: float
    point_mass: float
    floor: float
    halves: float
    checks: tuple[Check, ...]
    curves: tuple[Curve, ...]
    unusable: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...]
    passed: bool


def run(
    embedding: Embedding, clips: Iterable[tuple[str, Audio]], rate: int, *, seed: int = 0, progress: bool = True
) -> Audit:
    """(name, audio float [N, C]) at `rate` Hz, which are held in memory, and heard 29 times over.

    seed: of the halves, of noise, and of where silence lies
    Raises DataError for fewer than 4 usable clips: halves are scored, of 2 each.
    """
    # Names that are unique and in this order: vectors of two passes belong together row by row.
    named = [(f"{i:06d} {name}", np.asarray(audio, np.float32)) for i, (name, audio) in enumerate(clips)]
    clean = listening.arrays(embedding, named, rate)
    clean.embedded.need(4)
    usable = [each for each in named if each[0] in clean.embedded.names]
    own = moments.of(clean.embedded.x)
    scores, lost = _scores(embedding, usable, rate, own, seed, progress)
    checks, curves = _checks(embedding, usable, rate, clean, scores, seed), []
    for name, kind in DEGRADATIONS.items():
        found = tuple(scores[name, strength] for strength in kind.strengths)
        curves.append(Curve(name, kind.unit, kind.strengths, found, rises(found, ROUNDING * frechet.point_mass(own))))
    return Audit(
        embedding=embedding.name,
        protocol=embedding.protocol,
        weights=embedding.weights,
        clips=clean.embedded.clips,
        windows=own.windows,
        seconds=clean.seconds,
        padded=clean.padded,
        point_mass=frechet.point_mass(own),
        floor=frechet.floor(own, own.windows),
        halves=frechet.distance(*_halves(clean, seed)),
        checks=tuple(checks),
        curves=tuple(curves),
        unusable=clean.unusable,
        lost=tuple(lost),
        passed=all(check.passed for check in checks) and all(curve.monotone for curve in curves),
    )


def rises(scores: Sequence[float | None], least: float) -> bool:
    """Whether each score is above the one before by more than `least`, and the first one above 0; not where one is missing."""
    return None not in scores and bool((np.diff((0.0, *scores)) > least).all())


def excerpts(
    path: epath.PathLike, rate: int, *, count: int, seconds: float = 10.0, progress: bool = True
) -> tuple[list[tuple[str, Audio]], list[tuple[str, str]]]:
    """About `count` clips of the tracks of a folder, as many of each and evenly over it; a track shorter than a clip is taken whole.

    Returns:
        (name, mono audio [N, 1] at `rate` Hz) of clips, and (name, reason) of tracks that could not be read, whose clips are missing
    Raises:
        DataError: no such folder, or no audio in it
    """
    tracks, length = data.open_source(f"folder:{path}").tracks, round(seconds * rate)
    ends = [count * i // len(tracks) for i in range(len(tracks) + 1)]
    chosen = [(track, end - start) for track, start, end in zip(tracks, ends, ends[1:]) if end > start]
    clips, unreadable = [], []
    for track, number in track_progress(chosen, len(chosen), f"{path}, excerpts", progress):
        try:
            audio, _ = track.read(sample_rate=rate, channels=1)
        except DataError as error:
            unreadable.append((track.name, str(error)))
            continue
        for place in (np.arange(number) + 0.5) / number:
            start = int(place * max(0, len(audio) - length))
            clips.append((f"{track.name} {start}", audio[start : start + length].copy()))  # the track is let go
    return clips, unreadable


def render(audit: Audit) -> str:
    """Two Markdown tables under what they are of."""
    lines = [
        f"{audit.embedding} ({audit.protocol}; weights {audit.weights[:12] or 'none'}): {audit.clips} clips, {audit.windows} windows, "
        f"{audit.seconds:.0f} s, {audit.padded:.0%} of the windows padded, {len(audit.unusable)} clips unusable.",
        f"For scale: halves of the clips score {audit.halves:.4g}, their mean for ever {audit.point_mass:.4g}, C / n {audit.floor:.3g}.",
        "",
        "| what must change nothing | found | at most | in a | |",
        "|---|---|---|---|---|",
    ]
    for check in audit.checks:
        told = "yes" if check.passed else "**NO**"
        lines.append(f"| {check.name} | {_told(check.found, '.2g')} | {check.limit:.2g} | {check.of} | {told} |")
    steps = max(len(curve.strengths) for curve in audit.curves)
    lines += ["", f"| degraded, weakly to strongly |{' score |' * steps} rises |", f"|---|{'---|' * steps}---|"]
    for curve in audit.curves:
        cells = [f"{at:g}: {_told(score, '.4g')}" for at, score in zip(curve.strengths, curve.scores)]
        told = "yes" if curve.monotone else "**NOT MONOTONE**"
        lines.append(f"| {curve.name}, {curve.unit} | {' | '.join(cells)} | {told} |")
    reasons = [f"- {name}: {reason}" for name, reason in (*audit.lost, *audit.unusable)]
    return "\n".join([*lines, *([""] if reasons else []), *reasons])


def _told(score: float | None, form: str) -> str:
    return "none" if score is None else format(score, form)


def _check(name: str, found: float | None, limit: float, of: str) -> Check:
    return Check(name, found, limit, of, found is not None and found <= limit)


def _scores(
    embedding: Embedding, clips: Sequence[tuple[str, Audio]], rate: int, clean: Moments, seed: int, progress: bool
) -> tuple[dict[tuple[str, float], float | None], list[tuple[str, str]]]:
    """({(degradation, strength): score against the clean clips, or None}, [(what was degraded by how much, why there is none)])."""
    kinds = {"format": FORMAT, **DEGRADATIONS}
    jobs = [(name, strength) for name, kind in kinds.items() for strength in kind.strengths]
    scores, lost = {}, []
    for name, strength in track_progress(jobs, len(jobs), f"audit of {embedding.name}", progress, unit="pass"):
        try:
            heard = listening.arrays(embedding, _degrade(clips, kinds[name], strength, seed), rate)
            if heard.unusable:  # the rest would be another set
                raise DataError(": ".join(heard.unusable[0]))
            scores[name, strength] = frechet.distance(moments.of(heard.embedded.x), clean)
        except DataError as error:
            scores[name, strength] = None
            lost.append((f"{name} {strength:g}", str(error)))
    return scores, lost


def _checks(
    embedding: Embedding,
    clips: Sequence[tuple[str, Audio]],
    rate: int,
    clean: Heard,
    scores: Mapping[tuple[str, float], float | None],
    seed: int,
) -> list[Check]:
    own, (a, b) = moments.of(clean.embedded.x), _halves(clean, seed)
    trace = frechet.point_mass(own)
    equal, same, unnoticed = ROUNDING * trace, SAME * float(np.sqrt(trace)), UNNOTICED * frechet.floor(own, own.windows)
    again = listening.arrays(embedding, reversed(clips), rate).embedded.x
    there_and_back = abs(frechet.distance(a, b) - frechet.distance(b, a))
    return [
        _check("a set against itself", frechet.distance(own, own), equal, "score"),
        _check("halves there and back", there_and_back, equal, "score"),
        _check("clips in another order", float(np.abs(again - clean.embedded.x).max()), same, "number of a vector"),
        _check("windows one by one", _alone(embedding, clips, clean, rate), same, "number of a vector"),
        *(_check(f"files of {bits} bits", scores["format", bits], unnoticed, "score") for bits in FORMAT.strengths),
    ]


def _degrade(
    clips: Sequence[tuple[str, Audio]], kind: Degradation, strength: float, seed: int
) -> Iterator[tuple[str, Audio]]:
    return ((name, kind.apply(audio, strength, (seed, i))) for i, (name, audio) in enumerate(clips))


def _halves(clean: Heard, seed: int) -> tuple[Moments, Moments]:
    order = np.random.default_rng(seed).permutation(clean.embedded.clips)
    a, b = (moments.of(rows.part(clean, half).embedded.x) for half in np.array_split(order, 2))
    return a, b


def _alone(embedding: Embedding, clips: Sequence[tuple[str, Audio]], clean: Heard, rate: int) -> float:
    """The largest difference of the first windows of some clips from what they were among others."""
    firsts = np.searchsorted(clean.embedded.clip, np.arange(len(clips)))
    apart = []
    for (_, audio), first in list(zip(clips, firsts))[:ALONE]:
        mono = io.resample(io.mix(audio, 1), rate, embedding.sample_rate)[:, 0]
        apart.append(np.abs(embedding.embed(embedding.cut(mono).x[:1])[0] - clean.embedded.x[first]).max())
    return float(max(apart))
