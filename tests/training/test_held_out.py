"""Held-out losses: fixed noise, means over real examples only, and by level of noise."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import data
from musicdiff.training import held_out
from musicdiff.training.step import LOG_SNR_EDGES


def loss(params, frozen, batch, keys, number):
    noise = jax.vmap(lambda key: jax.random.normal(key))(keys)
    losses = params["scale"] * batch["x_0"][:, 0] + 0.1 * noise + frozen["shift"] + 0.0 * number
    told = batch["cond"]["tempo"]["value"] * batch["cond"]["tempo"]["present"]
    return losses, {"log_snr": 20 * batch["x_0"][:, 0] - 10, "noise": noise, "told": told}


def tell(tracks):
    """Every other track tells its number."""
    return {"cond": {"tempo": {"value": np.float32(tracks), "present": tracks % 2 > 0}}}


MODEL = SimpleNamespace(loss=loss)
PARAMS, FROZEN = {"scale": jnp.float32(2)}, {"shift": jnp.float32(1)}


def batches(size, rows=10):
    """The same examples in batches of any size, the last one filled up with rows of weight 0."""
    x_0 = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    for start in range(0, rows, size):
        index = np.arange(start, start + size)
        weight = np.float32(index < rows)
        index = np.minimum(index, rows - 1)
        yield {"x_0": x_0[index], "index": index, "weight": weight, **tell(index)}


def evaluate(size=4, params=PARAMS, seed=0, engine="pmap"):
    return held_out.evaluator(MODEL, seed=seed, engine=engine)(params, FROZEN, batches(size))


@pytest.mark.parametrize("size", [1, 3, 10, 16])
def test_batches_do_not_matter(size):
    """Nor do rows of weight 0, even where they are more than a batch's real ones."""
    values = evaluate(4)
    other = evaluate(size)
    assert set(values) == set(other)
    np.testing.assert_allclose([other[name] for name in values], list(values.values()), rtol=1e-5)


def test_means_are_those_of_the_real_examples():
    values = evaluate()
    np.testing.assert_allclose(values["loss"], 2 * 0.5 + 0.1 * values["noise"] + 1, rtol=1e-5)
    assert values["told"] == (1 + 3 + 5 + 7 + 9) / 10  # each clip by what its own track tells


def test_two_evaluations_differ_by_their_weights_alone():
    assert evaluate() == evaluate()
    assert evaluate()["noise"] == evaluate(params={"scale": jnp.float32(3)})["noise"]
    assert evaluate()["noise"] != evaluate(seed=1)["noise"]


def test_a_clip_has_a_noise_of_its_own_wherever_it_stands():
    """Also where all held-out clips are fewer than a batch: the rows that fill it repeat the last clip, index and all, and do not count."""
    lengths = np.array([40, 8, 3])  # 5 + 1 + 1 clips of 8 frames
    kept = np.float32([0, 1, 2])
    records = SimpleNamespace(
        array=lambda track, start, end: np.full(min(end, lengths[track]) - start, kept[track]), unit=np.float32(1)
    )
    split = SimpleNamespace(feature="mel", frames=lengths, silence=np.float32(-1), records=records)
    evaluate = held_out.evaluator(MODEL, seed=0, engine="pmap")

    def noise(size):
        """Of each clip, seen through batches in which it alone counts."""
        found = {}
        for batch in data.held_out(split, feature="mel", frames=8, batch_size=size, describe=tell):
            for row in np.flatnonzero(batch["weight"]):
                alone = batch | {"weight": np.float32(np.arange(size) == row)}
                found[int(batch["index"][row])] = evaluate(PARAMS, FROZEN, [alone])["noise"]
        return found

    (batch,) = data.held_out(split, feature="mel", frames=8, batch_size=12, describe=tell)
    assert batch["weight"].tolist() == [1] * 7 + [0] * 5 and set(batch["index"][7:]) == {batch["index"][6]}
    assert len(set(noise(12).values())) == 7
    assert noise(12) == noise(3) == noise(1)
    assert evaluate(PARAMS, FROZEN, [batch])["noise"] == pytest.approx(np.mean(list(noise(1).values())), rel=1e-6)


def test_what_begins_later_is_no_part_of_the_loss():
    """A patch-GAN that a loss takes in at some step, even the first, would make evaluations before and after incomparable."""
    model = SimpleNamespace(
        loss=lambda params, frozen, batch, keys, step: (batch["x_0"][:, 0] + 100.0 * (step >= 0), {})
    )
    assert held_out.evaluator(model, seed=0, engine="pmap")({}, {}, batches(4))["loss"] == pytest.approx(0.5)


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
