"""An objective: a schedule, what the network predicts, how levels weigh, and how the network is told its level.

`build` takes plain values: its keyword arguments are the section `process` of a config. Training and sampling call the
network through one function, so they cannot disagree about its inputs.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musicdiff import choice
from musicdiff.diffusion import losses, process, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Keys, Metrics, Prediction, Schedule

Network = Callable[[Array, Array], Array]  # (x_t [B, ...], c_noise [B]) -> output [B, ...]

TOLD = ("index", "log_snr")
# Either way c_noise lies in [0, 1000], 0 = data, as DDPM's index does: one range for one kind of time embedding.
LOG_SNR_RANGE = 20.0
# Below this level x_0 = (x_t - sigma eps) / alpha is noise: at -20, 0.1 % of error in eps is 17 in x_0.
EPS_LOWEST = -15.0


class Objective(NamedTuple):
    """What a model trains by and samples from; all functions are pure.

    schedule: the training levels
    loss(network, x_0, keys [B]) -> (losses [B], metrics {name: [B]}): t and eps of an example from its key alone
    loss_at(network, x_0, eps, log_snr [B]) -> the same at given levels with given noise, for losses level by level
    denoise(network, x_t, log_snr, to=None) -> Prediction: a DenoiseFn once the network is bound
    """

    schedule: Schedule
    loss: Callable[[Network, Array, Keys], tuple[Array, Metrics]]
    loss_at: Callable[[Network, Array, Array, Array], tuple[Array, Metrics]]
    denoise: Callable[..., Prediction]


def build(
    *,
    schedule: str = "cosine",
    schedule_options: Mapping[str, Any] | None = None,
    prediction: str = "v",
    weight: str = "simple",
    told: str = "log_snr",
) -> Objective:
    """weight(log_snr) |output - target|^2 at x_t = alpha x_0 + sigma eps, t uniform in [0, 1] or over a table.

    Args:
        schedule: a name of schedules.names()
        schedule_options: keyword arguments of that schedule
        prediction: what the network outputs: 'eps', 'v' or 'x_0'
        weight: a name of losses.WEIGHTS
        told: what the network knows of the level: 'index', its position in a table, whose own levels are then
            trained on, or 'log_snr', from 0 at +20 and above to 1000 at -20
    Raises:
        UsageError: an unknown name, with the list of what exists, or a combination that cannot work
    """
    levels = schedules.build(schedule, **(schedule_options or {}))
    kind = choice.check("prediction", prediction, process.KINDS)
    weigh = losses.WEIGHTS[choice.check("weight", weight, losses.WEIGHTS)]
    by_index = choice.check("told", told, TOLD) == "index"
    if by_index and levels.num_levels is None:
        raise UsageError(
            f"told='index' needs a schedule with a table, such as linear_beta; {schedule!r} is told='log_snr'"
        )
    if kind == "eps" and schedules.lowest(levels) < EPS_LOWEST:
        raise UsageError(
            f"prediction='eps' says nothing of x_0 at log_snr {schedules.lowest(levels):.3g}, where {schedule!r} ends: "
            f"take prediction='v', or end the schedule at {EPS_LOWEST:g} or above"
        )

    def c_noise(log_snr: Array) -> Array:
        if by_index:
            return schedules.index_of(levels, log_snr)
        return 500.0 - 500.0 / LOG_SNR_RANGE * jnp.clip(log_snr, -LOG_SNR_RANGE, LOG_SNR_RANGE)

    def evaluate(network: Network, x_t: Array, log_snr: Array) -> Array:
        told_level = jnp.broadcast_to(c_noise(log_snr), x_t.shape[:1])
        return network(x_t, told_level).astype(x_t.dtype)

    def draw_level(key: Array) -> Array:
        if by_index:
            return levels.log_snr(jax.random.randint(key, (), 0, levels.num_levels) / (levels.num_levels - 1))
        return levels.log_snr(jax.random.uniform(key))

    def loss(network: Network, x_0: Array, keys: Keys) -> tuple[Array, Metrics]:
        level_keys, noise_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        return loss_at(network, x_0, process.draw_noise(noise_keys, x_0), jax.vmap(draw_level)(level_keys))

    def loss_at(network: Network, x_0: Array, eps: Array, log_snr: Array) -> tuple[Array, Metrics]:
        output = evaluate(network, process.diffuse(x_0, eps, log_snr), log_snr)
        mse = losses.squared_error(output, process.target(kind, x_0, eps, log_snr))
        return weigh(kind, log_snr) * mse, {"log_snr": log_snr, "mse": mse}

    def denoise(network: Network, x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        del to  # read by flow maps only
        return process.prediction(kind, evaluate(network, x_t, log_snr), x_t, log_snr)

    return Objective(levels, loss, loss_at, denoise)
