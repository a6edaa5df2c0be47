"""What a long computation goes on from after a kill: a tuple of arrays in a file that is whole at any time."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from musicdiff.errors import UsageError


def save(path: Path, record: Mapping[str, Any], state: Any) -> None:
    """Writes a tree of arrays and numbers to a local .npz, whole or not at all. record: what was asked for, of JSON's types."""
    arrays = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    fresh = path.with_suffix(".new")
    with open(fresh, "wb") as file:
        np.savez(file, record=_digest(record), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def load(path: Path, record: Mapping[str, Any], like: Any) -> Any:
    """The tree that was saved, of the structure of `like`; None where there is none. Raises UsageError where something else was asked for."""
    if not path.exists():
        return None
    with np.load(path) as saved:
        if str(saved["record"]) != _digest(record):
            raise UsageError(f"{path} is of what was asked for otherwise: ask for the same, or remove it and its .wav")
        structure = jax.tree.structure(like)
        leaves = [saved[str(i)] for i in range(structure.num_leaves)]
    return jax.tree.unflatten(structure, [leaf if leaf.ndim else leaf.item() for leaf in leaves])


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
