"""The autoencoder of the latent model.

    python run_train.py --config=configs/vae.py:256x256       83.6M parameters, f = 8, and a discriminator of 2.8M
    python run_train.py --config=configs/vae.py:tiny          f = 4, minutes on two CPU cores

The latent configuration trains it first by itself when it is given none. Device, hours and score at full size: not measured. Tiny, as the first
part of a run of latent.py:tiny: configs/latent.py.
"""

from musicdiff.configs import base


def full(config):
    """KL-VAE of 83,607,691 parameters, f = 8: 256 x 256 -> 32 x 32."""
    config.model.update({"frames": 256, "kl_weight": 1e-6, "adversarial_weight": 0.1, "adversarial_start": 5_000})
    config.mel.num_mels = 256
    config.network.latent_channels = 1
    config.network.channels = (128, 256, 512, 512)
    config.network.num_res_blocks = 2
    config.network.groups = 32
    config.network.attention = True
    config.network.patch = 1
    config.network.remat = False
    config.num_steps = 20_000
    config.optim.decay_steps = 20_000


def tiny(config):
    """f = 4 on 512 x 32 mels, trained on crops of 64 frames: about two minutes on two CPU cores."""
    config.model.update({"frames": 64, "kl_weight": 1e-3})
    config.mel.num_mels = 32
    config.network.latent_channels = 4
    config.network.channels = (32, 64)
    config.network.num_res_blocks = 1
    config.network.groups = 8
    config.network.attention = False
    config.network.patch = 2
    config.network.remat = False
    config.data.source = "builtin:120"
    base.shorten(config, num_steps=700, every=350, learning_rate=2e-3, ema_max=0.99)


def tiny_128(config):
    """f = 8 on 512 x 128 mels, in which keys can be heard, trained on crops of 64 frames: for two CPU cores."""
    tiny(config)
    config.mel.num_mels = 128
    config.network.update({"channels": (32, 64, 96), "latent_channels": 8})
    config.data.source = "builtin:1000"


PRESETS = {"256x256": full, "tiny": tiny, "tiny-128": tiny_128}


def get_config(preset: str = "256x256"):
    """An autoencoder alone, trained with L1 + KL, and a patch-GAN where a preset gives it weight."""
    config = base.get_config()
    base.add_vocoder(config)
    config.model.name = "vae"
    PRESETS[preset](config)
    return config
