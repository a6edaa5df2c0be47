"""Guidance: denoisers made of denoisers. x_t = alpha x_0 + sigma eps holds of all that they predict.

A conditional denoiser is f(x_t, log_snr, cond, to=None) -> Prediction, as Model.denoise_fn gives it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from musicdiff.diffusion import process
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
    """null + scale (cond - null) in one call at 2B (arXiv 2207.12598): scale 1 is the conditional model, 0 the null.

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
        guided = Prediction(*(without + scale * (given - without) for given, without in (x_0, eps)))
        ratio = _deviation(x_0[0]) / _deviation(guided.x_0)
        return process.replace_x_0(guided, guided.x_0 * (1.0 + rescale * (ratio - 1.0)), log_snr)

    return denoise_fn


def _deviation(x: Array) -> Array:
    """The standard deviation of each example [B, 1, ...], never quite zero: it divides."""
    return jnp.maximum(jnp.std(x, axis=tuple(range(1, x.ndim)), keepdims=True), jnp.finfo(x.dtype).tiny)
