"""The latent model: sizes that fit both of its networks, and messages that name the key."""

import micro
import pytest

from musicdiff import models
from musicdiff.errors import UsageError


@pytest.mark.parametrize(
    ("key", "size", "nearest"),
    [("frames", 65, 64), ("frames", 66, 64), ("frames", 67, 68), ("frames", 0, 4), ("num_mels", 15, 16)],
)
def test_a_mel_divides_by_the_autoencoder_and_the_unet(key, size, nearest):
    """f = 2, and a U-Net of two levels on its latents: multiples of 4."""
    config = micro.make_config("latent")
    section = "mel" if key == "num_mels" else "model"
    config[section][key] = size
    with pytest.raises(UsageError) as caught:
        models.build(config)
    assert str(caught.value) == (
        f"config.{section}.{key}={size} is not a multiple of 4, as the network asks; the nearest is {nearest}"
    )


def test_an_option_of_the_autoencoder_is_named_where_it_stands():
    config = micro.make_config("latent")
    config["vae"]["network"]["chanels"] = (8,)
    with pytest.raises(UsageError, match=r"^config\.vae\.network has no option 'chanels'; did you mean 'channels'\?$"):
        models.build(config)
