"""Losses: the mean squared error of a network's output and its weight at each level.

A new weight is one function that returns a Weight, named in WEIGHTS; its keyword arguments are its options. A weight is
of one error and says so; `x_0_error`, |x_0 error|^2 / |output error|^2 (process.x_0_error), carries it over to the
output, so that a loss stays one and the same whatever the network predicts.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Array

Weight = Callable[[Array, Array], Array]  # (log_snr, x_0_error) -> factor of the squared error of the output


def squared_error(output: Array, target: Array) -> Array:
    """mean (output - target)^2 over all but the leading axis: [B], in the dtype of the target."""
    difference = output.astype(target.dtype) - target  # a half-precision output is squared and summed in full precision
    return jnp.mean(jnp.square(difference), axis=tuple(range(1, target.ndim)))


def simple() -> Weight:
    """1 on the network's own output: L_simple of arXiv 2006.11239 for eps, EDM's 1 / c_out^2 on x_0 for edm.

    The one weight that is another loss for another kind: SNR on x_0 for eps, 1 + SNR for v (and EDM's for sigma_data 1).
    """
    return lambda log_snr, x_0_error: jnp.ones_like(log_snr)


def min_snr(cap: float = 5.0) -> Weight:
    """min(SNR, cap) on x_0 (arXiv 2303.09556)."""
    if not cap > 0.0:
        raise UsageError(f"min_snr caps at a signal-to-noise ratio above 0, not {cap}")
    return lambda log_snr, x_0_error: jnp.exp(jnp.minimum(log_snr, math.log(cap))) * x_0_error


def sigmoid(bias: float = 2.0) -> Weight:
    """sigmoid(bias - log_snr) on eps (arXiv 2303.00848, whose bias is 2; 2410.19324), which is SNR as much on x_0.

    As a plain factor of the levels as they are drawn; the papers' w is this times their density in log-SNR.
    """
    return lambda log_snr, x_0_error: jnp.exp(log_snr + jax.nn.log_sigmoid(bias - log_snr)) * x_0_error


WEIGHTS: dict[str, Callable[..., Weight]] = choice.by_name(simple, min_snr, sigmoid)


def build(name: str, **options: Any) -> Weight:
    """The weight called `name`. Raises UsageError on an unknown name or option, with the list of what exists."""
    return choice.call(f"weight {name!r}", WEIGHTS[choice.check("weight", name, WEIGHTS)], options)
