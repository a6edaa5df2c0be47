"""What x_0 is: the autoencoder that a latent run's workdir keeps, and what a latent says of the mel behind it."""

import jax
import micro
import numpy as np
import pytest

from musicdiff import models, weights
from musicdiff.audio import circular
from musicdiff.errors import DataError
from musicdiff.representations import VAE_FILE


def test_a_workdir_without_its_autoencoder_is_named(tmp_path):
    model = models.build(micro.make_config("latent"))
    with pytest.raises(DataError, match=r"vae/vae\.safetensors is missing"):
        model.load_frozen(tmp_path)


def test_a_workdir_holds_its_autoencoder(tmp_path):
    model = models.build(micro.make_config("latent"))
    frozen = micro.randomise(lambda key: {k: v for k, v in model.init_frozen(key).items() if k != "vocoder"})
    (tmp_path / "vae").mkdir()
    weights.write_tree(tmp_path / VAE_FILE, frozen)
    loaded = model.load_frozen(tmp_path)
    assert jax.tree.structure(loaded) == jax.tree.structure(jax.eval_shape(model.init_frozen, jax.random.key(0)))
    for name in frozen:
        jax.tree.map(np.testing.assert_array_equal, loaded[name], frozen[name])


def test_latents_stand_for_the_same_audio():
    """f = 2: half the frames of twice the samples, half the bins; the U-Net's two levels ask for multiples of 2 latents, 4 mel frames."""
    mels, latents = (models.build(micro.make_config(name)).domain for name in ("mel", "latent"))
    assert (mels.shape, mels.samples_per_frame, mels.multiple, mels.x_0_range) == ((64, 16, 1), 64, 2, (-1, 1))
    assert (latents.shape, latents.samples_per_frame, latents.multiple, latents.x_0_range) == ((32, 8, 2), 128, 2, None)
    assert (latents.seconds, latents.sample_rate, latents.channels) == (mels.seconds, mels.sample_rate, mels.channels)


@pytest.mark.parametrize("name", ["mel", "latent", "vae"])
def test_a_clip_is_cut_as_long_as_the_domain(name):
    model = models.build(micro.make_config(name))
    assert model.clip_frames == model.domain.shape[0]


@pytest.mark.parametrize("name", ["mel", "latent", "waveform"])
def test_a_circle_is_of_as_many_samples_as_are_asked(name):
    model = models.build(micro.make_config(name))
    samples = model.clip_frames * model.domain.samples_per_frame - 37
    frozen = model.init_frozen(jax.random.key(0))
    x_0 = np.random.default_rng(0).uniform(-1, 1, (2, *model.domain.shape)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    audio = model.to_audio(frozen, x_0, keys, "circular", samples=samples)
    assert audio.shape == (2, samples, 1) and np.isfinite(audio).all()
    if name == "waveform":
        np.testing.assert_allclose(audio, circular.resample(x_0.astype(np.float64), samples), atol=1e-5)
