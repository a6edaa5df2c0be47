"""The mel model: a U-Net on log-mel spectrograms, `[frames, mel bins]` by preset.

    python run_train.py --config=configs/mel.py:256x256

Device, hours and score of the full-size presets: not measured. The tiny preset: docs/configs.md.
"""

from ml_collections import ConfigDict

from musicdiff.configs import base


def resolution(frames: int, num_mels: int):
    """A preset of the 113.7M U-Net at `frames` x `num_mels`."""

    def change(config):
        config.model.frames = frames
        config.mel.num_mels = num_mels

    return change


def stereo(config):
    """44.1 kHz stereo, held as mid and side: 512 frames of 512 samples are 5.94 s."""
    config.model.frames = 512
    config.mel.update({"sample_rate": 44_100, "n_fft": 2_048, "hop": 512, "num_mels": 128, "channels": 2})


def tiny(config):
    """512 x 32 (5.94 s) for two CPU cores. Full-resolution levels are what costs: 4 x 4 patches come before the network."""
    config.model.frames = 512
    config.mel.num_mels = 32
    config.network = ConfigDict()
    config.network.patch = 4
    config.network.channels = (64, 96, 128)
    config.network.num_res_blocks = 1
    config.network.attention_levels = (2,)
    config.network.head_width = 16
    config.network.groups = 8
    config.network.zero_init = True
    config.network.remat = False
    config.process.update({"schedule": "cosine", "prediction": "v", "told": "log_snr"})
    config.sampler = ConfigDict({"name": "ddim", "num_steps": 30, "grid": "trailing"})
    config.update({"num_steps": 2_000, "batch_size": 8, "log_every": 25, "sample_every": 250, "checkpoint_every": 250})
    config.optim.update(
        {"learning_rate": 1.5e-3, "warmup_steps": 50, "decay_steps": 2_000, "b1": 0.9, "b2": 0.99, "ema_max": 0.999}
    )
    config.data.source = "builtin:120"


PRESETS = {
    "256x256": resolution(256, 256),
    "64x64": resolution(64, 64),
    "512x32": resolution(512, 32),
    "512x64": resolution(512, 64),
    "512x128": resolution(512, 128),
    "1024x128": resolution(1_024, 128),
    "stereo": stereo,
    "tiny": tiny,
}


def get_config(preset: str = "256x256") -> ConfigDict:
    """The U-Net of 113,668,609 parameters, changed by a preset."""
    config = base.get_config()
    base.add_diffusion(config)
    config.model.name = "mel"
    config.network.channels = (128, 128, 256, 256, 512, 512)
    config.network.num_res_blocks = 2
    config.network.attention_levels = (4,)
    config.network.head_width = 8
    config.network.groups = 32
    config.network.patch = 1
    config.network.zero_init = False
    config.network.remat = False
    PRESETS[preset](config)
    return config
