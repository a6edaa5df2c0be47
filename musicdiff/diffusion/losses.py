"""Losses: the mean squared error of a network's output and its weight at each level.

A weight is a function (kind, log_snr) -> factor of the squared error of an output of that kind. A new one is one
function, named in WEIGHTS.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from musicdiff import choice
from musicdiff.typing import Array


def squared_error(output: Array, target: Array) -> Array:
    """mean (output - target)^2 over all but the leading axis: [B], in the dtype of the target."""
    difference = output.astype(target.dtype) - target  # a half-precision output is squared and summed in full precision
    return jnp.mean(jnp.square(difference), axis=tuple(range(1, target.ndim)))


def simple(kind: str, log_snr: Array) -> Array:
    """1: the network's own output counts alike at all levels (L_simple of arXiv 2006.11239 for eps)."""
    del kind
    return jnp.ones_like(log_snr)


def min_snr(kind: str, log_snr: Array, cap: float = 5.0) -> Array:
    """min(SNR, cap) on the squared error of x_0 (arXiv 2303.09556), carried over to the output's own kind."""
    return jnp.exp(jnp.minimum(log_snr, math.log(cap)) + log_of_x_0_error(kind, log_snr))


def log_of_x_0_error(kind: str, log_snr: Array) -> Array:
    """log(|x_0 error|^2 / |output error|^2): wrong by 1 in eps is wrong by sigma / alpha in x_0, and in v by sigma."""
    return {"x_0": jnp.zeros_like(log_snr), "eps": -log_snr, "v": jax.nn.log_sigmoid(-log_snr)}[kind]


WEIGHTS: dict[str, Callable[[str, Array], Array]] = choice.by_name(simple, min_snr)
