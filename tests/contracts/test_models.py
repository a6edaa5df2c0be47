"""The contract of every file of models/: typing.Model."""

import functools

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import models, plugins
from musicdiff.audio.mel import MelSpec
from musicdiff.data import records
from musicdiff.typing import Model

NAMES = [*plugins.names("models"), "text"]  # a mel model with conditions
GENERATING = [name for name in NAMES if name != "vae"]
LEVELS = np.float32([-12.0, 0.3, 7.0])
every_model = pytest.mark.parametrize("name", NAMES)
every_generating_model = pytest.mark.parametrize("name", GENERATING)


@functools.cache
def built(name):
    """A model with its parameters and frozen arrays, random but for the vocoder's."""
    config = micro.make_config(name, *([micro.CLASSES] if name == "text" else []))
    model = models.build(config)
    frozen = micro.randomise(model.init_frozen, seed=1)
    if "vocoder" in config:
        frozen["vocoder"] = plugins.load("vocoders", config["vocoder"]["name"]).load(MelSpec(**config["mel"]))
    return model, micro.randomise(model.init), frozen


@functools.cache
def loss(name):
    return micro.jit(built(name)[0].loss)


@functools.cache
def denoise(name, padding="zeros"):
    model, _, _ = built(name)
    return micro.jit(
        lambda params, frozen, x, level, cond={}: model.denoise_fn(params, frozen, padding)(x, level, cond)
    )


def random(shape, seed=0, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def make_batch(model, rows):
    """(batch, keys) of these rows of an endless list of examples."""
    shape = (model.clip_frames, *model.domain.shape[1:])
    batch = {"x_0": np.stack([random(shape, row) for row in rows]), "index": np.int32(rows)}
    if model.conditions:
        batch["cond"] = micro.make_cond(model, rows)
    return batch, jax.vmap(jax.random.key)(np.int32(rows))


def make_audio(model):
    """Two clips of noise, of the domain's own length."""
    domain = model.domain
    return random((2, domain.shape[0] * domain.samples_per_frame, domain.channels), low=-0.5, high=0.5)


@every_model
def test_what_is_said_of_it_holds_together(name):
    model, params, frozen = built(name)
    assert isinstance(model, Model)
    assert (frozen == {}) == (name == "waveform")
    assert model.feature in records.FEATURES
    assert model.domain.shape[0] % model.domain.multiple == 0
    assert set(model.held_until) <= set(params)
    assert (model.denoise_fn is None) == (model.schedule is None) == (name == "vae")
    assert not model.flow_map  # as they are configured by default
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


@every_model
def test_a_loss_an_example(name):
    model, params, frozen = built(name)
    losses, metrics = loss(name)(params, frozen, *make_batch(model, [0, 1, 2]), 0)
    assert losses.shape == (3,) and np.isfinite(losses).all()
    assert len(np.unique(losses)) == 3
    for values in metrics.values():
        assert values.shape == (3,) and np.isfinite(values).all()


@every_model
def test_an_example_has_its_loss_in_any_batch(name):
    model, params, frozen = built(name)
    together, metrics = loss(name)(params, frozen, *make_batch(model, [0, 1, 2]), 0)
    turned, _ = loss(name)(params, frozen, *make_batch(model, [2, 0, 1]), 0)
    np.testing.assert_allclose(turned, together[np.array([2, 0, 1])], rtol=1e-6)
    alone = [loss(name)(params, frozen, *make_batch(model, [row]), 0) for row in range(3)]
    np.testing.assert_allclose([one[0][0] for one in alone], together, rtol=1e-5)
    for key, values in metrics.items():
        np.testing.assert_allclose([one[1][key][0] for one in alone], values, rtol=1e-5, atol=1e-6)


@every_model
def test_all_randomness_is_in_the_keys(name):
    model, params, frozen = built(name)
    batch, keys = make_batch(model, [0, 1, 2])
    first, again = (loss(name)(params, frozen, batch, keys, 0)[0] for _ in range(2))
    other = loss(name)(params, frozen, batch, jax.vmap(jax.random.key)(np.int32([7, 8, 9])), 0)[0]
    np.testing.assert_array_equal(first, again)
    assert np.all(first != other)


@every_model
def test_every_parameter_is_trained(name):
    model, params, frozen = built(name)
    batch, keys = make_batch(model, range(9))  # enough that each condition is told, for some are dropped
    grads = micro.jit(jax.grad(lambda params: jnp.sum(model.loss(params, frozen, batch, keys, 0)[0])))(params)
    still = [
        jax.tree_util.keystr(path) for path, leaf in jax.tree_util.tree_leaves_with_path(grads) if not np.any(leaf)
    ]
    assert not still


@every_generating_model
@pytest.mark.parametrize("each", [True, False], ids=["a level each", "one level"])
def test_predictions_make_up_what_they_were_given(name, each):
    """x_t = alpha x_0 + sigma eps, in float64 from the float32 predictions."""
    model, params, frozen = built(name)
    x_t = np.random.default_rng(0).normal(size=(3, *model.domain.shape)).astype(np.float32)
    for level in [LEVELS] if each else LEVELS:
        x_0, eps = denoise(name)(params, frozen, x_t, level)
        snr = np.exp(np.float64(level)).reshape(-1, *[1] * (x_t.ndim - 1))
        alpha, sigma = np.sqrt(snr / (1 + snr)), np.sqrt(1 / (1 + snr))
        np.testing.assert_allclose(alpha * np.float64(x_0) + sigma * np.float64(eps), x_t, atol=1e-5)


@every_generating_model
def test_the_denoiser_reads_the_level_and_its_own_example(name):
    model, params, frozen = built(name)
    x_t = np.random.default_rng(0).normal(size=(3, *model.domain.shape)).astype(np.float32)
    together = denoise(name)(params, frozen, x_t, LEVELS).x_0
    for row, level in enumerate(LEVELS):
        same = denoise(name)(params, frozen, np.repeat(x_t[row : row + 1], 3, axis=0), np.repeat(level, 3)).x_0
        np.testing.assert_allclose(same[1], together[row], atol=1e-5)
    assert not np.allclose(denoise(name)(params, frozen, x_t, LEVELS[::-1]).x_0[1:], together[1:], atol=1e-3)


@every_generating_model
def test_a_loop_may_begin_anywhere(name):
    """With padding 'circular' a shift by `multiple` is a shift of the result; with zeros the ends differ."""
    model, params, frozen = built(name)
    x_t = np.random.default_rng(0).normal(size=(3, *model.domain.shape)).astype(np.float32)
    shift = 3 * model.domain.multiple
    for padding, holds in (("circular", True), ("zeros", False)):
        straight = denoise(name, padding)(params, frozen, x_t, LEVELS).eps
        turned = denoise(name, padding)(params, frozen, np.roll(x_t, shift, axis=1), LEVELS).eps
        assert np.allclose(np.roll(straight, shift, axis=1), turned, atol=1e-4) == holds


@every_generating_model
def test_the_mel_of_a_loop_may_begin_anywhere(name):
    model, _, frozen = built(name)
    x_0 = random((2, *model.domain.shape), low=-3, high=3)
    to_mel = micro.jit(functools.partial(model.to_mel, padding="circular"))
    straight, turned = to_mel(frozen, x_0), to_mel(frozen, np.roll(x_0, model.domain.multiple, axis=1))
    frames = model.domain.multiple * straight.shape[1] // x_0.shape[1]
    np.testing.assert_allclose(np.roll(straight, frames, axis=1), turned, atol=1e-5)


@every_generating_model
def test_any_multiple_of_frames_is_taken(name):
    model, params, frozen = built(name)
    shape = (1, 3 * model.domain.multiple, *model.domain.shape[1:])
    x_0, eps = jax.eval_shape(denoise(name), params, frozen, jax.ShapeDtypeStruct(shape, jnp.float32), jnp.float32(0.0))
    assert x_0.shape == eps.shape == shape


@every_model
def test_from_audio_to_representation_and_to_a_mel(name):
    model, params, frozen = built(name)
    audio = make_audio(model)
    x_0 = micro.jit(model.encode)(frozen, audio)
    assert x_0.shape == (2, *model.domain.shape)
    mel = MelSpec(**micro.make_config(name)["mel"])
    log_mel = micro.jit(model.to_mel)(frozen, x_0)
    assert log_mel.shape == (2, mel.num_frames(audio.shape[1]), mel.num_mels, mel.channels)
    assert np.abs(log_mel).max() <= 1
    batch, _ = make_batch(model, [0, 1])
    assert micro.jit(model.reconstruct)(params, frozen, batch["x_0"]).shape == x_0.shape
    if model.domain.x_0_range:
        assert model.domain.x_0_range[0] <= np.min(x_0) and np.max(x_0) <= model.domain.x_0_range[1]


@every_model
def test_audio_has_the_length_and_channels_of_the_domain(name):
    model, _, frozen = built(name)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    x_0 = jax.ShapeDtypeStruct((2, *model.domain.shape), jnp.float32)
    audio = jax.eval_shape(model.to_audio, frozen, x_0, keys)
    assert audio.shape == (2, model.domain.shape[0] * model.domain.samples_per_frame, model.domain.channels)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "waveform"])  # which has nothing frozen
def test_frozen_is_an_argument(name):
    """Other frozen arrays are heard, in the very program compiled for the first ones."""
    model, _, frozen = built(name)
    traced = []

    def to_audio(frozen, x_0, keys):
        traced.append(name)
        return model.to_audio(frozen, x_0, keys)

    compiled = micro.jit(to_audio)
    x_0, keys = random((1, *model.domain.shape)), jax.random.split(jax.random.key(0), 1)
    for entry in frozen:
        other = {**frozen, entry: jax.tree.map(lambda leaf: 0.5 * leaf, frozen[entry])}
        assert not np.allclose(compiled(frozen, x_0, keys), compiled(other, x_0, keys), atol=1e-3), entry
    assert len(traced) == 1


def test_the_latents_are_normalised():
    """(z - mean) / std on the way in, z = x_0 std + mean on the way out."""
    model, params, frozen = built("latent")
    audio = make_audio(model)
    mean, std = np.float32([0.5, -1.0]), np.float32([2.0, 0.25])
    other = {**frozen, "latent_mean": mean, "latent_std": std}
    plain = {**frozen, "latent_mean": np.zeros(2, np.float32), "latent_std": np.ones(2, np.float32)}
    z = micro.jit(model.encode)(plain, audio)
    x_0 = micro.jit(model.encode)(other, audio)
    np.testing.assert_allclose(x_0, (z - mean) / std, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(params, other, z), x_0, atol=1e-5)  # tracks hold z
    np.testing.assert_allclose(micro.jit(model.to_mel)(other, x_0), micro.jit(model.to_mel)(plain, z), atol=1e-5)
