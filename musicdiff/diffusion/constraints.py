"""Constraints: edits (x_s, log_snr_s, keys) -> x_s of the state, applied to x_T and after every step."""

import jax.numpy as jnp

from musicdiff.diffusion.process import align, diffuse, draw_noise
from musicdiff.typing import Array, Constraint, Keys


def inpaint(x_0: Array, mask: Array, eps: Array | None = None) -> Constraint:
    """where(mask, x_s, alpha_s x_0 + sigma_s eps) (arXiv 2201.09865): what is known ends as exactly x_0.

    Args:
        x_0: the known data [B, ...]; what it holds under the mask counts for nothing
        mask: bool, broadcast to x_0: True where the sampler is free
        eps: the known region's noise, one for all levels, as a deterministic sampler keeps it; None draws it anew
            at each level from the loop's keys
    """

    def constraint(x_s: Array, log_snr_s: Array, keys: Keys) -> Array:
        noise = draw_noise(keys, x_0) if eps is None else eps
        return jnp.where(mask, x_s, diffuse(x_0, noise, log_snr_s))

    return constraint


def sdedit(x_0: Array, eps: Array, start: Array) -> Constraint:
    """where(log_snr_s <= start, alpha_s x_0 + sigma_s eps, x_s) (arXiv 2108.01073): sampling begins at `start`.

    Args:
        x_0: the input [B, ...]
        eps: its noise [B, ...], drawn once an example: all levels above the start lie on one path
        start: [B] log_snr: the cleanest node of the grid up to it is where sampling begins; +inf returns x_0 exactly
            (strength 0), -inf samples from x_T (strength 1)
    """

    def constraint(x_s: Array, log_snr_s: Array, keys: Keys) -> Array:
        del keys
        return jnp.where(log_snr_s <= align(start, x_0), diffuse(x_0, eps, log_snr_s), x_s)

    return constraint
