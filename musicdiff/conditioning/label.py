"""One of a set of classes by name, such as a style."""

import difflib
import unicodedata
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.networks.conditioned import ClassEmbedder
from musicdiff.typing import Condition

LISTED = 20  # classes that a message names


def build(*, classes: tuple[str, ...] = (), capacity: int = 64) -> Condition:
    """Value: int32 [n], the place of a name in `classes`, whatever its case, spaces and hyphens.

    Args:
        classes: the names; () until a run fills in those of its data, and then no name is known
        capacity: classes that there is room for: the network's shape does not depend on the data
    Raises:
        UsageError: more classes than that
    """
    index: dict[str, int] = {}
    spelled: dict[str, str] = {}
    for name in classes:
        spelled.setdefault(fold(name), name)
        index.setdefault(fold(name), len(index))
    if len(index) > capacity:
        raise UsageError(
            f"condition 'label': {len(index)} classes, and room for capacity={capacity}; set it to {len(index)} or more"
        )

    def refuse(value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be a name, not {value!r}"
        if fold(value) in index:
            return None
        near = difflib.get_close_matches(fold(value), index, n=len(index) or 1, cutoff=0.5)
        names = [spelled[key] for key in (*near, *(key for key in index if key not in near))]
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        return f"has no {value!r}; there are: {', '.join(names[:LISTED]) or 'none'}{more}"

    def read(values: Sequence[str | None]) -> np.ndarray:
        return np.array([0 if name is None else index[fold(name)] for name in values], np.int32)

    return Condition(refuse, read, partial(ClassEmbedder, capacity=capacity))


def fold(name: str) -> str:
    """A name without case, spaces, hyphens and underscores: 'Lo-Fi' and 'lofi' are one."""
    folded = unicodedata.normalize("NFKC", name.casefold())
    return "".join(letter for letter in folded if not letter.isspace() and letter not in "-_")
