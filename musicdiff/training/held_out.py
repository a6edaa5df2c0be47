"""The loss on held-out clips, with the noise and levels of one fixed draw, so that two evaluations differ by their weights alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from musicdiff import parallel, randomness
from musicdiff.training.step import LOG_SNR_EDGES
from musicdiff.typing import Model, Params

# The step whose objective is measured: what a loss takes in at some step, such as a patch-GAN, has not begun.
BEFORE = np.int32(-1)


def evaluator(
    model: Model, *, seed: int, engine: str
) -> Callable[[Params, Params, Iterable[Mapping[str, np.ndarray]]], dict[str, float]]:
    """evaluate(params, frozen, batches) -> {'loss', each metric, 'loss_bucket/<lo>_<hi>'}: means over the examples of weight 1."""

    def each(params, frozen, batch):
        keys = randomness.example_keys(randomness.root_key(seed, "held_out"), batch["index"])
        losses, metrics = model.loss(params, frozen, batch, keys, BEFORE)
        return {"loss": losses, **metrics}

    apply = parallel.Batched(each, engine=engine)

    def evaluate(params, frozen, batches):
        parts = []
        for batch in batches:
            real = batch["weight"] > 0
            parts.append({name: values[real] for name, values in apply(params, frozen, batch).items()})
        examples = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        means = {
            name: float(np.mean(values, dtype=np.float64)) for name, values in examples.items() if name != "log_snr"
        }
        if "log_snr" in examples:
            bucket = np.searchsorted(LOG_SNR_EDGES, examples["log_snr"])
            counts = np.bincount(bucket, minlength=len(LOG_SNR_EDGES) + 1)
            means |= buckets(np.bincount(bucket, examples["loss"], len(counts)), counts)
        return means

    return evaluate


def buckets(sums: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """'loss_bucket/<lo>_<hi>': mean loss in each bucket of log-SNR that any example fell into; the outer edges are infinite."""
    bounds = ["-inf", *(f"{edge:g}" for edge in LOG_SNR_EDGES), "inf"]
    return {
        f"loss_bucket/{low}_{high}": float(total / count)
        for low, high, total, count in zip(bounds, bounds[1:], sums, counts)
        if count > 0
    }


def prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """{'<prefix>/<name>': value}."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
