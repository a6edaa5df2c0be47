"""Guidance: denoisers made of denoisers. x_t = alpha x_0 + sigma eps holds of all that they predict.

A conditional denoiser is f(x_t, log_snr, cond, to=None) -> Prediction, as Model.denoise_fn gives it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from musicdiff.diffusion import process
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Cond, DenoiseFn, Prediction


def conditional(f: Callable[..., Prediction], cond: Cond) -> DenoiseFn:
    """f with its condition bound."""

    def denoise_fn(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        return f(x_t, log_snr, cond, to)

    return denoise_fn


def clip(denoise_fn: DenoiseFn, x_0_range: tuple[float, float] | None) -> DenoiseFn:
    """x_0 clipped to where data live, eps moved with it; None (latents have no range) leaves the denoiser as it is."""
    if x_0_range is None:
        return denoise_fn

    def clipped(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        prediction = denoise_fn(x_t, log_snr, to)
        return process.replace_x_0(prediction, jnp.clip(prediction.x_0, *x_0_range), log_snr)

    return clipped


def classifier_free(
    f: Callable[..., Prediction], cond: Cond, null: Cond, scale: float | Array, rescale: float | Array = 0.0
) -> DenoiseFn:
    """cond + (scale - 1) (cond - null) in one call at 2B (arXiv 2207.12598): scale 1 is the conditional model, 0 the null.

    Args:
        cond, null: conditions of one structure; `null` is `cond` with `present` cleared, or a negative condition
        scale: 0 and more
        rescale: 0 .. 1, how far each example's guided x_0 goes back to the standard deviation of the conditional one
            (arXiv 2305.08891)
    """
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), cond, null)

    def twice(x: Array | None) -> Array | None:
        return x if x is None or jnp.ndim(x) == 0 else jnp.concatenate([x, x])

    def denoise_fn(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        x_0, eps = (jnp.split(part, 2) for part in f(twice(x_t), twice(log_snr), both, twice(to)))
        given, without = (Prediction(*parts) for parts in zip(x_0, eps))
        return _beyond(given, without, log_snr, scale, rescale)

    return denoise_fn


def autoguidance(f: DenoiseFn, g: DenoiseFn, scale: float | Array, rescale: float | Array = 0.0) -> DenoiseFn:
    """f + (scale - 1) (f - g) in two calls (arXiv 2406.02507): away from where a weaker model errs in the same direction, only more.

    Args:
        f, g: the model, and one that learned less of the same task: an earlier milestone, say. Neither needs a condition
        scale: 0 and more; 1 is f, 0 is g
        rescale: as in `classifier_free`, towards the deviation of f
    """

    def denoise_fn(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        return _beyond(f(x_t, log_snr, to), g(x_t, log_snr, to), log_snr, scale, rescale)

    return denoise_fn


def limited_interval(guided: DenoiseFn, plain: DenoiseFn, low: float | Array, high: float | Array) -> DenoiseFn:
    """`guided` at the levels low <= log_snr <= high, `plain` at all others (arXiv 2404.07724).

    A branch on the scalar level that samplers give: of the two, only one is evaluated. Levels of [B] are refused, for a branch
    would have to evaluate both.
    """

    def denoise_fn(x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        if jnp.ndim(log_snr):
            raise ValueError(
                f"limited_interval takes one level for the whole batch, not levels of {jnp.shape(log_snr)}"
            )
        within = (low <= log_snr) & (log_snr <= high)
        return jax.lax.cond(within, guided, plain, x_t, log_snr, to)

    return denoise_fn


@dataclass(frozen=True)
class Guidance:
    """The numbers of `away_from`, checked: how far a sampling goes beyond its model, and where.

    scale: 1 is the model itself, 0 what it is led away from
    interval: (low, high), the log_snr at which it acts; None: everywhere
    rescale: 0 .. 1, how far a prediction's deviation goes back to that of the model itself
    Raises UsageError for numbers out of range.
    """

    scale: float
    interval: tuple[float, float] | None = None
    rescale: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.scale < math.inf:
            raise UsageError(f"a guidance scale is 0 or more, and 1 is none, not {self.scale}")
        if self.interval is not None and not -math.inf < self.interval[0] < self.interval[1] < math.inf:
            low, high = self.interval
            raise UsageError(
                f"an interval is two levels of log-SNR, the lower one first, as in -3,3, not {low:g},{high:g}"
            )
        if not 0.0 <= self.rescale <= 1.0:
            raise UsageError(f"rescale lies within 0 and 1, not at {self.rescale}")


def away_from(
    f: Callable[..., Prediction],
    weaker: Callable[..., Prediction] | None,
    cond: Cond,
    without: Cond | None,
    scale: float | Array,
    interval: tuple[float, float] | Array | None,
    rescale: float | Array,
) -> DenoiseFn:
    """f told `cond`, guided within an interval of levels [2], or at all of them (None).

    weaker: the model to be led away from, told the same; None: f itself told `without`
    """
    plain = conditional(f, cond)
    if weaker is None:
        guided = classifier_free(f, cond, without, scale, rescale)
    else:
        guided = autoguidance(plain, conditional(weaker, cond), scale, rescale)
    return guided if interval is None else limited_interval(guided, plain, interval[0], interval[1])


def mixed(f: Callable[..., Prediction]) -> Callable[..., Prediction]:
    """sum_k w_k f(x_t, cond_k): one conditional denoiser of several conditions at once, for x_0 and eps are linear in what predicts them.

    Returns:
        f'(x_t [B, ...], log_snr, mix, to=None), mix = {'cond': leaves [B, K, ...], 'weights': [B, K]}; the weights of a row sum to one. f is
        called once, at B K. A mix is a condition like any other: guidance may join two of them.
    """

    def of_mix(x_t: Array, log_snr: Array, mix: Cond, to: Array | None = None) -> Prediction:
        rows, parts = mix["weights"].shape

        def repeated(x: Array | None) -> Array | None:
            return x if x is None or jnp.ndim(x) == 0 else jnp.repeat(x, parts, axis=0)

        cond = jax.tree.map(lambda leaf: leaf.reshape(rows * parts, *leaf.shape[2:]), mix["cond"])
        found = f(repeated(x_t), repeated(log_snr), cond, repeated(to))

        def blend(part: Array) -> Array:
            split = part.reshape(rows, parts, *part.shape[1:])
            return jnp.sum(
                split * mix["weights"].reshape(rows, parts, *[1] * (part.ndim - 1)).astype(part.dtype), axis=1
            )

        return Prediction(*map(blend, found))

    return of_mix


def _beyond(
    given: Prediction, without: Prediction, log_snr: Array, scale: float | Array, rescale: float | Array
) -> Prediction:
    """given + (scale - 1) (given - without), to the last bit `given` at scale 1; then rescaled, x_t kept."""
    guided = Prediction(*(a + (scale - 1.0) * (a - b) for a, b in zip(given, without)))
    ratio = _deviation(given.x_0) / _deviation(guided.x_0)
    return process.replace_x_0(guided, guided.x_0 * (1.0 + rescale * (ratio - 1.0)), log_snr)


def _deviation(x: Array) -> Array:
    """The standard deviation of each example [B, 1, ...], never quite zero: it divides."""
    return jnp.maximum(jnp.std(x, axis=tuple(range(1, x.ndim)), keepdims=True), jnp.finfo(x.dtype).eps)
