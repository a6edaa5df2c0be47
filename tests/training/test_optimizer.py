"""AdamW by hand: its schedule, its decay, its clipping, and what holds parameters still."""

import jax.numpy as jnp
import numpy as np
import optax

from musicdiff.training import optimizer

SETTINGS = {
    "learning_rate": 1e-2, "warmup_steps": 4, "decay_steps": 20, "b1": 0.9, "b2": 0.99, "weight_decay": 0.0,
    "clip_norm": 1e9, "held_until": {},
}  # fmt: skip


def updates(steps, params=None, grads=None, **changes):
    """The parameters after each of so many updates with the same gradients."""
    params = params or {"a": jnp.array([1.0, -2.0])}
    transform = optimizer.build(**{**SETTINGS, **changes})
    state, history = transform.init(params), []
    for _ in range(steps):
        change, state = transform.update(grads or {name: jnp.ones_like(x) for name, x in params.items()}, state, params)
        params = optax.apply_updates(params, change)
        history.append(params)
    return history


def test_the_learning_rate_rises_falls_and_ends():
    rate = optimizer.learning_rate_schedule(1e-4, 500, 40_000)
    assert rate(0) == 0
    np.testing.assert_allclose([rate(1), rate(250), rate(500)], [2e-7, 5e-5, 1e-4], rtol=1e-4)
    middle = 500 + (40_000 - 500) / 2
    np.testing.assert_allclose(rate(middle), 5e-5, rtol=1e-5)
    np.testing.assert_allclose(rate(500 + 39_500 / 4), 1e-4 * (0.5 + 0.5 * np.cos(np.pi / 4)), rtol=1e-5)
    np.testing.assert_allclose([rate(40_000), rate(50_000)], 0, atol=1e-12)


def test_adam_moves_by_the_learning_rate():
    """With constant gradients the corrected moments are the gradient: each update is -rate sign(g)."""
    rate = optimizer.learning_rate_schedule(1e-2, 4, 20)
    expected = 1.0 - np.cumsum([float(rate(i)) for i in range(8)])
    np.testing.assert_allclose([params["a"][0] for params in updates(8)], expected, rtol=1e-5)


def test_weights_decay_by_themselves():
    """Decoupled: p <- p (1 - rate decay), whatever the moments (arXiv 1711.05101)."""
    zeros = {"a": jnp.zeros(2)}
    last = updates(6, grads=zeros, weight_decay=0.5)[-1]["a"]
    rate = optimizer.learning_rate_schedule(1e-2, 4, 20)
    np.testing.assert_allclose(
        last, np.array([1.0, -2.0]) * np.prod([1 - 0.5 * float(rate(i)) for i in range(6)]), rtol=1e-6
    )


def test_gradients_are_clipped_together():
    """A gradient of norm 5 counts as one of norm 1: seen in Adam's first moment."""
    transform = optimizer.build(**{**SETTINGS, "clip_norm": 1.0})
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    _, state = transform.update({"a": jnp.array([3.0]), "b": jnp.array([4.0])}, transform.init(params), params)
    moments = optax.tree.get(state, "mu")
    np.testing.assert_allclose([moments["a"][0], moments["b"][0]], [0.1 * 0.6, 0.1 * 0.8], rtol=1e-5)


def test_what_is_held_moves_from_its_step_on():
    params = {"free": jnp.ones(2), "held": jnp.ones(2)}
    history = updates(6, params, held_until={"held": 3}, weight_decay=0.5, warmup_steps=0)
    for number, after in enumerate(history):
        assert np.all(after["free"] != 1)
        assert np.all(after["held"] == 1) == (number < 3), number


def test_what_is_free_moves_as_if_nothing_were_held():
    alone = updates(5, {"free": jnp.ones(2)})
    beside = updates(5, {"free": jnp.ones(2), "held": jnp.ones(2)}, held_until={"held": 2})
    for one, two in zip(alone, beside):
        np.testing.assert_array_equal(one["free"], two["free"])
