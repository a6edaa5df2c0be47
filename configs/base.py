"""What every configuration has. A variant changes the few lines that differ; docs/configs.md explains the keys.

The optimizer is the talk's: AdamW 1e-4, 500 steps of warm-up, cosine, effective batch 16, average of the parameters up to .9999.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

BYTES = {"name": "bytes", "length": 128, "width": 512, "layers": 4, "heads": 8, "buckets": 4_096}
STYLE = {"name": "label", "classes": (), "capacity": 64}  # (): those of the data


def get_config() -> ConfigDict:
    """The keys of a run, without its model: `get_shared`, and how one model is trained."""
    config = get_shared()

    config.num_steps = 40_000
    config.batch_size = 16

    config.log_every = 50
    config.sample_every = 1_000
    config.checkpoint_every = 1_000
    config.keep_checkpoints = 2
    config.milestones = (100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 40_000)

    config.model = ConfigDict({"name": ""})
    config.network = ConfigDict()

    config.optim = ConfigDict()
    config.optim.learning_rate = 1e-4
    config.optim.warmup_steps = 500
    config.optim.decay_steps = 40_000
    config.optim.b1 = 0.95
    config.optim.b2 = 0.999
    config.optim.weight_decay = 1e-6
    config.optim.clip_norm = 1.0
    config.optim.ema_max = 0.9999
    config.optim.ema_profiles = ()  # two relative widths, as (0.05, 0.1): averages of any length afterwards (musicdiff ema)
    config.optim.micro_batch = 0  # examples at once on a device; 0: chosen by an estimate of memory
    return config


def get_shared() -> ConfigDict:
    """What all models of a run have in common: an autoencoder that is trained on the way has these from its latent run."""
    config = ConfigDict()
    config.seed = 0
    config.dtype = "float32"  # of the computation; parameters are float32 always
    config.data = ConfigDict({"source": "builtin", "cache_dir": "data_cache", "loader": "tf", "strict": False})
    config.mel = ConfigDict({"sample_rate": 22_050, "n_fft": 1_024, "hop": 256, "num_mels": 128, "channels": 1})
    config.mel.update({"f_min": 0.0, "db_top": 32.0, "db_range": 80.0, "level": "absolute"})
    config.parallel = ConfigDict({"engine": "pmap"})
    return config


def add_vocoder(config: ConfigDict) -> None:
    """From mels to audio, for models whose x_0 is a mel or made of one."""
    config.vocoder = ConfigDict({"name": "griffin_lim", "num_iterations": 32})


def add_unet(config: ConfigDict) -> None:
    """The talk's U-Net of mels and latents."""
    config.network.channels = (128, 128, 256, 256, 512, 512)
    config.network.num_res_blocks = 2
    config.network.attention_levels = (4,)
    config.network.head_width = 8
    config.network.num_heads = 0  # above 0: transformers, which attend to tokens too, in place of the attention above
    config.network.groups = 32
    config.network.patch = 1
    config.network.zero_init = False
    config.network.remat = False


def add_diffusion(config: ConfigDict) -> None:
    """The talk's noise process (a DDPM of 1000 linear betas that predicts eps) and DDIM of 50 steps."""
    config.process = ConfigDict({"objective": "denoising", "told": "index"})
    config.process.update({"schedule": "linear_beta", "schedule_options": {}})
    config.process.update({"prediction": "eps", "prediction_options": {}})
    config.process.update({"weight": "simple", "weight_options": {}})
    config.process.update({"times": "uniform", "times_options": {}})
    config.conditions = ConfigDict()
    config.guidance = ConfigDict({"scale": 1.0, "rescale": 0.0})  # towards what a clip is told, when it is generated
    config.sampler = ConfigDict({"name": "ddim", "num_steps": 50, "grid": "auto"})


def add_conditions(config: ConfigDict, text: Mapping[str, Any]) -> None:
    """A caption, a style, a tempo and a key: the caption is forgotten in three clips of ten, each other in half of them, all in one of ten.

    Where labels say what the caption says, nothing is to be learnt from it: in one of eight clips it stands alone.

    text: which conditioning/<name>.py reads captions, and its options
    """
    config.model.unconditional = 0.1
    tempo = {"name": "numeric", "low": 30.0, "high": 300.0, "unit": "bpm"}
    config.conditions.text = ConfigDict({"dropout": 0.3, "pooled": False, **text})
    for name, section in {"style": STYLE, "tempo": tempo, "key": {"name": "key"}}.items():
        config.conditions[name] = ConfigDict({"dropout": 0.5, **section})
    config.guidance.scale = 3.0


def attend_to_tokens(config: ConfigDict) -> None:
    """The U-Net of 139,673,217 parameters that attends to tokens of width 512."""
    config.network.channels = (128, 256, 512, 512)
    config.network.attention_levels = (0, 1, 2)
    config.network.num_heads = 8


def learn_fast(config: ConfigDict) -> None:
    """Small networks in few steps: cosine levels to pure noise, v-prediction, residual branches that start at zero."""
    config.network.zero_init = True
    config.process.update({"schedule": "cosine", "prediction": "v", "told": "log_snr"})


def shorten(config: ConfigDict, num_steps: int, every: int, learning_rate: float, ema_max: float) -> None:
    """A run of minutes: the learning rate is high and ends with it, averages are short, and something is to be heard `every` few steps."""
    config.update({"num_steps": num_steps, "log_every": 25, "sample_every": every, "checkpoint_every": every})
    config.optim.update({"learning_rate": learning_rate, "warmup_steps": 50, "decay_steps": num_steps})
    config.optim.update({"b1": 0.9, "b2": 0.99, "ema_max": ema_max})
