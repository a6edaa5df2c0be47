"""What clips are scored against: a folder, statistics that were saved of one, or the published statistics of FMA-Pop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etils import epath

from musicdiff import pretrained, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import listening, moments
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.key import show
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.moments import Moments

FMA_POP = "fma_pop"
PACKAGE, FILE = "fadtk", "fma_pop.npz"
# The embeddings whose protocol is that of fadtk 1.1.0, by which published statistics were made, and what they are called there.
PUBLISHED = {
    "vggish": "vggish",
    "clap:audio-fadtk": "clap-laion-audio",
    "clap:music-fadtk": "clap-laion-music",
}
WORDS = ("protocol", "weights", "clips", "seconds", "sha256", "padded")


@dataclass(frozen=True)
class Reference:
    """name: as it was asked for
    sha256: of the sorted clips' sha256, in a folder and in statistics saved of it alike; of published ones 'published' and their file's
    heard: the clips, which KAD and PRDC need; None where only statistics are known
    padded: share of the windows that are padded; None where nobody has told
    """

    name: str
    moments: Moments
    sha256: str
    heard: Heard | None = None
    padded: float | None = None


def load(embedding: Embedding, text: str, *, cache_dir: epath.PathLike | None = None) -> Reference:
    """FOLDER, FILE.npz as `save` writes it, or fma_pop (a folder of that name is ./fma_pop).

    Raises:
        DataError: what `listening.folder` raises, fewer than 2 clips; a file that is missing, damaged, or of another embedding, protocol or
            weights; weights `fadtk` that were not fetched.
        UsageError: fma_pop, by an embedding that it has not.
    """
    if text == FMA_POP:
        return _published(embedding)
    path = epath.Path(text).expanduser()
    if path.suffix == ".npz" and not path.is_dir():
        return _saved(embedding, text, path)
    heard = listening.folder(embedding, text, cache_dir=cache_dir)
    heard.embedded.need(2)
    return Reference(text, moments.of(heard.embedded.x), heard.sha256, heard, heard.padded)


def save(path: epath.PathLike, embedding: Embedding, heard: Heard) -> None:
    """The statistics of clips as FILE.npz, with all that says what may be compared to them.

    Raises UsageError for another suffix, DataError for fewer than 2 clips.
    """
    if epath.Path(path).suffix != ".npz":
        raise UsageError(f"{path}: statistics are written to .npz files: call it {path}.npz")
    heard.embedded.need(2)
    words = {
        "protocol": embedding.protocol,
        "weights": embedding.weights,
        "clips": heard.embedded.clips,
        "seconds": heard.seconds,
        "sha256": heard.sha256,
        "padded": heard.padded,
    }
    moments.write(path, {embedding.name: moments.of(heard.embedded.x)}, {embedding.name: words})


def _published(embedding: Embedding) -> Reference:
    if embedding.name not in PUBLISHED:
        raise UsageError(
            f"{FMA_POP} has statistics by {', '.join(PUBLISHED)}, and none by {embedding.name}: ask for one of those, or for a folder"
        )
    return _saved(embedding, FMA_POP, pretrained.find(PACKAGE) / FILE)


def _saved(embedding: Embedding, name: str, path: epath.Path) -> Reference:
    told = moments.read_words(path)
    held = next((each for each in (embedding.name, PUBLISHED.get(embedding.name)) if each in told), None)
    if held is None:
        raise DataError(
            f"{path} has no statistics by {embedding.name}; it holds: {', '.join(map(_ours, told)) or 'none'}"
        )
    found = moments.read(path, held)
    if len(found.mean) != embedding.width:
        raise DataError(
            f"{path}: {held} has vectors of {len(found.mean)} numbers, {embedding.name} makes {embedding.width}: not of this embedding"
        )
    words = told[held]
    if not words:
        return Reference(name, found, f"published {weights.sha256(path)}")
    _check(embedding, path, words)
    return Reference(name, found, words["sha256"], padded=words["padded"])


def _ours(published: str) -> str:
    """A name in a file as --embedding takes it, where it is another."""
    names = [ours for ours, theirs in PUBLISHED.items() if theirs == published != ours]
    return f"{published}, which is {names[0]}" if names else published


def _check(embedding: Embedding, path: epath.Path, words: Mapping[str, Any]) -> None:
    """Raises DataError where statistics were made by another protocol or with other weights."""
    if missing := [word for word in WORDS if word not in words]:
        raise DataError(f"{path} does not tell {', '.join(missing)} of its statistics: save them again")
    for word, here in (("protocol", embedding.protocol), ("weights", embedding.weights)):
        if words[word] != here:
            raise DataError(
                f"{path} is by {embedding.name} with other {word}, {show(word, words[word])} where here it is {show(word, here)}: save it again"
            )
