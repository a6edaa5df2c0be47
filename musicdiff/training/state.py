"""The state of a run: arrays only, so that a checkpoint of it is the whole of what resumes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from musicdiff.typing import Params


class TrainState(NamedTuple):
    """step: int32, the number of updates done; ema_params: {profile: params}, averages of params over the updates."""

    step: Array
    params: Params
    ema_params: dict[str, Params]
    opt_state: optax.OptState


def init_state(init: Callable[[Array], Params], optimizer: optax.GradientTransformation, key: Array) -> TrainState:
    """The state before the first update; the average starts at the initial parameters."""
    params = init(key)
    averages = {"ema": jax.tree.map(jnp.array, params)}  # a copy: donated buffers must not be shared
    return TrainState(jnp.zeros((), jnp.int32), params, averages, optimizer.init(params))


def average(ema_params: Params, params: Params, step: Array, ema_max: float) -> Params:
    """ema <- d ema + (1 - d) params with d = min(ema_max, (1 + i) / (10 + i)) after i updates: short runs are not held by their start."""
    decay = jnp.minimum(ema_max, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: old + (1.0 - decay).astype(old.dtype) * (new - old), ema_params, params)
