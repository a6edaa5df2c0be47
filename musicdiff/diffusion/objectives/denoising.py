"""Denoising: a schedule, a law of times, what the network predicts, how levels weigh, how it is told its level."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice
from musicdiff.diffusion import draws, kinds, losses, process, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Keys, Metrics, Network, Objective, Prediction

TOLD = ("index", "log_snr", "time")


def build(
    *,
    schedule: str = "cosine",
    schedule_options: Mapping[str, Any] | None = None,
    prediction: str = "v",
    prediction_options: Mapping[str, Any] | None = None,
    weight: str = "simple",
    weight_options: Mapping[str, Any] | None = None,
    times: str = "uniform",
    times_options: Mapping[str, Any] | None = None,
    told: str = "log_snr",
) -> Objective:
    """weight(log_snr) |output - target|^2 at x_t = alpha x_0 + sigma eps, at the levels of t as `times` draws it.

    Args:
        schedule: a name of schedules.SCHEDULES; its options, and `shift`, are schedule_options
        prediction: what the network outputs, a name of kinds.KINDS; eps only where the schedule ends short of noise, for
            x_0 = (x_t - sigma eps) / alpha: at log_snr -20 an error of 0.1 % in eps is one of 17 in x_0
        weight: a name of losses.WEIGHTS
        times: the law of t, a name of draws.DRAWS
        told: what the network knows of the level: 'index', its position in a table, whose own levels are then
            trained on; 'log_snr', from 0 at +20 and above to 1000 at -20; or 'time', 1000 t of the schedule
    Raises:
        UsageError: an unknown name or option, with the list of what exists, or a combination that cannot work
    """
    parts = {
        "schedule": (schedule, schedule_options),
        "prediction": (prediction, prediction_options),
        "weight": (weight, weight_options),
        "times": (times, times_options),
    }
    for part, (name, given) in parts.items():
        if not isinstance(given, Mapping | None) or "name" in (given or {}):
            raise UsageError(
                f"process.{part}_options must be a section, the options of {part} {name!r} by name, not {given!r}"
            )
    levels = schedules.build(schedule, **(schedule_options or {}))
    kind = kinds.build(prediction, **(prediction_options or {}))
    weigh = losses.build(weight, **(weight_options or {}))
    draw_t = draws.build(times, **(times_options or {}))
    tell = {
        "index": lambda log_snr: schedules.index_of(levels, log_snr),
        "log_snr": process.c_noise,
        "time": lambda log_snr: 1000.0 * levels.t_of(log_snr),
    }[choice.check("told", told, TOLD)]
    by_index = told == "index"
    if by_index and levels.num_levels is None:
        raise UsageError(
            f"told='index' needs a schedule with a table, such as linear_beta; {schedule!r} is told='log_snr'"
        )
    if prediction == "eps" and schedules.ends_in_noise(levels):
        raise UsageError(
            f"prediction='eps' says nothing of x_0 at log_snr {schedules.lowest(levels):.3g}, where {schedule!r} ends: "
            f"take prediction='v', or end the schedule at {schedules.NOISE:g} or above"
        )

    def evaluate(network: Network, x_t: Array, log_snr: Array) -> Array:
        seen = process.network_input(kind, x_t, log_snr)
        return network(seen, jnp.broadcast_to(tell(log_snr), x_t.shape[:1])).astype(x_t.dtype)

    def draw_level(key: Array) -> Array:
        t = draw_t(key)
        if by_index:
            t = schedules.time_of_table(levels, t)
        return levels.log_snr(t)

    def loss(network: Network, x_0: Array, keys: Keys, null: Network | None = None) -> tuple[Array, Metrics]:
        level_keys, noise_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        return loss_at(network, x_0, process.draw_noise(noise_keys, x_0), jax.vmap(draw_level)(level_keys))

    def loss_at(network: Network, x_0: Array, eps: Array, log_snr: Array) -> tuple[Array, Metrics]:
        output = evaluate(network, process.diffuse(x_0, eps, log_snr), log_snr)
        mse = losses.squared_error(output, process.target(kind, x_0, eps, log_snr))
        factor = weigh(log_snr, process.x_0_error(kind, log_snr))
        return factor * mse, {"log_snr": log_snr, "mse": mse}

    def denoise(network: Network, x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        del to  # read by flow maps only
        return process.prediction(kind, evaluate(network, x_t, log_snr), x_t, log_snr)

    return Objective(levels, loss, loss_at, denoise)
