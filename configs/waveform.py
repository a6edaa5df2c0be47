"""The waveform model: a one-dimensional U-Net on samples of sound, without mels and vocoder.

    python run_train.py --config=configs/waveform.py:65536    2.97 s at 22.05 kHz, 64.8M parameters, the talk's first set-up
    python run_train.py --config=configs/waveform.py:stereo   2.97 s at 44.1 kHz in two channels, the same network
    python run_train.py --config=configs/waveform.py:drums --config.data.source=folder:ONE_SHOTS   one-shots of at most 1.5 s, told their style
    python run_train.py --config=configs/waveform.py:tiny     the same one-shots, for two CPU cores

Hours on an accelerator and scores: not measured.
"""

from ml_collections import ConfigDict

from musicdiff.configs import base


def full(config):
    """65,536 samples at 22.05 kHz."""
    config.model.samples = 65_536


def stereo(config):
    """131,072 samples of two channels at 44.1 kHz."""
    config.model.samples = 131_072
    config.mel.update({"sample_rate": 44_100, "n_fft": 2_048, "hop": 512, "channels": 2})
    config.network.remat = True


def drums(config):
    """One-shots of at most 1.49 s, each told its style: the piece, as the names of folders or files have it."""
    config.model.samples = 32_768
    config.data.source = "drums"
    config.network.channels = (32, 64, 128, 256, 256, 512)
    config.network.factors = (2, 2, 2, 4, 4, 2)
    config.network.items = (1, 1, 2, 2, 2, 4)
    config.network.attention_levels = (4, 5)
    base.add_style(config)


def tiny(config):
    """The first level sees the samples in eights: full rate is what costs."""
    drums(config)
    config.network.channels = (32, 64, 96, 128)
    config.network.factors = (8, 4, 4, 2)
    config.network.items = (1, 1, 2, 2)
    config.network.attention_levels = (3,)
    config.network.attention_heads = 4
    config.network.width = 256
    config.network.zero_init = True
    config.sampler.num_steps = 30
    base.shorten(config, num_steps=6_000, every=1_500, learning_rate=1e-3, ema_max=0.999)


PRESETS = {"65536": full, "stereo": stereo, "drums": drums, "tiny": tiny}


def get_config(preset: str = "65536"):
    """The U-Net of 64,761,490 parameters that predicts v on the half circle alpha = cos(pi t / 2), t uniform, changed by a preset."""
    config = base.get_config()
    base.add_diffusion(config)
    del config.vocoder  # what is generated is heard as it is
    config.model.name = "waveform"
    config.network = ConfigDict()
    config.network.channels = (16, 32, 64, 128, 256, 256, 512, 512)
    config.network.factors = (1, 2, 2, 2, 2, 2, 2, 2)  # the first acts on the samples themselves
    config.network.items = (1, 1, 1, 2, 2, 2, 4, 4)
    config.network.attention_levels = (3, 4, 5, 6, 7)
    config.network.attention_heads = 6
    config.network.head_width = 32
    config.network.num_heads = 0  # of attention to tokens
    config.network.width = 1_024
    config.network.groups = 8
    config.network.zero_init = False
    config.network.remat = False
    config.process.update({"schedule": "cosine", "prediction": "v", "told": "time"})
    PRESETS[preset](config)
    return config
