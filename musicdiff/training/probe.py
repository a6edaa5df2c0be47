"""What this machine does in a second of training, measured on one layer before the network is compiled."""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musicdiff.networks.layers import Conv, GroupNorm
from musicdiff.training import optimizer, step
from musicdiff.training.estimate import cost
from musicdiff.training.state import TrainState

# As in the large layers of the full-size networks, which take most of the time: 8 MB, of which a cache holds little.
CLIP = (1, 128, 128, 128)
KERNEL = (3, 3, 512, 512)  # most parameters are in such kernels
KERNELS = 4  # with average, moments and gradients 190 MB, more than caches hold


class Rates(NamedTuple):
    """Of one device, a second. flops: in a network and its gradient; updates: parameters, each with its average and moments."""

    flops: float
    updates: float


@functools.cache
def measure(seconds: float = 0.5, dtype: str = "float32") -> Rates:
    """The rates of this machine, measured once, for so many seconds besides compiling; dtype: of the network's computation."""
    return Rates(_measure_flops(seconds / 2, dtype), _measure_updates(seconds / 2))


def _measure_flops(seconds: float, dtype: str) -> float:
    """Of norm, silu and 3 x 3 convolution, forwards and backwards: all that most of a network is."""
    norm, conv = GroupNorm(dtype=dtype), Conv(CLIP[-1], dtype=dtype)
    x = jax.random.normal(jax.random.key(0), CLIP, dtype)
    params = [layer.init(jax.random.key(1), x) for layer in (norm, conv)]

    def loss(params, x):
        y = conv.apply(params[1], jax.nn.silu(norm.apply(params[0], x)))
        return jnp.sum(jnp.square(y.astype(jnp.float32)))

    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return cost(gradient, params, x).flops / _fastest(lambda: gradient(params, x), seconds)


def _measure_updates(seconds: float) -> float:
    optim = {"learning_rate": 1e-4, "warmup_steps": 0, "decay_steps": 1, "b1": 0.9, "b2": 0.999, "weight_decay": 0.0}
    transform = optimizer.build(**optim, clip_norm=1.0, held_until={})
    params, average, grads = ([jnp.full(KERNEL, 0.1, jnp.float32) for _ in range(KERNELS)] for _ in range(3))
    state = TrainState(jnp.int32(0), params, {"ema": average}, transform.init(params))
    update = jax.jit(step.update(transform, ema_max=0.9), donate_argnums=0)

    def advance():
        nonlocal state
        state, metrics = update(state, {"grads": grads, "metrics": {}}, 1.0)
        return metrics

    return KERNELS * math.prod(KERNEL) / _fastest(advance, seconds)


def _fastest(call: Callable[[], Any], seconds: float) -> float:
    """Seconds that a call takes: the least of as many as fit into `seconds`, one at least, after one that compiles."""
    jax.block_until_ready(call())
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        jax.block_until_ready(call())
        best = min(best, time.perf_counter() - start)
    return best
