"""What a model can be told. `config.conditions.<name>.name` is the name of a file here: strings or numbers -> entries of a Cond.

A Cond is {name: {'value': arrays [B, ...], 'present': bool [B]}}. Where a value is absent, a learned null takes its place inside the network:
dropout, guidance and prompts that say nothing of it only clear `present`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import choice, plugins
from musicdiff.config import plugin_options
from musicdiff.errors import UsageError
from musicdiff.typing import Cond, Condition, Keys

# Names of conditions, and the label of a track that each is read from.
LABELS = {"text": "caption", "style": "style", "key": "key", "tempo": "tempo", "length": "seconds"}


def build(section: Mapping[str, Mapping[str, Any]], where: str) -> tuple[dict[str, Condition], dict[str, float]]:
    """The conditions of `config.conditions`, and the dropout of each: the share of examples that are not told it.

    Raises UsageError, one line naming the key, for what is unknown, missing or out of range.
    """
    choice.check_options(where, section, sorted(LABELS))
    conditions, dropout = {}, {}
    for name in sorted(section):
        own = f"{where}.{name}"
        if not isinstance(section[name], Mapping):
            raise UsageError(f"{own} must be a section with a name, not {section[name]!r}")
        options = dict(section[name])
        for key in ("name", "dropout"):
            if key not in options:
                raise UsageError(f"{own} lacks the option {key!r}")
        dropout[name] = check_share(f"{own}.dropout", options.pop("dropout"))
        factory = plugins.load("conditioning", options["name"]).build
        try:
            conditions[name] = choice.call(own, factory, plugin_options(options))
        except UsageError as error:  # a plugin does not know what it is called here
            raise error if str(error).startswith(own) else UsageError(f"{own}: {error}") from None
    return conditions, dropout


def check_share(what: str, share: float) -> float:
    """Raises UsageError unless 0 <= share <= 1."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError(f"{what} must be a share from 0 to 1, not {share!r}")
    return share


def is_known(value: Any) -> bool:
    """Whether a label says something: not None, '' or nan."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and not (isinstance(value, float | np.floating) and math.isnan(value))


def tell(conditions: Mapping[str, Condition], told: Sequence[Mapping[str, Any]]) -> Cond:
    """What n clips are told, as arrays: one mapping {name: value} a clip; names that it lacks, or whose values say nothing, are absent.

    Raises UsageError for a condition that the model was not trained with, and for a value that one refuses.
    """
    for name in {name: None for row in told for name, value in row.items() if is_known(value)}:
        if name not in conditions:
            known = f"; it was with {', '.join(sorted(conditions))}" if conditions else ", nor with any other"
            raise UsageError(f"this model was not trained with the condition {name!r}{known}")
    cond = {}
    for name, condition in conditions.items():
        values = [row[name] if is_known(row.get(name)) else None for row in told]
        for value in values:
            if value is not None and (reason := condition.refuse(value)):
                raise UsageError(f"{name} {reason}")
        cond[name] = {"value": condition.read(values), "present": np.array([value is not None for value in values])}
    return cond


def tell_nothing(conditions: Mapping[str, Condition], size: int) -> Cond:
    """What `size` clips are told that are told nothing, as zeros."""
    one = tell(conditions, [{}])
    return jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape[1:]), leaf.dtype), one)


def silence(cond: Cond) -> Cond:
    """The same clips told nothing."""
    return {name: entry | {"present": jnp.zeros_like(entry["present"])} for name, entry in cond.items()}


def drop(cond: Cond, keys: Keys, dropout: Mapping[str, float], unconditional: float) -> Cond:
    """Each condition forgotten with its own probability, and all at once with the probability `unconditional` (arXiv 2207.12598).

    What an example forgets depends on its key alone.
    """

    def told(key):
        return {
            name: jax.random.uniform(jax.random.fold_in(key, i)) >= share
            for i, (name, share) in enumerate({**dropout, "": unconditional}.items())
        }

    kept = jax.vmap(told)(keys)
    return {name: entry | {"present": entry["present"] & kept[name] & kept[""]} for name, entry in cond.items()}
