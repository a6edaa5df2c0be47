"""What `musicdiff fad` and `musicdiff kad` say: the score of a set of clips, or of two, with all that it depends on."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from musicdiff.errors import UsageError
from musicdiff.evaluation import curve, fad, frechet, kad, listening, resampling, rows
from musicdiff.evaluation import key as keys
from musicdiff.evaluation import reference as references
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.fad import Fad
from musicdiff.evaluation.kad import Kad
from musicdiff.evaluation.key import Key
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.reference import Reference

# What is said of a set beneath its score, where it is known.
WORDS = {
    "raw": "{:.4g}, with its bias",
    "floor": "{:.3g}, what as many windows of the reference's own law score raw",
    "point_mass": "{:.4g}, what the reference's mean for ever scores",
    "bandwidth": "{:.4g}, of the kernel",
    "clips": "{}",
    "windows": "{}",
    "padded": "{:.1%} of the windows",
    "seconds": "{:.1f}",
    "rate": "{} Hz, of the files",
    "channels": "{}, of the files; mixed to mono",
    "embedding": "{}",
    "protocol": "{}",
    "weights": "{}",
    "reference": "{}",
}


@dataclass(frozen=True)
class Scored:
    """A set against a reference, both as they were asked for; the key says by its clips which reference it is.

    point_mass: of the reference, None of KAD
    channels: of the set's files, the different numbers of them
    unusable, unusable_of_reference: {clip: reason}
    """

    metric: str
    generated: str
    reference: str
    score: Fad | Kad
    point_mass: float | None
    windows: int
    padded: float
    channels: tuple[int, ...]
    unusable: Mapping[str, str]
    unusable_of_reference: Mapping[str, str]
    key: Key


@dataclass(frozen=True)
class Difference:
    """The first set's score less the second's. pairs: of clips, 0 of sets without; share: as fad.Comparison has it, None of KAD."""

    difference: float
    error: float
    interval: tuple[float, float]
    pairs: int
    share: float | None = None


@dataclass(frozen=True)
class Answer:
    """One set, or two with their difference; `dataclasses.asdict` is its JSON."""

    sets: tuple[Scored, ...]
    difference: Difference | None = None


def measure_fad(
    embedding: Embedding,
    folders: Sequence[str],
    reference: str,
    *,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> Answer:
    """The Fréchet distance of the clips of one folder, or of two, which are compared. Raises what rows.score and references.load raise."""
    sets, against = _hear(embedding, folders, reference)
    scored = []
    for folder, heard in zip(folders, sets):
        row = rows.score(embedding, heard, against, label=folder, max_padded=max_padded, seed=seed)
        point_mass = frechet.point_mass(against.moments)
        scored.append(_describe(embedding, folder, row.metric, row.fad, heard, against, point_mass))
    return Answer(tuple(scored), compare(*sets, against, seed=seed) if len(sets) == 2 else None)


def measure_kad(
    embedding: Embedding,
    folders: Sequence[str],
    reference: str,
    *,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> Answer:
    """The same by KAD. Raises UsageError for a reference that is statistics.

    The errors of two sets are taken as independent, though they have their reference in common.
    """
    sets, against = _hear(embedding, folders, reference)
    if against.heard is None:
        raise UsageError(f"{reference} is statistics, without its windows: KAD needs a folder")
    scored = []
    for folder, heard in zip(folders, sets):
        rows.check_padding(embedding, heard, against, label=folder, max_padded=max_padded)
        score = kad.measure(heard.embedded, against.heard.embedded)
        scored.append(_describe(embedding, folder, f"{embedding.name}-KAD", score, heard, against))
    if len(scored) == 1:
        return Answer(tuple(scored))
    a, b = (each.score for each in scored)
    difference, error = a.value - b.value, math.hypot(a.error, b.error)
    count = min(heard.embedded.clips for heard in sets)
    return Answer(tuple(scored), Difference(difference, error, resampling.interval(difference, error, count), 0))


def compare(a: Heard, b: Heard, against: Reference, *, seed: int) -> Difference:
    """The Fréchet distance of a less that of b. They are pairs where each clip of the smaller set, usable or not, has its name in the other."""
    names, others = ({*heard.embedded.names, *dict(heard.unusable)} for heard in (a, b))
    if names <= others or others <= names:
        found, pairs = curve.change(a, b, against, seed), len({*a.embedded.names} & {*b.embedded.names})
    else:
        options = {"paired": False, "num_draws": curve.NUM_DRAWS, "seed": seed}
        found, pairs = fad.compare(a.embedded, b.embedded, against.moments, **options), 0
    return Difference(found.difference, found.error, found.interval, pairs, found.share)


def render(answer: Answer) -> str:
    """The same for people."""
    lines = [line for scored in answer.sets for line in _lines(scored)]
    if found := answer.difference:
        a, b = (scored.generated for scored in answer.sets)
        of = f"{found.pairs} pairs" if found.pairs else "no pairs"
        share = "" if found.share is None else f"; {found.share:.0%} of draws have that sign"
        low, high = found.interval
        told = f"{found.difference:+.4g} ± {found.error:.2g} (95 %: {low:+.4g} to {high:+.4g})"
        lines.append(f"{a} less {b}: {told}, {of}{share}")
    return "\n".join(lines)


def _hear(embedding: Embedding, folders: Sequence[str], reference: str) -> tuple[list[Heard], Reference]:
    # Sets are smaller than their reference: what is wrong with them is told sooner.
    return [listening.folder(embedding, folder) for folder in folders], references.load(embedding, reference)


def _describe(
    embedding: Embedding,
    folder: str,
    metric: str,
    score: Fad | Kad,
    heard: Heard,
    against: Reference,
    point_mass: float | None = None,
) -> Scored:
    return Scored(
        metric=metric,
        generated=folder,
        reference=against.name,
        score=score,
        point_mass=point_mass,
        windows=len(heard.embedded.x),
        padded=heard.padded,
        channels=heard.channels,
        unusable=dict(heard.unusable),
        unusable_of_reference=dict(against.heard.unusable) if against.heard else {},
        key=keys.of(embedding, heard, against.sha256),
    )


def _lines(scored: Scored) -> Iterator[str]:
    found, (low, high) = scored.score, scored.score.interval
    yield (
        f"{scored.metric} {found.value:.4g} ± {found.error:.2g} (95 %: {low:.4g} to {high:.4g}) "
        f"of {scored.generated} against {scored.reference}"
    )
    facts = {**vars(scored), **vars(found), **dataclasses.asdict(scored.key)}
    facts |= {word: ", ".join(map(str, facts[word])) for word in ("rate", "channels")}
    facts["weights"] = facts["weights"] or "none"
    for word, form in WORDS.items():
        if facts.get(word) is not None:
            yield f"    {word.replace('_', ' '):<12}{form.format(facts[word])}"
    for whose, unusable in (("", scored.unusable), (" of the reference", scored.unusable_of_reference)):
        yield f"    unusable{whose}: {len(unusable) or 'none'}"
        yield from (f"        {name}: {reason}" for name, reason in unusable.items())
