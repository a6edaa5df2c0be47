"""The mel model: a U-Net on log-mel spectrograms, `[frames, mel bins]` by preset.

    python run_train.py --config=configs/mel.py:256x256       113.7M parameters; all presets but tiny share this network
    python run_train.py --config=configs/mel.py:tiny          512 x 32, for two CPU cores

A step of the full-size presets takes 1 to 36 s on two CPU cores (docs/training.md), of tiny 0.35 s; hours on an accelerator and scores: not measured.
"""

from musicdiff.configs import base

RESOLUTIONS = {  # frames x mel bins
    "256x256": (256, 256),
    "64x64": (64, 64),
    "512x32": (512, 32),
    "512x64": (512, 64),
    "512x128": (512, 128),
    "1024x128": (1_024, 128),
}


STEREO = {"sample_rate": 44_100, "n_fft": 2_048, "hop": 512, "num_mels": 128, "channels": 2}


def resolution(frames: int, num_mels: int):
    """A preset of the 113.7M U-Net at `frames` x `num_mels`."""

    def change(config):
        config.model.frames = frames
        config.mel.num_mels = num_mels

    return change


def stereo(config):
    """44.1 kHz stereo, held as mid and side: 512 frames of 512 samples are 5.94 s."""
    config.model.frames = 512
    config.mel.update(STEREO)


def tiny(config):
    """512 x 32 (5.94 s) for two CPU cores. Full-resolution levels are what costs: 4 x 4 patches come before the network."""
    config.model.frames = 512
    config.mel.num_mels = 32
    config.network.update({"patch": 4, "channels": (64, 96, 128), "num_res_blocks": 1, "attention_levels": (2,)})
    config.network.update({"head_width": 16, "groups": 8})
    config.sampler.num_steps = 30
    config.batch_size = 8
    config.data.source = "builtin:120"
    base.learn_fast(config)
    base.shorten(config, num_steps=2_000, every=250, learning_rate=1.5e-3, ema_max=0.999)


PRESETS = {
    **{name: resolution(*size) for name, size in RESOLUTIONS.items()},
    "stereo": stereo,
    "tiny": tiny,
}


def get_config(preset: str = "256x256"):
    """The U-Net of 113,668,609 parameters, changed by a preset."""
    config = base.get_config()
    base.add_vocoder(config)
    base.add_unet(config)
    base.add_diffusion(config)
    config.model.name = "mel"
    PRESETS[preset](config)
    return config
