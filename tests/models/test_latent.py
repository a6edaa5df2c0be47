"""The latent model: latents of whole tracks in windows, and the autoencoder that a workdir keeps."""

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import models, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.models import latent

NETWORK = {"latent_channels": 2, "patch": 2, "channels": (8, 16), "num_res_blocks": 1, "groups": 4, "attention": False}


class Blur:
    """An autoencoder without normalisation: a latent is the weighted mean of the mel from 5 frames before to 5 frames after its own 4."""

    multiple, reach = (4, 4), 5

    def __init__(self, **network):
        pass

    def apply(self, params, x, method):
        taps = np.linspace(1, 2, 4 + 2 * self.reach, dtype=np.float32)
        x = x.reshape(*x.shape[:2], -1, 4, x.shape[-1]).mean(3)  # [B, T, F / 4, C]
        x = jnp.pad(x, ((0, 0), (self.reach, self.reach), (0, 0), (0, 0)))
        starts = range(0, x.shape[1] - 2 * self.reach, 4)
        windows = [sum(tap * x[:, start + i] for i, tap in enumerate(taps)) for start in starts]
        return jnp.stack(windows, axis=1), None


@pytest.mark.parametrize("length", [1, 47, 48, 96, 97, 200])
def test_windows_leave_no_seam(monkeypatch, length):
    """A track in windows is the whole track at once, between silences as wide as the margin."""
    monkeypatch.setattr(latent, "Autoencoder", Blur)
    window, margin = 64, 8
    mel = np.random.default_rng(length).uniform(-1, 1, (length, 8, 1)).astype(np.float32)
    z = latent.track_encoder(NETWORK, {}, channels=1, window=window, margin=margin)(mel)
    padded = max(length, window)
    assert z.shape == (-(-padded // 4), 2, 1)
    whole = np.pad(mel, ((margin, margin + -length % 4 + max(0, window - length)), (0, 0), (0, 0)), constant_values=-1)
    whole = whole[: len(whole) // 4 * 4]
    expected = np.asarray(Blur().apply({}, whole[None], "encode")[0])[0, margin // 4 :]
    np.testing.assert_allclose(z, expected[: len(z)], rtol=1e-5)


@pytest.fixture(scope="module")
def params():
    autoencoder = latent.Autoencoder(in_channels=1, **NETWORK)
    return micro.randomise(lambda key: autoencoder.init(key, jnp.zeros((1, 64, 16, 1)))["params"])


def test_one_window_is_what_the_autoencoder_says(params):
    """With a real autoencoder, whose norms see the whole window: the middle of the window around a track that fills it."""
    mel = np.random.default_rng(0).uniform(-1, 1, (96, 16, 1)).astype(np.float32)
    z = latent.track_encoder(NETWORK, params, channels=1, window=128, margin=16)(mel)
    window = np.pad(mel, ((16, 16), (0, 0), (0, 0)), constant_values=-1)
    autoencoder = latent.Autoencoder(in_channels=1, **NETWORK)
    mean, _ = jax.jit(lambda x: autoencoder.apply({"params": params}, x, method="encode"))(window[None])
    assert z.shape == (32, 4, 2)
    np.testing.assert_allclose(z[:24], mean[0, 4:28], atol=1e-5)


def test_a_short_track_goes_on_in_silence(params):
    encode = latent.track_encoder(NETWORK, params, channels=1, window=128, margin=16)
    mel = np.random.default_rng(0).uniform(-1, 1, (21, 16, 1)).astype(np.float32)
    silent = np.pad(mel, ((0, 107), (0, 0), (0, 0)), constant_values=-1)
    np.testing.assert_array_equal(encode(mel), encode(silent))


def test_a_workdir_without_its_autoencoder_is_named(tmp_path):
    model = models.build(micro.make_config("latent"))
    with pytest.raises(DataError, match=r"vae/vae\.safetensors is missing"):
        model.load_frozen(tmp_path)


def test_a_workdir_holds_its_autoencoder(tmp_path):
    model = models.build(micro.make_config("latent"))
    frozen = micro.randomise(lambda key: {k: v for k, v in model.init_frozen(key).items() if k != "vocoder"})
    (tmp_path / "vae").mkdir()
    weights.write_tree(tmp_path / latent.VAE_FILE, frozen)
    loaded = model.load_frozen(tmp_path)
    assert jax.tree.structure(loaded) == jax.tree.structure(jax.eval_shape(model.init_frozen, jax.random.key(0)))
    for name in frozen:
        jax.tree.map(np.testing.assert_array_equal, loaded[name], frozen[name])


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("model", {"frames": 65}, r"config\.model\.frames gives a mel side of 65"),
        ("mel", {"num_mels": 15}, r"config\.mel\.num_mels gives a mel side of 15"),
        ("model", {"frames": 66}, r"config\.model\.frames gives the U-Net a side of 33, not a multiple of 2"),
    ],
)
def test_sizes_that_do_not_divide_are_named(section, change, words):
    config = micro.make_config("latent")
    config[section] |= change
    with pytest.raises(UsageError, match=words):
        models.build(config)
