"""A clip's vectors, and where they are kept: each is computed once, and known by its embedding and by the clip's bytes, whatever they are called."""

import hashlib
import io
import os
from dataclasses import asdict, dataclass

import numpy as np
from etils import epath

from musicdiff.errors import DataError
from musicdiff.evaluation.embedding import Embedding

FORMAT = 1  # raise it whenever the same bytes would give other vectors, by the same embedding
DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, eq=False)
class Clip:
    """What an embedding made of a clip.

    sha256: of the clip's file, or of its samples
    seconds, rate, channels: as the file has them
    padding: float32 [n], the share of each window that is no sound of the clip
    x: float32 [n, D]
    """

    name: str
    sha256: str
    seconds: float
    rate: int
    channels: int
    padding: np.ndarray
    x: np.ndarray


class Kept:
    """The clips that an embedding has heard, as CACHE_DIR/EMBEDDING/CLIP, both by their sha256.

    A file begins with the sha256 of the rest: one that was cut short or damaged is not there, nothing needs to be renamed, and writers
    of the same clip harm nobody.
    """

    def __init__(self, embedding: Embedding, cache_dir: epath.PathLike | None = None):
        """cache_dir: None is $XDG_CACHE_HOME/musicdiff/embeddings"""
        self._home = epath.Path(cache_dir or _default()) / f"{embedding.sha256}-{FORMAT}"

    def find(self, name: str, sha256: str) -> Clip | None:
        """The clip of a hash, under the name that it has now."""
        try:
            content = (self._home / sha256).read_bytes()
        except OSError:
            return None
        digest, packed = content[:DIGEST], content[DIGEST:]
        if digest != hashlib.sha256(packed).digest():
            return None
        with np.load(io.BytesIO(packed)) as arrays:
            facts = {key: arrays[key] if arrays[key].ndim else arrays[key].item() for key in arrays.files}
        return Clip(name, sha256, **facts)

    def keep(self, clip: Clip) -> None:
        """Raises DataError where files cannot be written."""
        facts = asdict(clip)
        del facts["name"], facts["sha256"]
        packed = io.BytesIO()
        np.savez(packed, **facts)
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            (self._home / clip.sha256).write_bytes(hashlib.sha256(packed.getvalue()).digest() + packed.getvalue())
        except OSError as error:
            raise DataError(
                f"{self._home}: cannot be written ({error.strerror}): let XDG_CACHE_HOME be a folder that can, with room in it"
            ) from error


def _default() -> epath.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return epath.Path(base) / "musicdiff" / "embeddings"
