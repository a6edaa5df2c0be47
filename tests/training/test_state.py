"""The average of the parameters, and the state before the first update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicdiff.training.state import average, init_state


def init(key):
    return {"kernel": jax.random.normal(key, (3, 2)), "bias": jnp.zeros(2)}


def test_a_run_begins_at_its_initial_parameters():
    state = init_state(init, optax.adam(1e-3), jax.random.key(0))
    assert state.step == 0 and state.step.dtype == jnp.int32
    assert set(state.ema_params) == {"ema"}
    jax.tree.map(np.testing.assert_array_equal, state.params, state.ema_params["ema"])
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, optax.adam(1e-3).init(state.params))


def test_the_initial_parameters_are_those_of_the_key():
    first, again, other = (init_state(init, optax.sgd(1.0), jax.random.key(seed)).params for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["kernel"], again["kernel"])
    assert np.all(first["kernel"] != other["kernel"])


def test_no_two_leaves_share_memory():
    """The state is donated: a shared buffer would be given away twice."""
    state = init_state(init, optax.adam(1e-3), jax.random.key(0))
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(pointers)) == len(pointers)


@pytest.mark.parametrize("ema_max", [0.0, 0.5, 0.9999])
def test_the_average_by_hand(ema_max):
    """d = min(ema_max, (1 + i) / (10 + i)), in float64."""
    rng = np.random.default_rng(0)
    kept, expected = jnp.float32(2.0), 2.0
    for i in range(40):
        new = rng.normal()
        decay = min(ema_max, (1 + i) / (10 + i))
        expected = decay * expected + (1 - decay) * new
        kept = average({"x": kept}, {"x": jnp.float32(new)}, jnp.int32(i), ema_max)["x"]
        np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-6)


def test_without_memory_the_average_is_the_parameters():
    new = init(jax.random.key(1))
    kept = average(init(jax.random.key(0)), new, jnp.int32(5), 0.0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7), kept, new)


def test_the_average_stays_where_the_parameters_stay():
    params = init(jax.random.key(0))
    kept = average(params, params, jnp.int32(1000), 0.9999)
    jax.tree.map(np.testing.assert_array_equal, kept, params)
