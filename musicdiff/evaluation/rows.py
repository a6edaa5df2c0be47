"""A score as a row of a table, with the key that it was measured by: rows whose keys differ are no comparison, and stand in no table together."""

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from musicdiff.errors import DataError
from musicdiff.evaluation import fad
from musicdiff.evaluation import key as keys
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.fad import Fad
from musicdiff.evaluation.key import Key
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.reference import Reference

MAX_PADDED = 0.1  # share of windows that may be padded: beyond it, it is the padding that is scored
COUNTS = ("clips", "seconds", "rate")  # of a key: what sets differ in that are worth comparing by scores without bias


@dataclass(frozen=True)
class Row:
    """A set of clips, scored; or, with fad None, the reason why there is no score. `dataclasses.asdict` is its JSON.

    metric: 'musicnn-FAD'; scores by two embeddings are two metrics
    padded: share of the windows that are padded, of more than 5 % each
    unusable: clips of the set that are not in the score
    """

    label: str
    metric: str
    key: Key | None = None
    fad: Fad | None = None
    padded: float = 0.0
    unusable: int = 0
    reason: str = ""


def metric(embedding: str) -> str:
    """The name of the Fréchet distance by an embedding: never 'FAD' alone, for that is no number that two people have in common."""
    return "mel-FD (not FAD)" if embedding.partition(":")[0] == "melstats" else f"{embedding}-FAD"


def score(
    embedding: Embedding,
    heard: Heard,
    reference: Reference,
    *,
    label: str,
    max_padded: float = MAX_PADDED,
    seed: int = 0,
) -> Row:
    """The row of what was heard against a reference; seed: of the groups of clips that give value and error.

    Raises what check_padding and fad.measure raise.
    """
    check_padding(embedding, heard, reference, label=label, max_padded=max_padded)
    return Row(
        label=label,
        metric=metric(embedding.name),
        key=keys.of(embedding, heard, reference.sha256),
        fad=fad.measure(heard.embedded, reference.moments, seed=seed),
        padded=heard.padded,
        unusable=len(heard.unusable),
    )


def check_padding(
    embedding: Embedding, heard: Heard, reference: Reference, *, label: str, max_padded: float = MAX_PADDED
) -> None:
    """Raises DataError where more than `max_padded` of the windows of either are padded."""
    for name, padded in ((label, heard.padded), ("the reference", reference.padded or 0.0)):
        if padded > max_padded:
            raise DataError(
                f"{name}: {padded:.0%} of the windows are padded, {max_padded:.0%} may be: {embedding.name} listens to "
                f"{embedding.window / embedding.sample_rate:.3g} s at once; use longer clips, another embedding, or allow more"
            )


def difference(a: Row, b: Row, *, but: Collection[str] = COUNTS) -> tuple[float, float]:
    """(a - b, its standard error) of the scores of sets with no clips in common; what are pairs is for fad.compare.

    but: fields of the key in which the rows may differ. Raises UsageError for others, DataError for a row without a score.
    """
    for row in (a, b):
        if row.fad is None:
            raise DataError(f"{row.label} has no score: {row.reason}")
    keys.check_same(a.key, b.key, but=but)
    return a.fad.value - b.fad.value, float(np.hypot(a.fad.error, b.fad.error))


def part(heard: Heard, chosen: np.ndarray) -> Heard:
    """Only the chosen clips of what was heard, int [n], in their order; seconds are shared out evenly, and sha256 is another."""
    embedded = heard.embedded
    order = np.sort(chosen)
    kept = np.isin(embedded.clip, order)
    names = tuple(embedded.names[clip] for clip in order) if embedded.names else ()
    own = Embedded(np.searchsorted(order, embedded.clip[kept]), embedded.x[kept], names)
    return dataclasses.replace(
        heard,
        embedded=own,
        padding=heard.padding[kept],
        seconds=heard.seconds * own.clips / embedded.clips,
        sha256=hashlib.sha256(f"{heard.sha256} {order.tolist()}".encode()).hexdigest(),
    )


def render(rows: Sequence[Row], *, but: Collection[str] = COUNTS) -> str:
    """The rows as a Markdown table, those without a score below it with their reasons. Raises UsageError when the keys differ in more than `but`."""
    scored = [row for row in rows if row.fad]
    for row in scored[1:]:
        keys.check_same(scored[0].key, row.key, but=but)
    columns = ("", rows[0].metric, "95 %", "raw", "floor C / n", "clips", "seconds", "padded", "unusable")
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in scored:
        found, (low, high) = row.fad, row.fad.interval
        score = f"{found.value:.4g} ± {found.error:.2g}"
        counts = (f"{row.key.clips}", f"{row.key.seconds:.0f}", f"{row.padded:.0%}", f"{row.unusable}")
        cells = (
            row.label.replace("|", "\\|"),
            score,
            f"{low:.4g} to {high:.4g}",
            f"{found.raw:.4g}",
            f"{found.floor:.3g}",
            *counts,
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [""] * (len(scored) < len(rows))
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if not row.fad:
            reasons.setdefault(row.reason, []).append(row.label)
    lines += [f"- {', '.join(labels)}: none, because {reason}" for reason, labels in reasons.items()]
    return "\n".join(lines)
