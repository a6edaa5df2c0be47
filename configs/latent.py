"""The latent model: an autoencoder's latents, denoised by the mel U-Net.

    python run_train.py --config=configs/latent.py            256 x 256 -> 32 x 32, 113.7M parameters
    python run_train.py --config=configs/latent.py:text       the same, told a caption, a style, a tempo and a key: 167.7M parameters
    python run_train.py --config=configs/latent.py:tiny       512 x 32 -> 128 x 8, minutes on two CPU cores
    python run_train.py --config=configs/latent.py:tiny-text  512 x 128 -> 64 x 16, told what `text` is, an hour of one CPU core

Without --config.vae.path=RUN the autoencoder is trained first, by `config.vae`. Device, hours and score at full size: not measured. Tiny, seed 0, two
CPU cores, busy: 6 min 42 s, held-out error of the autoencoder 2.4 dB, held-out loss 0.417; roughness of eight clips 0.82 to 1.07 of real ones.
How well tiny-text obeys: docs/evaluation.md.
"""

from musicdiff.configs import base, vae


def add_autoencoder(config, preset):
    """`config.vae` is the autoencoder's own configuration, but for what the run shares: that moves from there to the top."""
    config.vae = vae.get_config(preset)
    for key in (*base.get_shared(), "vocoder"):
        config[key] = config.vae[key]
        del config.vae[key]
    config.vae.path = ""


def full(config):
    """256 x 256 mels (2.97 s) as 32 x 32 latents of one channel."""
    add_autoencoder(config, "256x256")
    config.model.frames = 256


def tiny(config):
    """512 x 32 mels (5.94 s) as 128 x 8 latents of four channels."""
    add_autoencoder(config, "tiny")
    config.model.frames = 512
    config.network.update({"channels": (32, 64, 96), "num_res_blocks": 1, "attention_levels": (2,)})
    config.network.update({"head_width": 16, "groups": 8})
    config.sampler.num_steps = 20
    config.batch_size = 8
    base.learn_fast(config)
    base.shorten(config, num_steps=800, every=200, learning_rate=1.5e-3, ema_max=0.999)


def text(config):
    """`full`, told a caption, a style, a tempo and a key."""
    full(config)
    base.add_conditions(config, base.BYTES)
    base.attend_to_tokens(config)


def tiny_text(config):
    """512 x 128 mels, in which keys can be heard, as 64 x 16 latents of eight channels; told what `text` is."""
    add_autoencoder(config, "tiny-128")
    config.model.frames = 512
    base.add_conditions(config, base.BYTES | {"length": 96, "width": 128, "layers": 2, "heads": 4, "buckets": 2_048})
    config.network.update({"channels": (32, 64, 96), "num_res_blocks": 1, "attention_levels": (2,)})
    config.network.update({"num_heads": 4, "groups": 8})
    config.sampler.num_steps = 20
    config.batch_size = 8
    base.learn_fast(config)
    base.shorten(config, num_steps=6_000, every=1_500, learning_rate=1e-3, ema_max=0.999)


def tiny_pooled(config):
    """`tiny-text` with the caption as one vector, to a U-Net that attends to no tokens."""
    tiny_text(config)
    config.conditions.text.pooled = True
    config.network.num_heads = 0
    config.network.head_width = 24


PRESETS = {"256x256": full, "text": text, "tiny": tiny, "tiny-text": tiny_text, "tiny-pooled": tiny_pooled}


def get_config(preset: str = "256x256"):
    """The mel U-Net on an autoencoder's latents."""
    config = base.get_config()
    base.add_unet(config)
    base.add_diffusion(config)
    config.model.name = "latent"
    PRESETS[preset](config)
    return config
