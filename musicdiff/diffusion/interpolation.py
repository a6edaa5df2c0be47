"""Between two states of noise."""

import jax.numpy as jnp

from musicdiff.typing import Array

PARALLEL = 1e-4  # sine of the angle below which a great circle is a line, to float32


def slerp(a: Array, b: Array, weight: Array) -> Array:
    """sin((1 - w) theta) / sin(theta) a + sin(w theta) / sin(theta) b, theta the angle between two examples: along the sphere (Shoemake 1985).

    Noise of many numbers lies near a sphere; on the straight line between two such points it would be too quiet for any denoiser.

    Args:
        a, b: [B, ...]
        weight: [B], 0 is a and 1 is b
    """
    axes = tuple(range(1, a.ndim))
    weight = weight.reshape(-1, *[1] * (a.ndim - 1)).astype(a.dtype)
    lengths = jnp.sqrt(jnp.sum(a**2, axes, keepdims=True) * jnp.sum(b**2, axes, keepdims=True))
    cosine = jnp.clip(jnp.sum(a * b, axes, keepdims=True) / jnp.maximum(lengths, jnp.finfo(a.dtype).tiny), -1.0, 1.0)
    theta = jnp.arccos(cosine)
    curved = jnp.sin(theta) > PARALLEL
    divisor = jnp.where(curved, jnp.sin(theta), 1.0)
    from_a = jnp.where(curved, jnp.sin((1.0 - weight) * theta) / divisor, 1.0 - weight)
    from_b = jnp.where(curved, jnp.sin(weight * theta) / divisor, weight)
    return from_a * a + from_b * b
