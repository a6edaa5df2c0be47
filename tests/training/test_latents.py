"""From mels to latents: whole tracks in windows, their statistics, and an autoencoder that fits."""

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import facts, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.training import latents

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
    monkeypatch.setattr(latents, "Autoencoder", Blur)
    window, margin = 64, 8
    mel = np.random.default_rng(length).uniform(-1, 1, (length, 8, 1)).astype(np.float32)
    z = latents.track_encoder(NETWORK, {}, channels=1, window=window, margin=margin)(mel)
    padded = max(length, window)
    assert z.shape == (-(-padded // 4), 2, 1)
    whole = np.pad(mel, ((margin, margin + -length % 4 + max(0, window - length)), (0, 0), (0, 0)), constant_values=-1)
    whole = whole[: len(whole) // 4 * 4]
    expected = np.asarray(Blur().apply({}, whole[None], "encode")[0])[0, margin // 4 :]
    np.testing.assert_allclose(z, expected[: len(z)], rtol=1e-5)


@pytest.fixture(scope="module")
def params():
    autoencoder = Autoencoder(in_channels=1, **NETWORK)
    return micro.randomise(lambda key: autoencoder.init(key, jnp.zeros((1, 64, 16, 1)))["params"])


def test_one_window_is_what_the_autoencoder_says(params):
    """With a real autoencoder, whose norms see the whole window: the middle of the window around a track that fills it."""
    mel = np.random.default_rng(0).uniform(-1, 1, (96, 16, 1)).astype(np.float32)
    z = latents.track_encoder(NETWORK, params, channels=1, window=128, margin=16)(mel)
    window = np.pad(mel, ((16, 16), (0, 0), (0, 0)), constant_values=-1)
    autoencoder = Autoencoder(in_channels=1, **NETWORK)
    mean, _ = jax.jit(lambda x: autoencoder.apply({"params": params}, x, method="encode"))(window[None])
    assert z.shape == (32, 4, 2)
    np.testing.assert_allclose(z[:24], mean[0, 4:28], atol=1e-5)


def test_a_short_track_goes_on_in_silence(params):
    encode = latents.track_encoder(NETWORK, params, channels=1, window=128, margin=16)
    mel = np.random.default_rng(0).uniform(-1, 1, (21, 16, 1)).astype(np.float32)
    silent = np.pad(mel, ((0, 107), (0, 0), (0, 0)), constant_values=-1)
    np.testing.assert_array_equal(encode(mel), encode(silent))


class Split:
    """Three tracks of latents, of different lengths; the second channel never moves."""

    silence = np.zeros((4, 2), np.float32)

    def __len__(self):
        return 3

    def __getitem__(self, ids):
        draw = (np.random.default_rng(i).normal((1.0, -2.0), (0.5, 0.0), (10 + i, 4, 2)) for i in ids)
        return [{"latent": z.astype(np.float32)} for z in draw]


class Tracks:
    def split(self, name):
        assert name == "train"
        return Split()


def test_statistics_are_those_of_all_places_at_once():
    """In float64; a channel that never moves is not blown up."""
    mean, std = latents.statistics(Tracks())
    z = np.concatenate([record["latent"].reshape(-1, 2) for record in Split()[[0, 1, 2]]]).astype(np.float64)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, z.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, [z[:, 0].std(), 1e-4], rtol=1e-5)


def test_an_autoencoder_counts_once_it_is_whole(trained_copy):
    assert latents.is_ready(trained_copy)
    path = trained_copy / "vae" / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert not latents.is_ready(trained_copy)
    path.unlink()
    assert not latents.is_ready(trained_copy)


def test_a_workdir_keeps_the_autoencoder_that_it_trained(trained):
    kept, known = weights.read_tree(trained / "vae" / "vae.safetensors"), facts.read(trained)
    last = weights.read_tree(trained / "autoencoder" / "milestones" / "step_000006.safetensors")
    jax.tree.map(np.testing.assert_array_equal, kept["autoencoder"], last["autoencoder"])
    assert known["latent_mean"] == kept["latent_mean"].tolist() and known["latent_std"] == kept["latent_std"].tolist()


def with_path(path, section="network", **changes):
    """The configuration of a latent run on a given autoencoder, with changes to what must fit."""
    config = micro.make_config("latent", f"vae.path={path}")
    (config["vae"]["network"] if section == "network" else config["mel"]).update(changes)
    return config


def test_an_autoencoder_that_fits_is_found(trained):
    home = trained / "autoencoder"
    assert str(latents.find_autoencoder(with_path(home))) == str(home)
    same_weights = with_path(home, remat=True, padding="zeros")
    assert str(latents.find_autoencoder(same_weights)) == str(home)


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("network", {"latent_channels": 3}, "network.latent_channels: 2 there, 3 here"),
        ("network", {"channels": (8, 16)}, "network.channels: (8,) there, (8, 16) here"),
        ("mel", {"n_fft": 512}, "mel.n_fft: 256 there, 512 here"),
        ("mel", {"db_range": 100.0}, "mel.db_range: 80.0 there, 100.0 here"),
    ],
)
def test_one_that_does_not_fit_is_refused(trained, section, changes, words):
    with pytest.raises(UsageError) as caught:
        latents.find_autoencoder(with_path(trained / "autoencoder", section, **changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_another_model_is_no_autoencoder(trained, tmp_path):
    with pytest.raises(UsageError, match="latent model, not an autoencoder"):
        latents.find_autoencoder(with_path(trained))
    with pytest.raises(DataError, match="is not a workdir"):
        latents.find_autoencoder(with_path(tmp_path))
