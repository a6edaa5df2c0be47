"""A number within a range, such as a tempo: equal ratios are equal steps."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.networks.conditioned import NumberEmbedder
from musicdiff.typing import Condition


def build(*, low: float, high: float, unit: str = "") -> Condition:
    """Value: float32 [n], log(x / low) / log(high / low), brought to [-1, 1].

    low, high: the range, above 0; a number outside is refused, not clipped
    unit: of the numbers, for messages
    """
    if not (_is_number(low) and _is_number(high) and 0 < low < high):
        raise UsageError(f"condition 'numeric': low and high must be numbers, 0 < low < high, not {low!r} and {high!r}")

    def refuse(value: Any) -> str | None:
        if _is_number(value) and low <= value <= high:
            return None
        return f"must be a number from {low:g} to {high:g}{unit and f' {unit}'}, not {value!r}"

    def read(values: Sequence[float | None]) -> np.ndarray:
        scaled = [0.0 if x is None else 2 * math.log(x / low) / math.log(high / low) - 1 for x in values]
        return np.array(scaled, np.float32)

    return Condition(refuse, read, NumberEmbedder)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
