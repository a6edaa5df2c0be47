"""The waveform model: a one-dimensional U-Net on the samples of audio themselves.

    python run_train.py --config=configs/waveform.py          65,536 samples (2.97 s), 64.8M parameters
    python run_train.py --config=configs/waveform.py:drums --config.data.source=folder:ONE_SHOTS
    python run_train.py --config=configs/waveform.py:tiny     one-shots of 1.49 s, for two CPU cores

Device, hours and scores: not measured.
"""

from musicdiff.configs import base, mel


def talk(config):
    """65,536 samples at 22.05 kHz (2.97 s): the network of 64,761,490 parameters."""
    config.model.samples = 65_536
    config.network.channels = (16, 32, 64, 128, 256, 256, 512, 512)
    config.network.factors = (1, 2, 2, 2, 2, 2, 2, 2)
    config.network.items = (1, 1, 1, 2, 2, 2, 4, 4)
    config.network.attention_levels = (3, 4, 5, 6, 7)
    config.network.attention_heads = 6
    config.network.head_width = 32
    config.network.num_heads = 0  # of attention to tokens
    config.network.width = 1_024
    config.network.groups = 8
    config.network.zero_init = False
    config.network.remat = False


def stereo(config):
    """131,072 samples, left and right, at 44.1 kHz (2.97 s)."""
    talk(config)
    config.model.samples = 131_072
    config.mel.update(mel.STEREO)
    config.network.remat = True


def one_shots(config):
    """Clips of 1.49 s, told their style: of a folder, the name of the folder that each lies in."""
    talk(config)
    config.data.source = "drums"
    config.model.update({"samples": 32_768, "unconditional": 0.0})
    config.conditions.style = {**base.STYLE, "dropout": 0.1}
    config.guidance.scale = 2.0


def drums(config):
    """One-shots, a clip of up to 1.49 s each."""
    one_shots(config)
    config.network.channels = (16, 32, 64, 128, 192, 256, 256)
    config.network.factors = (1, 2, 2, 2, 4, 4, 2)
    config.network.items = (1, 1, 1, 2, 2, 2, 2)
    config.network.attention_levels = (4, 5, 6)
    config.network.width = 512


def tiny(config):
    """One-shots for two CPU cores. Levels near the full rate, and attention over many places, are what costs."""
    one_shots(config)
    # The first factor is 2: of samples that one place is repeated to, all but the outer two would be given the same.
    config.network.update({"channels": (8, 24, 64, 96, 128), "factors": (2, 4, 4, 4, 2), "items": (1, 1, 1, 2, 2)})
    config.network.update({"attention_levels": (4,), "attention_heads": 4, "width": 128})
    config.sampler.num_steps = 30
    config.batch_size = 8
    base.learn_fast(config)
    config.process.told = "time"
    base.shorten(config, num_steps=4_500, every=750, learning_rate=1e-3, ema_max=0.999)


PRESETS = {"65536": talk, "stereo": stereo, "drums": drums, "tiny": tiny}


def get_config(preset: str = "65536"):
    """The U-Net of 64,761,490 parameters and the half circle alpha = cos(pi t / 2), changed by a preset."""
    config = base.get_config()
    base.add_diffusion(config)
    config.process.update({"schedule": "cosine", "prediction": "v", "told": "time"})
    config.model.name = "waveform"
    PRESETS[preset](config)
    return config
