"""The averages of the parameters, and the state before the first update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicdiff import averages
from musicdiff.training.state import EMA, average, init_state, snapshot


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


def test_more_averages_begin_there_too():
    state = init_state(init, optax.adam(1e-3), jax.random.key(0), (0.05, 0.1))
    assert set(state.ema_params) == {"ema", "0.05", "0.1"}
    for kept in state.ema_params.values():
        jax.tree.map(np.testing.assert_array_equal, state.params, kept)
    assert set(snapshot(state)) == {0.05, 0.1}
    assert snapshot(state)[0.1] is state.ema_params["0.1"]


def test_no_two_leaves_share_memory():
    """The state is donated: a shared buffer would be given away twice."""
    state = init_state(init, optax.adam(1e-3), jax.random.key(0), (0.05, 0.1))
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(pointers)) == len(pointers)


def advance(kept, new, step, ema_max):
    """The average of the profile that a run samples with."""
    return average({EMA: kept}, new, jnp.int32(step), ema_max)[EMA]


@pytest.mark.parametrize("ema_max", [0.0, 0.5, 0.9999])
def test_the_average_by_hand(ema_max):
    """d = min(ema_max, (1 + i) / (10 + i)), in float64."""
    rng = np.random.default_rng(0)
    kept, expected = jnp.float32(2.0), 2.0
    for i in range(40):
        new = rng.normal()
        decay = min(ema_max, (1 + i) / (10 + i))
        expected = decay * expected + (1 - decay) * new
        kept = advance({"x": kept}, {"x": jnp.float32(new)}, i, ema_max)["x"]
        np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-6)


def test_power_function_averages_by_hand():
    """Each profile by its own weights, tau^g dtau over the steps, the initial parameters none: tests/test_averages.py has the rest."""
    rng = np.random.default_rng(0)
    path = rng.normal(size=30)
    kept = {EMA: jnp.float32(0), "0.05": jnp.float32(7), "0.1": jnp.float32(-7)}
    for i, theta in enumerate(path):
        kept = average(kept, jnp.float32(theta), jnp.int32(i), 0.9)
    for width in (0.05, 0.1):
        weights = np.diff((np.arange(31) / 30) ** (averages.exponent(width) + 1))
        np.testing.assert_allclose(kept[str(width)], weights @ path, rtol=1e-5)


def test_without_memory_the_average_is_the_parameters():
    new = init(jax.random.key(1))
    kept = advance(init(jax.random.key(0)), new, 5, 0.0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7), kept, new)


def test_the_average_stays_where_the_parameters_stay():
    params = init(jax.random.key(0))
    kept = advance(params, params, 1000, 0.9999)
    jax.tree.map(np.testing.assert_array_equal, kept, params)
