"""The latent model: the autoencoder that a workdir keeps, and sizes that fit both networks."""

import jax
import micro
import numpy as np
import pytest

from musicdiff import models, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.models import latent


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
