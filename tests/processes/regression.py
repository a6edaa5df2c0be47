"""Least squares with weighted examples: the smallest training step whose gradients are sums over unequal shares of a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

OPTIMIZER = optax.sgd(0.05)  # Adam would hide gradients of a wrong scale
STEPS = 3
# Rows of weight 0 leave the devices unequal counts: 3 + 1 of 4 on two devices, 2 + 1 + 0 + 1 of 2 on four.
WEIGHTS = np.array([1, 1, 0, 1, 0, 0, 1, 0], np.float32)


def make_state():
    params = {"kernel": jnp.ones((3, 2))}
    return {
        "params": params,
        "ema_params": params,
        "opt_state": OPTIMIZER.init(params),
        "step": jnp.zeros((), jnp.int32),
    }


def make_frozen():
    return {"bias": jnp.array([0.5, -0.5])}


def make_batch(step):
    rng = np.random.default_rng(step)
    x, y = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
    return {"x": x, "y": y, "weight": WEIGHTS, "index": np.arange(8) + 8 * step}


def grad_fn(state, frozen, batch):
    def loss(params):
        error = batch["x"] @ params["kernel"] + frozen["bias"] - batch["y"]
        return jnp.sum(batch["weight"] * jnp.sum(error**2, axis=-1))

    value, grads = jax.value_and_grad(loss)(state["params"])
    return {"grads": grads, "loss": value}, jnp.sum(batch["weight"])


def update_fn(state, sums, count):
    mean = jax.tree.map(lambda x: x / count, sums)
    updates, opt_state = OPTIMIZER.update(mean["grads"], state["opt_state"])
    params = optax.apply_updates(state["params"], updates)
    ema_params = optax.incremental_update(params, state["ema_params"], 0.1)
    state = {"params": params, "ema_params": ema_params, "opt_state": opt_state, "step": state["step"] + 1}
    return state, {"loss": mean["loss"], "grad_norm": optax.tree.norm(mean["grads"])}


def solve():
    """The same training in float64, with gradients by hand: (kernel, losses, gradient norms)."""
    kernel, bias = np.ones((3, 2)), np.array([0.5, -0.5])
    losses, norms = [], []
    for step in range(STEPS):
        batch = make_batch(step)
        error = batch["x"] @ kernel + bias - batch["y"]
        grad = 2 * batch["x"].T @ (WEIGHTS[:, None] * error) / WEIGHTS.sum()
        losses.append(np.sum(WEIGHTS[:, None] * error**2) / WEIGHTS.sum())
        norms.append(np.linalg.norm(grad))
        kernel = kernel - 0.05 * grad
    return kernel, losses, norms


def train(engine, rows=slice(None)):
    """STEPS steps on these rows of each batch, every step waited for: (state, losses, gradient norms)."""
    state, frozen = engine.place(make_state()), engine.place(make_frozen())
    losses, norms = [], []
    for step in range(STEPS):
        batch = engine.shard({name: value[rows] for name, value in make_batch(step).items()})
        # Devices faked on few cores deadlock in their collectives when steps overlap.
        state, metrics = jax.block_until_ready(engine.step(state, frozen, batch))
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["grad_norm"]))
    return jax.device_get(state), losses, norms
