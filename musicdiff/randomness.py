"""Randomness: root seed -> purpose -> step -> example. A key depends on what it is for, never on a batch or a number of devices."""

import zlib

import jax
from jax import Array


def root_key(seed: int, purpose: str) -> Array:
    """The key of one purpose ('init', 'loss', 'sample', ...) under a seed. Threefry: vmapped 'rbg' keys differ alone and in a batch."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(purpose.encode()))


def example_keys(key: Array, index: Array) -> Array:
    """One key an example: fold_in(key, index[b]) for integer index [B]."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)


def seed_keys(seeds: Array, purpose: str) -> Array:
    """One key a requested clip, from its own integer seed [B]: a clip is the same alone and in any batch."""
    return jax.vmap(lambda seed: root_key(seed, purpose))(seeds)
