"""What sets score that are no answer to the question: without them no one knows what of a score is the model's.

One vector for ever, silence, noise; the reference against itself; what a model was trained on; and real clips by way of its own codec,
better than which it cannot sound. A null that cannot be had is a row with the reason.
"""

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from musicdiff.errors import DataError, MusicdiffError
from musicdiff.evaluation import frechet, listening, moments, rows, sounds
from musicdiff.evaluation import key as keys
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.fad import Fad
from musicdiff.evaluation.listening import Heard
from musicdiff.evaluation.reference import Reference
from musicdiff.evaluation.rows import Row
from musicdiff.evaluation.sounds import Like, Sounds, Trained

MOST = 256  # clips of silence and of noise: each is like the others, and more say nothing new

MEAN = "the reference's mean, for ever"
SILENCE, NOISE = "silence", "white noise at the clips' level"
HALVES = "half of the reference against the other"
REAL = TRAINING, HELD_OUT, CODEC = "training clips", "held-out clips", "held-out clips through the codec"
NO_MODEL = "a folder of clips does not say by which model they are, and on what it was trained: score the workdir"


def nulls(
    embedding: Embedding,
    heard: Heard,
    reference: Reference,
    like: Like,
    *,
    trained: Trained | None = None,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> list[Row]:
    """All nulls of a set of clips, in the order of the table, by the same embedding; those of real clips have as many as the set.

    Real clips of one track are alike, and are counted as clips of their own: of few tracks their errors are too small.

    trained: None where nothing is known but the clips
    seed: of the noise, of the halves, and of the groups that give errors
    """

    def listen(clips: Sounds, rate: int, label: str) -> Row:
        found = listening.arrays(embedding, clips, rate)
        return rows.score(embedding, found, reference, label=label, max_padded=max_padded, seed=seed)

    like = like._replace(lengths=[like.lengths[i] for i in _spread(len(like.lengths), MOST)])
    makers = {
        MEAN: partial(point_mass, embedding, heard, reference),
        SILENCE: partial(listen, sounds.silence(like), like.rate),
        NOISE: partial(listen, sounds.noise(like, seed), like.rate),
        HALVES: partial(halves, embedding, reference, max_padded=max_padded, seed=seed),
    }
    if trained:
        count, rate = heard.embedded.clips, trained.generator.model.domain.sample_rate
        makers |= {
            TRAINING: partial(listen, sounds.real(trained, "train", count), rate),
            HELD_OUT: partial(listen, sounds.real(trained, "test", count), rate),
            CODEC: partial(listen, sounds.carried(trained, count), rate),
        }
    found = [_attempt(embedding, label, make) for label, make in makers.items()]
    unknown = [label for label in REAL if label not in makers]
    return found + [Row(label, rows.metric(embedding.name), reason=NO_MODEL) for label in unknown]


def point_mass(embedding: Embedding, heard: Heard, reference: Reference, label: str) -> Row:
    """tr S exactly: no clip is behind it, so that nothing is estimated."""
    found = frechet.point_mass(reference.moments)
    key = dataclasses.replace(keys.of(embedding, heard, reference.sha256), clips=0, seconds=0.0)
    return Row(label, rows.metric(embedding.name), key, Fad(found, found, 0.0, (found, found), 0.0, 0))


def halves(embedding: Embedding, reference: Reference, label: str, *, max_padded: float, seed: int) -> Row:
    """A random half of the reference's clips against the others: what sets of one law score at that number.

    The yardstick is another, a half, and so is its sha256 in the key. Raises DataError where only statistics are known.
    """
    if reference.heard is None:
        raise DataError(f"{reference.name} is statistics, without clips to divide: give a folder")
    order = np.random.default_rng(seed).permutation(reference.heard.embedded.clips)
    half, other = (rows.part(reference.heard, clips) for clips in np.array_split(order, 2))
    yardstick = Reference(
        f"half of {reference.name}", moments.of(other.embedded.x), f"half {other.sha256}", other, other.padded
    )
    return rows.score(embedding, half, yardstick, label=label, max_padded=max_padded, seed=seed)


def _attempt(embedding: Embedding, label: str, make: Callable[..., Row]) -> Row:
    try:
        return make(label=label)
    except MusicdiffError as error:
        return Row(label, rows.metric(embedding.name), reason=str(error))


def _spread(count: int, most: int) -> Iterable[int]:
    return range(count) if count <= most else np.linspace(0, count - 1, most).astype(int).tolist()
