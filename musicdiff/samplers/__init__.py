"""Sampling: the one loop, and samplers by name: files of this folder whose `build(**options)` returns a Sampler."""

import math
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import choice, plugins
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Constraint, DenoiseFn, Keys, Sampler


def build(name: str, **options: Any) -> Sampler:
    """The sampler of musicdiff/samplers/<name>.py. Raises UsageError on an unknown name or option: lists what exists.

    Options are numbers, traced ones too: called inside jit, `build` makes one compiled program serve all their values.
    """
    return choice.call(f"sampler {name!r}", plugins.load("samplers", name).build, options)


def sample(
    denoise_fn: DenoiseFn,
    x_T: Array,
    keys: Keys,
    *,
    sampler: Sampler,
    grid: Array,
    constraint: Constraint | None = None,
) -> Array:
    """x at the last level of a grid, from x_T at its first: one lax.scan over the steps between neighbouring levels.

    Args:
        denoise_fn: the model; its parameters should reach it as arguments of the caller's jit
        x_T: [B, ...] at the level grid[0]: noise, or data for an inversion, where the levels fall
        keys: [B], one an example: what is sampled does not depend on the batch
        grid: log_snr [num_steps + 1], see diffusion.grids; a last level of +inf is data
        constraint: an edit of the state, applied to x_T and after every step
    Returns:
        x [B, ...] in the dtype of x_T
    """
    constrain = constraint or (lambda x, log_snr, keys: x)
    grid = jnp.asarray(grid, x_T.dtype)

    def step(state: tuple[Array, Any], levels: tuple[Array, Array, Array]) -> tuple[tuple[Array, Any], None]:
        (x_t, carry), (log_snr_t, log_snr_s, number) = state, levels
        step_keys, constraint_keys = keys_at(keys, number)
        x_s, carry = sampler.step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, step_keys)
        return (constrain(x_s, log_snr_s, constraint_keys), carry), None

    x = constrain(x_T, grid[0], keys_at(keys, 0)[1])
    steps = (grid[:-1], grid[1:], jnp.arange(1, len(grid)))
    (x, _), _ = jax.lax.scan(step, (x, sampler.init(x)), steps)
    return x


def slope_weight(log_snr_r: Array, log_snr_t: Array, log_snr_s: Array, eta: float | Array = 0.0) -> Array:
    """The weight of x_0_t - x_0_r in x_s / alpha_s: (1 - e^(-(1 + eta) h)) h / (2 h_r), half a step of the slope of x_0.

    h = log(SNR_s / SNR_t) / 2 and h_r that of the step before, from r to t. Nothing without r, where t repeats it, and to
    data or from it; eta counts towards data only.
    """
    h, h_r = 0.5 * (log_snr_s - log_snr_t), 0.5 * (log_snr_t - log_snr_r)
    h = jnp.where(jnp.isfinite(h), h, 0.0)
    weight = -0.5 * jnp.expm1(-h - eta * jnp.maximum(h, 0.0)) * h / jnp.where(h_r == 0.0, 1.0, h_r)
    return jnp.where(h_r == 0.0, 0.0, weight)


def check_range(what: str, value: float | Array, most: float = math.inf) -> None:
    """Raises UsageError unless an option is a number from 0 to `most`; a traced one was checked before it was compiled.

    what: the option with its owner, such as "sampler 'ddim': eta"
    """
    if isinstance(value, jax.core.Tracer):
        return
    if not isinstance(value, (Real, np.ndarray, Array)) or not 0.0 <= value <= most or math.isinf(value):
        allowed = "0 or more" if math.isinf(most) else f"within 0 and {most:g}"
        raise UsageError(f"{what} must be {allowed}, not {value}")


def keys_at(keys: Keys, step: Array | int) -> tuple[Keys, Keys]:
    """The keys [B] of one step: the sampler's, and the constraint's own, so that their noises are independent."""
    both = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, step)))(keys)
    return both[:, 0], both[:, 1]
