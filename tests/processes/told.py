"""Trains on clips that are told conditions, on 1, 2 and 4 devices faked on the CPU, with both engines; prints parameters and losses as JSON."""

import json
import os
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

from musicdiff import parallel  # noqa: E402
from musicdiff.conditioning import drop  # noqa: E402
from musicdiff.training import step  # noqa: E402
from musicdiff.training.state import TrainState  # noqa: E402


class Model:
    """Linear in everything that it is told."""

    @staticmethod
    def loss(params, frozen, batch, keys, number):
        cond = drop(batch["cond"], keys, {"text": 0.2, "tempo": 0.4}, 0.1)
        (tokens, mask), tempo = cond["text"]["value"], cond["tempo"]
        text = jnp.where(cond["text"]["present"][:, None], jnp.sum(tokens * mask[..., None], axis=1), 0.0)
        told = text @ params["text"] + jnp.where(tempo["present"], tempo["value"], 0.0) * params["tempo"]
        losses = (batch["x_0"] @ params["x"] - told) ** 2
        return losses, {"told": told}


def batches(count, rows=8):
    rng = np.random.default_rng(0)
    for number in range(count):
        x_0, tokens, tempo = (rng.normal(size=(rows, *shape)).astype(np.float32) for shape in ((3,), (5, 4), ()))
        text = {"value": (tokens, rng.random((rows, 5)) < 0.7), "present": rng.random(rows) < 0.8}
        cond = {"text": text, "tempo": {"value": tempo, "present": rng.random(rows) < 0.8}}
        index = np.arange(rows, dtype=np.int32) + rows * number
        yield {"x_0": x_0, "index": index, "weight": np.ones(rows, np.float32), "cond": cond}


def train(name, devices):
    params = {"x": jnp.ones(3), "text": jnp.ones(4), "tempo": jnp.float32(1)}
    transform = optax.sgd(0.01)
    pieces = 8 // len(devices) // 2  # micro-batches of 2 everywhere
    engine = parallel.engine(
        name, step.gradient_sums(Model, seed=0, pieces=pieces), step.update(transform, ema_max=0.9), devices=devices
    )
    state = engine.place(TrainState(jnp.int32(0), params, {"ema": params}, transform.init(params)))
    losses = []
    for batch in batches(3):
        state, metrics = jax.block_until_ready(engine.step(state, {}, engine.shard(batch)))
        losses.append(float(metrics["loss"]))
    return {"losses": losses, "params": jax.tree.map(lambda x: np.asarray(x).tolist(), state.params)}


print(json.dumps({f"{name} {n}": train(name, jax.devices()[:n]) for name in ("pmap", "jit") for n in (1, 2, 4)}))
