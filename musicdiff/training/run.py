"""A run: what is trained, on what, and where it is left."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from etils import epath

from musicdiff.typing import Model, Params


@dataclass(frozen=True)
class Run:
    """All that the training loop needs to know.

    batches(start_step): this process's rows of the global batches, from a step on
    held_out: fixed batches of clips that are never trained on
    examples: held-out clips [B, ...] as tracks hold them, to be heard beside the model's
    told: {condition: value} of each example, as its track tells it
    micro_batch: examples at once on a device
    commands: {what for: shell line}, to use the model once it is trained
    """

    workdir: epath.Path
    config: Mapping[str, Any]
    model: Model
    frozen: Params
    batches: Callable[[int], Iterator[Mapping[str, np.ndarray]]]
    held_out: Sequence[Mapping[str, np.ndarray]]
    examples: np.ndarray
    told: Sequence[Mapping[str, Any]]
    micro_batch: int
    commands: Mapping[str, str]
