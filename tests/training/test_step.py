"""One update: sums that do not depend on the pieces a batch is walked in, means by weight, and losses by level of noise."""

import functools
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import processes
import pytest

from musicdiff.training import step
from musicdiff.training.state import TrainState

WEIGHTS = np.float32([1, 1, 0, 1, 1, 0, 1, 1])


def loss(params, frozen, batch, keys, number):
    """A loss that depends on everything that it is given: parameters, frozen, data, conditions, the example's key and the step."""
    noise = jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)
    (tokens, mask), tempo = batch["cond"]["text"]["value"], batch["cond"]["tempo"]
    told = jnp.sum(tokens * mask[..., None], axis=1) + jnp.where(tempo["present"], tempo["value"], 7.0)[:, None]
    losses = jnp.sum((batch["x_0"] @ params["kernel"] + frozen["bias"] + noise + told) ** 2, axis=-1) + number
    log_snr = 12 * jnp.tanh(batch["x_0"][:, 0])
    return losses, {"log_snr": log_snr, "twice": 2 * losses}


MODEL = SimpleNamespace(loss=loss)
FROZEN = {"bias": jnp.array([0.5, -0.5, 0.25])}


def make_state(number=0):
    params = {"kernel": jax.random.normal(jax.random.key(0), (4, 3))}
    transform = optax.sgd(0.1)
    averages = {"ema": params, "0.05": params, "0.1": params}
    return TrainState(jnp.int32(number), params, averages, transform.init(params)), transform


def make_batch(rows=8):
    rng = np.random.default_rng(0)
    x_0, tokens, tempo = (rng.normal(size=(rows, *shape)).astype(np.float32) for shape in ((4,), (5, 3), ()))
    text = {"value": (tokens, rng.random((rows, 5)) < 0.5), "present": np.arange(rows) > 0}
    cond = {"text": text, "tempo": {"value": tempo, "present": np.arange(rows) % 3 > 0}}
    return {"x_0": x_0, "index": np.arange(rows) + 100, "weight": WEIGHTS[:rows], "cond": cond}


@functools.cache
def sums_of(pieces, seed=3):
    return jax.jit(step.gradient_sums(MODEL, seed=seed, pieces=pieces))


@pytest.mark.parametrize("pieces", [2, 4, 8])
def test_pieces_add_up_to_the_whole(pieces):
    state, _ = make_state()
    whole, pieced = (sums_of(n)(state, FROZEN, make_batch()) for n in (1, pieces))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), whole, pieced)


def test_sums_are_those_of_the_examples_alone():
    """One row at a time, by weight; a row of weight 0 counts for nothing."""
    state, _ = make_state()
    sums, count = sums_of(1)(state, FROZEN, make_batch())
    rows = [jax.tree.map(lambda x, i=i: x[i : i + 1], make_batch()) for i in range(8)]
    alone = [sums_of(1)(state, FROZEN, row) for row in rows]
    total = jax.tree.map(lambda *leaves: sum(leaves), *alone)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4), (sums, count), total)
    assert count == 6 and not np.any(alone[2][0]["grads"]["kernel"])


@pytest.mark.parametrize("change", ["seed", "step", "index"])
def test_noise_comes_from_seed_step_and_index(change):
    state, batch, seed = make_state()[0], make_batch(), 3
    before = sums_of(1)(state, FROZEN, batch)[0]["grads"]["kernel"]
    match change:
        case "seed":
            seed = 4
        case "step":
            state = state._replace(step=jnp.int32(1))
        case "index":
            batch = batch | {"index": batch["index"] + 8}
    assert np.all(sums_of(1, seed)(state, FROZEN, batch)[0]["grads"]["kernel"] != before)


def test_the_update_is_the_optimizers_on_the_mean():
    state, transform = make_state(7)
    sums, count = sums_of(1)(state, FROZEN, make_batch())
    after, metrics = jax.jit(step.update(transform, ema_max=0.5))(state, sums, count)
    mean = np.asarray(sums["grads"]["kernel"]) / 6
    params = np.asarray(state.params["kernel"]) - 0.1 * mean
    np.testing.assert_allclose(after.params["kernel"], params, rtol=1e-6)
    decay = min(0.5, 8 / 17)
    np.testing.assert_allclose(
        after.ema_params["ema"]["kernel"], decay * state.params["kernel"] + (1 - decay) * params, rtol=1e-5
    )
    for width, g in ((0.05, 16.97), (0.1, 6.94)):  # arXiv 2312.02696, section 3.1
        decay = (1 - 1 / 8) ** (g + 1)
        expected = decay * state.params["kernel"] + (1 - decay) * params
        np.testing.assert_allclose(after.ema_params[str(width)]["kernel"], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], np.linalg.norm(mean), rtol=1e-6)
    np.testing.assert_allclose(metrics["twice"], 2 * metrics["loss"], rtol=1e-6)
    assert after.step == 8


def test_losses_by_level_are_sums_to_be_divided_later():
    losses, log_snr = jnp.arange(1.0, 9.0), jnp.array([-11.0, -9.0, -9.0, -3.0, 0.0, 1.9, 9.0, 30.0])
    sums = step.metric_sums(losses, {"log_snr": log_snr}, WEIGHTS)
    # Edges -10, -6, -2, 2, 6, 10; weights 0 for the third and the sixth.
    np.testing.assert_allclose(sums["bucket_count"], [1, 1, 1, 1, 0, 1, 1])
    np.testing.assert_allclose(sums["bucket_loss"], [1, 2, 4, 5, 0, 7, 8])
    np.testing.assert_allclose(step.means(sums, 6.0)["bucket_loss"], sums["bucket_loss"])
    np.testing.assert_allclose(step.means(sums, 6.0)["loss"], 27 / 6)


def test_a_level_on_an_edge_is_in_one_bucket():
    edges = jnp.asarray(step.LOG_SNR_EDGES)
    sums = step.metric_sums(jnp.ones(6), {"log_snr": edges}, jnp.ones(6))
    assert sums["bucket_count"].sum() == 6


def test_parts_are_strided_so_that_devices_keep_their_rows():
    """Piece p of 2 holds rows p, p + 2, ...: of an axis sharded in blocks every device has its share of each."""
    seen = []

    def sums(piece):
        seen.append(piece["x"].shape)
        return {"first": piece["x"][0], "sum": piece["x"].sum()}

    total = step.accumulate(sums, {"x": jnp.arange(8.0)}, 2)
    assert total["first"] == 0 + 1 and total["sum"] == 28 and set(seen) == {(4,)}


def test_conditions_are_divided_over_devices():
    """With engines and micro-batches as training has them: every clip is told its own."""
    results = json.loads(processes.finish(processes.start("told.py"), seconds=120))
    expected = results.pop("pmap 1")
    assert len(results) == 5 and len(set(expected["losses"])) == 3
    for name, result in results.items():
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, err_msg=name), result, expected)
