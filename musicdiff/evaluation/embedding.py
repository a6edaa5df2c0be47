"""What an embedding is: a published network with its protocol, which says how audio becomes windows and a window a vector.

musicnn, clap:music                        NAME or NAME:VARIANT: embeddings/NAME.py, build(VARIANT, weights), VARIANTS with the default first
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np
from etils import epath
from jax import Array

from musicdiff import plugins
from musicdiff.errors import UsageError
from musicdiff.typing import Params

FOLDER = "evaluation.embeddings"
BATCH = 8  # windows computed at once; the last batch is filled, so that there is one compiled program


class Windows(NamedTuple):
    """A clip, cut.

    x: float32 [n, ...], what `apply` takes; windows that overlap may be a view of the clip
    padding: float32 [n], the share of each window that is no sound of the clip: 0 of whole ones
    """

    x: np.ndarray
    padding: np.ndarray


@dataclass(frozen=True, eq=False)
class Embedding:
    """Audio -> vectors, and all that a number from it depends on.

    name: as it may be asked for, 'clap:music'; of the same network and protocol always the same
    protocol: a line: front end, layer, windows, padding; whatever changes the vectors is said in it
    sample_rate: of the audio that `cut` takes
    window, hop: in samples at that rate; a clip as long as `window` has one window, without padding
    width: D
    weights: sha256 of what the parameters were read from, '' of an embedding without
    params: what `apply` takes first
    cut: mono audio float32 [N] -> Windows, n = 0 where the protocol has no window for so short a clip
    apply: (params, x [B, ...]) -> [B, D]; pure
    """

    name: str
    protocol: str
    sample_rate: int
    window: int
    hop: int
    width: int
    weights: str
    params: Params
    cut: Callable[[np.ndarray], Windows]
    apply: Callable[[Params, Array], Array]

    @property
    def sha256(self) -> str:
        """Of what the vectors depend on beside the audio: caches are named by it."""
        said = [self.name, self.protocol, self.sample_rate, self.window, self.hop, self.width, self.weights]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    @cached_property
    def _jitted(self) -> Callable[[Params, Array], Array]:
        return jax.jit(self.apply)

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Windows [n, ...] -> float32 [n, D], a batch of BATCH at a time; what a window gives does not depend on the others."""
        vectors = np.zeros((len(x), self.width), np.float32)
        for i in range(0, len(x), BATCH):
            batch = x[i : i + BATCH]
            filled = np.concatenate([batch, np.zeros((BATCH - len(batch), *x.shape[1:]), np.float32)])
            vectors[i : i + BATCH] = self._jitted(self.params, filled)[: len(batch)]
        return vectors


def load(name: str, weights: epath.PathLike | None = None) -> Embedding:
    """The embedding of a name, its weights from a file, or None: from where they belong.

    Raises UsageError for an unknown name or variant, DataError for weights that are missing or of another network: what to do.
    """
    plugin, _, variant = name.partition(":")
    module = plugins.load(FOLDER, plugin)
    if variant and variant not in module.VARIANTS:
        raise UsageError(f"{plugin} has no variant {variant!r}; there are: {', '.join(module.VARIANTS) or 'none'}")
    return module.build(variant, weights)
