"""Workdirs to diffusers' folders and back: the same networks, the same latents."""

import json
import pathlib

import jax
import micro
import numpy as np
import pytest

from musicdiff import config as configuration
from musicdiff import conversion, milestones, models, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.representations import VAE_FILE

TALK = ("process.schedule=linear_beta", "process.prediction=eps", "process.told=index")
PLAIN = ("vae.network.patch=1",)


@pytest.fixture
def workdir(tmp_path):
    """A latent workdir of random weights, by the talk's noise process, as a run would leave it."""
    config = micro.make_config("latent", *TALK, *PLAIN, "vae.network.channels=(8, 8)", "mel.num_mels=32")
    model = models.build(config)
    folder = tmp_path / "workdir"
    milestones.write(folder, 12, micro.randomise(model.init), keep=True, held_out_loss=None)
    (folder / VAE_FILE).parent.mkdir()
    autoencoder = micro.randomise(model.init_frozen)["autoencoder"]
    stats = {"latent_mean": np.float32([0.5, -1.0]), "latent_std": np.float32([2.0, 0.25])}
    weights.write_tree(folder / VAE_FILE, {"autoencoder": autoencoder, **stats})
    (folder / "config.json").write_text(configuration.to_json(config))
    return folder


def test_a_latent_workdir_survives_the_way_there_and_back(workdir, tmp_path):
    list(conversion.convert(workdir, tmp_path / "theirs", "diffusers"))
    (line, _) = conversion.convert(tmp_path / "theirs", tmp_path / "ours", "musicdiff")
    assert "latent model" in line
    _, old = milestones.read(workdir)
    _, new = milestones.read(tmp_path / "ours")
    assert jax.tree.all(jax.tree.map(np.array_equal, old, dict(new)))
    there = configuration.from_json((workdir / "config.json").read_text())
    back = configuration.from_json((tmp_path / "ours" / "config.json").read_text())
    assert {key: there["network"][key] for key in ("channels", "groups", "head_width")} == {
        key: back["network"][key] for key in ("channels", "groups", "head_width")
    }
    assert back["process"]["prediction"] == "eps"
    models.build(back)


def test_statistics_folded_into_the_autoencoder_give_the_same_latents_and_mels(workdir):
    network = configuration.from_json((workdir / "config.json").read_text())["vae"]["network"]
    autoencoder = Autoencoder(in_channels=1, **network)
    kept = weights.read_tree(workdir / VAE_FILE)
    mean, std = kept["latent_mean"], kept["latent_std"]
    folded = conversion.fold_statistics(kept["autoencoder"], mean, std)
    x = np.random.default_rng(1).standard_normal((1, 16, 16, 1), np.float32)

    def encode(params):
        return autoencoder.apply({"params": params}, x, method="encode")

    def decode(params, z):
        return autoencoder.apply({"params": params}, z, method="decode")

    z, log_var = encode(kept["autoencoder"])
    folded_z, folded_log_var = encode(folded)
    np.testing.assert_allclose(folded_z, (z - mean) / std, atol=2e-5)
    np.testing.assert_allclose(folded_log_var, log_var - 2 * np.log(std), atol=2e-5)
    np.testing.assert_allclose(decode(folded, folded_z), decode(kept["autoencoder"], z), atol=1e-4)


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ({"schedule": "cosine", "prediction": "v", "told": "log_snr"}, "linear_beta"),
        (
            {"schedule": "linear_beta", "prediction": "eps", "told": "index", "schedule_options": {"shift": 2.0}},
            "no shift",
        ),
        ({"schedule": "linear_beta", "prediction": "flow", "told": "index"}, "eps, v, x_0 only"),
        ({"objective": "mean_flow"}, "linear_beta"),
    ],
)
def test_what_has_no_counterpart_is_refused(process, words, workdir, tmp_path):
    config = configuration.from_json((workdir / "config.json").read_text())
    config["process"] = process
    (workdir / "config.json").write_text(configuration.to_json(config))
    with pytest.raises(UsageError, match=words):
        list(conversion.convert(workdir, tmp_path / "theirs", "diffusers"))
    assert not (tmp_path / "theirs").exists()


def test_what_a_model_is_told_cannot_be_carried_over(workdir, tmp_path):
    config = configuration.from_json((workdir / "config.json").read_text())
    config["conditions"] = {"tempo": {"name": "numeric", "dropout": 0.1}, "style": {"name": "label", "dropout": 0.1}}
    (workdir / "config.json").write_text(configuration.to_json(config))
    with pytest.raises(
        UsageError, match=r"is told style, tempo, for which their pipelines have no place; .*write_network"
    ):
        list(conversion.convert(workdir, tmp_path / "theirs", "diffusers"))
    theirs = pathlib.Path(__file__).parent / "fixtures" / "diffusers" / "conditional_unet_2d"
    with pytest.raises(UsageError, match=r"its U-Net attends to text, and no encoder is with it; .*read_network"):
        list(conversion.convert(theirs, tmp_path / "ours", "musicdiff"))
    assert not (tmp_path / "theirs").exists() and not (tmp_path / "ours").exists()


def test_a_target_that_is_there_and_a_source_that_is_not(workdir, tmp_path):
    with pytest.raises(UsageError, match="name a new folder"):
        conversion.convert(workdir, workdir, "diffusers")
    with pytest.raises(DataError, match="does not exist"):
        conversion.convert(tmp_path / "nothing", tmp_path / "ours", "musicdiff")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"_class_name": "Transformer2DModel"}))
    with pytest.raises(DataError, match="Transformer2DModel"):
        list(conversion.convert(tmp_path / "other", tmp_path / "ours", "musicdiff"))
    assert not (tmp_path / "ours").exists()
