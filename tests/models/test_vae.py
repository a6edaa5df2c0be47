"""The autoencoder's loss: its parts by hand, and a discriminator that neither moves nor is moved when it should not."""

import functools

import jax
import jax.numpy as jnp
import micro
import numpy as np
import optax
import pytest

from musicdiff import models
from musicdiff.errors import UsageError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.training import loop, step
from musicdiff.training.state import TrainState

START, WEIGHT, KL = 3, 0.25, 0.125


def make_config(**mel):
    config = micro.make_config("vae")
    critic = {"channels": (8, 16), "groups": 4}
    config["model"] |= {
        "kl_weight": KL,
        "adversarial_weight": WEIGHT,
        "adversarial_start": START,
        "discriminator": critic,
    }
    config["mel"] |= mel
    return config


@functools.cache
def built():
    model = models.build(make_config())
    return model, micro.randomise(model.init)


def make_batch(rows=3):
    x_0 = np.random.default_rng(0).uniform(-1, 1, (rows, 32, 16, 1)).astype(np.float32)
    return {"x_0": x_0, "index": np.arange(rows), "weight": np.ones(rows, np.float32)}


KEYS = jax.vmap(jax.random.key)(np.arange(3))


@functools.cache
def compiled_loss():
    model, _ = built()
    return micro.jit(lambda params, number: model.loss(params, {}, make_batch(), KEYS, number))


def test_the_loss_is_the_sum_of_its_parts():
    _, params = built()
    for number, active in ((0, 0), (START - 1, 0), (START, 1), (START + 5, 1)):
        losses, parts = compiled_loss()(params, number)
        adversarial = WEIGHT * parts["generator"] + parts["discriminator"]
        np.testing.assert_allclose(losses, parts["l1"] + KL * parts["kl"] + active * adversarial, rtol=1e-6)


def test_the_divergence_is_that_of_a_gaussian():
    """KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s, in float64; the error in dB is the mel's 80 over its range of 2."""
    _, params = built()
    autoencoder = Autoencoder(in_channels=1, **make_config()["network"])
    encode = micro.jit(functools.partial(autoencoder.apply, method="encode"))
    mean, log_var = encode({"params": params["autoencoder"]}, make_batch()["x_0"])
    mean, deviation = np.float64(mean), np.exp(0.5 * np.float64(log_var))
    expected = np.mean((mean**2 + deviation**2 - 1) / 2 - np.log(deviation), axis=(1, 2, 3))
    _, parts = compiled_loss()(params, 0)
    np.testing.assert_allclose(parts["kl"], expected, rtol=1e-4)
    np.testing.assert_allclose(parts["error_db"], 40 * parts["l1"], rtol=1e-6)


def test_each_side_sees_the_other_as_it_is():
    """Gradients of one side's loss by the other side's parameters are zeros; by its own they are not."""
    model, params = built()

    def sums(params):
        _, parts = model.loss(params, {}, make_batch(), KEYS, START)
        return jnp.stack([jnp.sum(parts["generator"]), jnp.sum(parts["discriminator"])])

    jacobian = micro.jit(jax.jacrev(sums))(params)
    for row, (mine, other) in enumerate([("autoencoder", "discriminator"), ("discriminator", "autoencoder")]):
        assert all(not np.any(leaf[row]) for leaf in jax.tree.leaves(jacobian[other]))
        assert any(np.any(leaf[row]) for leaf in jax.tree.leaves(jacobian[mine]))


def test_the_discriminator_waits_for_its_step_and_then_moves():
    """Bit for bit, weight decay or not; the autoencoder moves meanwhile."""
    model, params = built()
    optim = make_config()["optim"] | {"weight_decay": 0.1, "warmup_steps": 0}
    assert model.held_until == {"discriminator": START}
    transform = loop.make_optimizer(model, optim)
    update = micro.jit(step.update(transform, ema_max=0.9))
    sums_of = micro.jit(step.gradient_sums(model, seed=0, pieces=1))
    state = TrainState(jnp.int32(0), params, {"ema": params}, transform.init(params))
    for number in range(START + 2):
        before = state.params
        state, _ = update(state, *sums_of(state, {}, make_batch()))
        same = {
            name: jax.tree.all(jax.tree.map(np.array_equal, state.params[name], before[name])) for name in state.params
        }
        assert same == {"autoencoder": False, "discriminator": number < START}, number


def test_without_weight_there_is_no_discriminator():
    model = models.build(micro.make_config("vae"))
    assert model.held_until == {} and set(jax.eval_shape(model.init, jax.random.key(0))) == {"autoencoder"}


def test_stereo_has_a_stereo_discriminator():
    model = models.build(make_config(channels=2))
    kernel = jax.eval_shape(model.init, jax.random.key(0))["discriminator"]["conv_0"]["kernel"]
    assert kernel.shape[2] == 2


def test_the_optimizer_of_each_side_is_its_own():
    """A discriminator's huge gradient does not shrink the autoencoder's step by the global norm."""
    model, params = built()
    transform = loop.make_optimizer(model, make_config()["optim"] | {"warmup_steps": 0})
    small = jax.tree.map(lambda leaf: np.full_like(leaf, 1e-3), params)
    huge = {**small, "discriminator": jax.tree.map(lambda leaf: np.full_like(leaf, 1e6), params["discriminator"])}
    first_updates = micro.jit(lambda grads: transform.update(grads, transform.init(params), params)[0])
    updates = [first_updates(grads)["autoencoder"] for grads in (small, huge)]
    assert jax.tree.all(jax.tree.map(np.array_equal, *updates)) and optax.tree.norm(updates[0]) > 0


@pytest.mark.parametrize(
    ("section", "key", "size", "nearest"),
    [("model", "frames", 33, 32), ("mel", "num_mels", 15, 16), ("model", "frames", 0, 2)],
)
def test_sizes_that_do_not_divide_are_named(section, key, size, nearest):
    config = make_config()
    config[section] |= {key: size}
    message = f"config.{section}.{key}={size} is not a multiple of 2, as the network asks; the nearest is {nearest}"
    with pytest.raises(UsageError, match=f"^{message}$"):
        models.build(config)


@pytest.mark.parametrize(
    ("section", "change", "what"),
    [
        ("network", {"chanels": 8}, "network has no option 'chanels'"),
        ("model", {"kl_wait": 1}, "model has no option 'kl_wait'"),
        ("model", {"discriminator": {"channel": 1}}, "model.discriminator has no option 'channel'"),
        ("model", {"frames": 33}, "model.frames=33"),
    ],
)
def test_trained_on_the_way_it_is_called_as_the_user_calls_it(section, change, what):
    config = make_config()
    config[section] |= change
    with pytest.raises(UsageError, match=f"^config.vae.{what}"):
        models.build(config, where="config.vae")
