"""What a frozen encoder makes of texts, kept beside the mels: each text is encoded once, known by the encoder and the text's sha256.

    <cache_dir>/encodings-<hash of the encoder>/<hash of its texts>.safetensors      at most SHARD texts; written once

A text that is edited costs its own encoding. Of a file its header and hashes are read, and of its arrays only the stretch of texts that are
looked for. Nothing is renamed: a file cut short by a killed writer does not count, and its texts are encoded again. Runs that encode the same
texts at once all write the same file, with the same content but for what their devices round differently.
"""

import contextlib
import hashlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import weights
from musicdiff.data.progress import track_progress
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
    for path in sorted(home.glob("*.safetensors")):
        if missing:
            with contextlib.suppress(ValueError, KeyError):  # cut short, or still being written
                _take(path, missing, arrays)
    if missing:
        start, count, left = time.perf_counter(), len(missing), list(missing.items())
        shards = [dict(left[first : first + SHARD]) for first in range(0, count, SHARD)]
        for shard in track_progress(shards, len(shards), "texts encoded", len(shards) > 1, unit="file"):
            leaves = jax.tree.leaves(condition.read([texts[row] for row in shard.values()]))
            _write(home, list(shard), leaves)
            for array, leaf in zip(arrays, leaves):
                array[list(shard.values())] = leaf
        took = duration(time.perf_counter() - start)
        said = f"encoded {count} of {len(texts)} different texts in {took}; they are kept in {home}"
        print(said, file=sys.stderr, flush=True)  # where progress is told: stdout may be a command's JSON
    return structure.unflatten(arrays)


def _take(path: epath.Path, missing: dict[bytes, int], arrays: Sequence[np.ndarray]) -> None:
    """Moves the rows of missing texts {sha256: row} from a file into the arrays. Raises ValueError or KeyError where it is not whole."""
    with weights.open_rows(path) as read_rows:
        digests = [digest.tobytes() for digest in read_rows(TEXTS)]
        places = [place for place, digest in enumerate(digests) if digest in missing]
        if places:
            rows = [missing[digests[place]] for place in places]
            for number, array in enumerate(arrays):
                array[rows] = read_rows(str(number), places[0], places[-1] + 1)[np.subtract(places, places[0])]
            for place in places:
                del missing[digests[place]]


def _write(home: epath.Path, digests: Sequence[bytes], leaves: Sequence[np.ndarray]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    tensors = {str(number): leaf for number, leaf in enumerate(leaves)}
    tensors[TEXTS] = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
    weights.write_tree(home / f"{hashlib.sha256(b''.join(digests)).hexdigest()[:16]}.safetensors", tensors)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
