"""What a frozen encoder makes of texts, kept beside the mels: each text is encoded once, known by the encoder and the text's sha256.

    <cache_dir>/encodings-<hash of the encoder>/<hash of its texts>.safetensors      at most SHARD texts; written once

A text that is edited costs its own encoding. Nothing is renamed: a file cut short by a killed writer is no safetensors file, does not count,
and its texts are encoded again; writers at once write the same bytes.
"""

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import weights
from musicdiff.data.progress import track_progress
from musicdiff.errors import DataError
from musicdiff.training.clock import duration
from musicdiff.typing import Condition

FORMAT = 1  # raise it whenever the same encoder and text would make other arrays
SHARD = 256  # texts of a file: 34 MB of 64 tokens of 512 numbers
TEXTS = "texts"  # the tensor that says whose rows these are: sha256, uint8 [n, 32]


def read(condition: Condition, texts: Sequence[str], cache_dir: epath.PathLike) -> Any:
    """condition.read(texts) -> arrays [n, ...] of different texts, encoding those that no run has encoded yet; says how many and how long."""
    empty, structure = jax.tree.flatten(condition.read([None]))
    arrays = [np.zeros((len(texts), *leaf.shape[1:]), leaf.dtype) for leaf in empty]
    home = epath.Path(cache_dir) / f"encodings-{_digest(f'{FORMAT} {condition.fingerprint}').hex()[:16]}"
    missing = {_digest(text): row for row, text in enumerate(texts)}

    def take(digests: Sequence[bytes], leaves: Sequence[np.ndarray]) -> None:
        for place, digest in enumerate(digests):
            if digest in missing:
                row = missing.pop(digest)
                for array, leaf in zip(arrays, leaves):
                    array[row] = leaf[place]

    for digests, leaves in _shards(home):
        take(digests, leaves)
    if missing:
        start, count, left = time.perf_counter(), len(missing), list(missing.items())
        shards = [dict(left[first : first + SHARD]) for first in range(0, count, SHARD)]
        for shard in track_progress(shards, len(shards), "texts encoded", len(shards) > 1, unit="file"):
            leaves = jax.tree.leaves(condition.read([texts[row] for row in shard.values()]))
            _write(home, list(shard), leaves)
            take(list(shard), leaves)
        took = duration(time.perf_counter() - start)
        print(f"encoded {count} of {len(texts)} different texts in {took}; they are kept in {home}", flush=True)
    return structure.unflatten(arrays)


def _shards(home: epath.Path) -> Iterator[tuple[list[bytes], list[np.ndarray]]]:
    """(sha256 of its texts, arrays [n, ...]) of each file that is whole."""
    for path in sorted(home.iterdir()) if home.exists() else ():
        with contextlib.suppress(DataError, KeyError):  # cut short, or still being written
            tensors = weights.read_tensors(path)
            digests = [digest.tobytes() for digest in tensors.pop(TEXTS)]
            yield digests, [tensors[str(number)] for number in range(len(tensors))]


def _write(home: epath.Path, digests: Sequence[bytes], leaves: Sequence[np.ndarray]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    tensors = {str(number): leaf for number, leaf in enumerate(leaves)}
    tensors[TEXTS] = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
    weights.write_tree(home / f"{hashlib.sha256(b''.join(digests)).hexdigest()[:16]}.safetensors", tensors)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
