"""Held-out losses: fixed noise, means over real examples only, and by level of noise."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.training import held_out
from musicdiff.training.step import LOG_SNR_EDGES


def loss(params, frozen, batch, keys, number):
    noise = jax.vmap(lambda key: jax.random.normal(key))(keys)
    losses = params["scale"] * batch["x_0"][:, 0] + 0.1 * noise + frozen["shift"] + 0.0 * number
    return losses, {"log_snr": 20 * batch["x_0"][:, 0] - 10, "noise": noise}


MODEL = SimpleNamespace(loss=loss)
PARAMS, FROZEN = {"scale": jnp.float32(2)}, {"shift": jnp.float32(1)}


def batches(size, rows=10):
    """The same examples in batches of any size, the last one filled up with rows of weight 0."""
    x_0 = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    for start in range(0, rows, size):
        index = np.arange(start, start + size)
        weight = np.float32(index < rows)
        yield {"x_0": x_0[np.minimum(index, rows - 1)], "index": np.minimum(index, rows - 1), "weight": weight}


def evaluate(size=4, params=PARAMS, seed=0, engine="pmap"):
    return held_out.evaluator(MODEL, seed=seed, engine=engine)(params, FROZEN, 5, batches(size))


@pytest.mark.parametrize("size", [1, 3, 10])
def test_batches_do_not_matter(size):
    values = evaluate(4)
    other = evaluate(size)
    assert set(values) == set(other)
    np.testing.assert_allclose([other[name] for name in values], list(values.values()), rtol=1e-5)


def test_means_are_those_of_the_real_examples():
    values = evaluate()
    np.testing.assert_allclose(values["loss"], 2 * 0.5 + 0.1 * values["noise"] + 1, rtol=1e-5)


def test_two_evaluations_differ_by_their_weights_alone():
    assert evaluate() == evaluate()
    assert evaluate()["noise"] == evaluate(params={"scale": jnp.float32(3)})["noise"]
    assert evaluate()["noise"] != evaluate(seed=1)["noise"]


def test_both_engines_give_the_same():
    assert evaluate(engine="jit") == pytest.approx(evaluate(engine="pmap"), rel=1e-6)


def test_levels_are_averaged_apart():
    values = evaluate()
    found = {name: value for name, value in values.items() if name.startswith("loss_bucket/")}
    assert list(found) == [
        "loss_bucket/-inf_-10", "loss_bucket/-10_-6", "loss_bucket/-6_-2", "loss_bucket/-2_2", "loss_bucket/2_6", "loss_bucket/6_10",
    ]  # fmt: skip
    x_0 = np.linspace(0, 1, 10, dtype=np.float32)
    bucket = np.searchsorted(LOG_SNR_EDGES, 20 * x_0 - 10)
    counts = np.bincount(bucket, minlength=7)
    np.testing.assert_allclose(sum(counts[:6] * list(found.values())) / 10, values["loss"], rtol=1e-5)


def test_an_empty_bucket_is_left_out():
    assert held_out.buckets(np.array([0, 0, 0, 4, 0, 0, 3]), np.array([0, 0, 0, 2, 0, 0, 1])) == {
        "loss_bucket/-2_2": 2.0,
        "loss_bucket/10_inf": 3.0,
    }
