"""The latent model: an autoencoder's latents, denoised by the mel U-Net.

    python run_train.py --config=configs/latent.py            256 x 256 -> 32 x 32, 113.7M parameters
    python run_train.py --config=configs/latent.py:tiny       512 x 32 -> 128 x 8, minutes on two CPU cores

Without --config.vae.path=RUN the autoencoder is trained first, by `config.vae`. Device, hours and score at full size: not measured. Tiny, seed 0, two
CPU cores: 5 min 23 s, held-out error of the autoencoder 2.4 dB, held-out loss 0.416; roughness of eight clips 0.83 to 1.08 of real ones.
"""

from ml_collections import ConfigDict

from musicdiff.configs import base, vae

SHARED = (
    "seed",
    "dtype",
    "data",
    "mel",
    "vocoder",
    "parallel",
)  # an autoencoder trained within a latent run takes these from it


def with_autoencoder(config, preset):
    """Puts the autoencoder's own configuration into `config.vae`, and its mels and data into `config`."""
    config.vae = vae.get_config(preset)
    config.mel = config.vae.mel
    config.data = config.vae.data
    for section in SHARED:
        del config.vae[section]
    config.vae.path = ""


def full(config):
    """256 x 256 mels (2.97 s) as 32 x 32 latents of one channel."""
    with_autoencoder(config, "256x256")
    config.model.frames = 256
    config.network.channels = (128, 128, 256, 256, 512, 512)
    config.network.num_res_blocks = 2
    config.network.attention_levels = (4,)
    config.network.head_width = 8
    config.network.groups = 32
    config.network.patch = 1
    config.network.zero_init = False
    config.network.remat = False


def tiny(config):
    """512 x 32 mels (5.94 s) as 128 x 8 latents of four channels."""
    with_autoencoder(config, "tiny")
    config.model.frames = 512
    config.network.channels = (32, 64, 96)
    config.network.num_res_blocks = 1
    config.network.attention_levels = (2,)
    config.network.head_width = 16
    config.network.groups = 8
    config.network.patch = 1
    config.network.zero_init = True
    config.network.remat = False
    config.process.update({"schedule": "cosine", "prediction": "v", "told": "log_snr"})
    config.sampler = ConfigDict({"name": "ddim", "num_steps": 20, "grid": "trailing"})
    config.update({"num_steps": 800, "batch_size": 8, "log_every": 25, "sample_every": 200, "checkpoint_every": 200})
    config.optim.update(
        {"learning_rate": 1.5e-3, "warmup_steps": 50, "decay_steps": 800, "b1": 0.9, "b2": 0.99, "ema_max": 0.999}
    )


PRESETS = {"256x256": full, "tiny": tiny}


def get_config(preset: str = "256x256") -> ConfigDict:
    """The mel U-Net on an autoencoder's latents."""
    config = base.get_config()
    base.add_diffusion(config)
    config.model.name = "latent"
    PRESETS[preset](config)
    return config
