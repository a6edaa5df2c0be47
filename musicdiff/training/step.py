"""One training step, as the two functions that `parallel.engine` joins: sums over examples, then one update."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicdiff import randomness
from musicdiff.training.state import TrainState, average
from musicdiff.typing import Model

LOG_SNR_EDGES = np.arange(-10.0, 11.0, 4.0, dtype=np.float32)  # inner edges of the loss buckets; the outer two are open


def gradient_sums(model: Model, *, seed: int, pieces: int) -> Callable:
    """grad_fn(state, frozen, batch) -> ({'grads', 'metrics'}, count): sums over the batch's examples, weighted by batch['weight'].

    pieces: micro-batches walked one after another, so that activations are held for one of them only. But for the order of additions the sums
    do not depend on it, since an example's key comes from (seed, step, its index).
    """

    def grad_fn(state, frozen, batch):
        key = jax.random.fold_in(randomness.root_key(seed, "loss"), state.step)

        def summed_loss(params, piece):
            keys = randomness.example_keys(key, piece["index"])
            losses, metrics = model.loss(params, frozen, piece, keys, state.step)
            return jnp.sum(losses * piece["weight"]), metric_sums(losses, metrics, piece["weight"])

        def sums_of(piece):
            (_, metrics), grads = jax.value_and_grad(summed_loss, has_aux=True)(state.params, piece)
            return {"grads": grads, "metrics": metrics}

        return accumulate(sums_of, batch, pieces), jnp.sum(batch["weight"])

    return grad_fn


def accumulate(sums_of: Callable, batch, pieces: int):
    """The sum of sums_of over `pieces` equal parts of a batch, one at a time."""
    if pieces == 1:
        return sums_of(batch)
    # A part takes every `pieces`-th example: an axis sharded over devices in blocks then stays sharded within each part.
    parts = jax.tree.map(lambda x: x.reshape(-1, pieces, *x.shape[1:]).swapaxes(0, 1), batch)
    shapes = jax.eval_shape(sums_of, jax.tree.map(lambda x: x[0], parts))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.scan(lambda total, part: (jax.tree.map(jnp.add, total, sums_of(part)), None), zeros, parts)[0]


def metric_sums(losses, metrics, weight):
    """Weighted sums over the batch: the loss, each metric, and loss and count in each bucket of log-SNR."""
    sums = {"loss": jnp.sum(losses * weight)}
    sums |= {name: jnp.sum(value * weight) for name, value in metrics.items() if name != "log_snr"}
    if "log_snr" in metrics:
        member = (
            jax.nn.one_hot(jnp.searchsorted(LOG_SNR_EDGES, metrics["log_snr"]), len(LOG_SNR_EDGES) + 1)
            * weight[:, None]
        )
        sums |= {"bucket_loss": losses @ member, "bucket_count": jnp.sum(member, axis=0)}
    return sums


def update(optimizer: optax.GradientTransformation, *, ema_max: float) -> Callable:
    """update_fn(state, sums, count) -> (state, metrics): the mean gradient, one optimizer step, one step of the averages."""

    def update_fn(state, sums, count):
        grads = jax.tree.map(lambda g: g / count, sums["grads"])
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema_params = average(state.ema_params, params, state.step, ema_max)
        metrics = means(sums["metrics"], count) | {"grad_norm": optax.tree.norm(grads)}
        return TrainState(state.step + 1, params, ema_params, opt_state), metrics

    return update_fn


def means(sums, count):
    """Sums -> means; the buckets' sums stay sums, to be divided when several steps are put together."""
    return {name: value if name.startswith("bucket") else value / count for name, value in sums.items()}
