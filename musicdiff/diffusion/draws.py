"""Draws: the law by which training draws times t in [0, 1]; the schedule makes levels of them.

A new law is one function that returns a Draw, named in DRAWS; its keyword arguments are its options.
"""

from collections.abc import Callable
from typing import Any

import jax

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Array

Draw = Callable[[Array], Array]  # of a key: the t of one example


def uniform() -> Draw:
    """t ~ U(0, 1)."""
    return jax.random.uniform


def logit_normal(mean: float = 0.0, std: float = 1.0) -> Draw:
    """log(t / (1 - t)) ~ N(mean, std^2) (arXiv 2403.03206).

    On the schedule rectified_flow, where log_snr = -2 log(t / (1 - t)) and so log sigma_ve = log(t / (1 - t)), this is
    EDM's law of noise, log sigma_ve ~ N(mean, std^2), with its -1.2 and 1.2 (arXiv 2206.00364).
    """
    if not std > 0.0:
        raise UsageError(f"logit_normal needs a std above 0, not {std}")
    return lambda key: jax.nn.sigmoid(mean + std * jax.random.normal(key))


DRAWS: dict[str, Callable[..., Draw]] = choice.by_name(uniform, logit_normal)


def build(name: str, **options: Any) -> Draw:
    """The law called `name`. Raises UsageError on an unknown name or option, with the list of what exists."""
    return choice.call(f"times {name!r}", DRAWS[choice.check("times", name, DRAWS)], options)
