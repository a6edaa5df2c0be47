"""The loss on held-out clips, with the noise and levels of one fixed draw, so that two evaluations differ by their weights alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import parallel, randomness
from musicdiff.training.step import metric_sums
from musicdiff.typing import Model, Params


def evaluator(model: Model, *, seed: int, engine: str) -> Callable[[Params, Params, Iterable[Mapping[str, np.ndarray]]], dict[str, Any]]:
    """evaluate(params, frozen, batches) -> means over all examples of the loss and each metric, and the loss in each bucket of log-SNR."""

    def sums(params, frozen, step, batch):
        keys = randomness.example_keys(randomness.root_key(seed, "held_out"), batch["index"])
        losses, metrics = model.loss(params, frozen, batch, keys, step)
        return metric_sums(losses, metrics, batch["weight"]) | {"count": jnp.sum(batch["weight"])}

    summed = parallel.summed(sums, engine=engine)

    def evaluate(params, frozen, step, batches):
        total = None
        for batch in batches:
            part = jax.device_get(summed(params, frozen, step, batch))
            total = part if total is None else jax.tree.map(np.add, total, part)
        count = total.pop("count")
        return {name: value if name.startswith("bucket") else float(value / count) for name, value in total.items()}

    return evaluate


def named_buckets(sums: Mapping[str, Any], edges: np.ndarray, prefix: str) -> dict[str, float]:
    """'<prefix>/loss_bucket/<lo>_<hi>': mean loss in each bucket of log-SNR that any example fell into; the outer edges are infinite."""
    if "bucket_loss" not in sums:
        return {}
    bounds = ["-inf", *(f"{edge:g}" for edge in edges), "inf"]
    return {
        f"{prefix}/loss_bucket/{low}_{high}": float(loss / count)
        for low, high, loss, count in zip(bounds, bounds[1:], sums["bucket_loss"], sums["bucket_count"])
        if count > 0
    }
