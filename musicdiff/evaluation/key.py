"""What a score depends on beside the clips' sound: scores are compared where it is the same, and nowhere else."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from musicdiff.errors import UsageError
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.listening import Heard

HASHES, SHOWN = ("weights", "reference"), 12  # fields that are long, and how much of them a message shows


@dataclass(frozen=True)
class Key:
    """embedding, protocol, weights: name, line and sha256, as Embedding has them
    reference: sha256 of the reference's clips; of published statistics, whose clips nobody has, 'published' and their file's
    clips, seconds: of the set that is scored: both say how far bias and error go
    rate: Hz of its files, the different ones: what lies above half of it cannot be heard
    """

    embedding: str
    protocol: str
    weights: str
    reference: str
    clips: int
    seconds: float
    rate: tuple[int, ...]


def of(embedding: Embedding, heard: Heard, reference_sha256: str) -> Key:
    return Key(
        embedding.name,
        embedding.protocol,
        embedding.weights,
        reference_sha256,
        heard.embedded.clips,
        heard.seconds,
        heard.rates,
    )


def check_same(a: Key, b: Key, *, but: Collection[str] = ()) -> None:
    """Raises UsageError that names the fields which differ, with both values; those in `but` may."""
    here, there = asdict(a), asdict(b)
    different = [name for name in here if name not in but and here[name] != there[name]]
    if different:
        told = "; ".join(f"{name} {show(name, here[name])} and {show(name, there[name])}" for name in different)
        raise UsageError(f"these scores are not compared: they differ in {told}")


def show(name: str, value: Any) -> str:
    """A field of a key for a message: hashes are shortened."""
    if name in HASHES:
        *words, sha256 = value.split(" ")
        return " ".join([*words, sha256[:SHOWN] or "none"])
    if name == "rate":
        return f"{', '.join(map(str, value))} Hz"
    return f"{value:.8g} s" if name == "seconds" else repr(value)
