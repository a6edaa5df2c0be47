"""The state of a run: arrays only, so that a checkpoint of it is the whole of what resumes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from musicdiff import averages
from musicdiff.typing import Params

EMA = "ema"  # the profile that is sampled with


class TrainState(NamedTuple):
    """step: int32, the number of updates done; ema_params: {profile: params}, averages of params over the updates.

    profiles: 'ema', and the relative widths of config.optim.ema_profiles, such as '0.05'
    """

    step: Array
    params: Params
    ema_params: dict[str, Params]
    opt_state: optax.OptState


def init_state(
    init: Callable[[Array], Params],
    optimizer: optax.GradientTransformation,
    key: Array,
    widths: Sequence[float] = (),
) -> TrainState:
    """The state before the first update; averages start at the initial parameters. widths: of power-function averages."""
    params = init(key)
    # Copies: donated buffers must not be shared.
    ema_params = {profile: jax.tree.map(jnp.array, params) for profile in (EMA, *map(str, widths))}
    return TrainState(jnp.zeros((), jnp.int32), params, ema_params, optimizer.init(params))


def average(ema_params: dict[str, Params], params: Params, step: Array, ema_max: float) -> dict[str, Params]:
    """ema <- d ema + (1 - d) params, with d = min(ema_max, (1 + i) / (10 + i)) after i updates: short runs are not held by their start.

    Of the profiles that are relative widths d = (1 - 1/t)^(g + 1) at update t = i + 1 (`averages.share`).
    """

    def share(profile: str) -> Array:
        if profile == EMA:
            return 1.0 - jnp.minimum(ema_max, (1.0 + step) / (10.0 + step))
        return averages.share(float(profile), step + 1)

    def advance(old: Params, new_share: Array) -> Params:
        return jax.tree.map(lambda old, new: old + new_share.astype(old.dtype) * (new - old), old, params)

    return {profile: advance(old, share(profile)) for profile, old in ema_params.items()}


def snapshot(state: TrainState) -> dict[float, Params]:
    """{relative width: params} of the averages to keep for later."""
    return {float(profile): params for profile, params in state.ema_params.items() if profile != EMA}
