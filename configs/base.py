"""What every configuration has. A variant changes the few lines that differ; docs/configs.md explains the keys.

The optimizer is the talk's: AdamW 1e-4, 500 steps of warm-up, cosine, effective batch 16, average of the parameters up to .9999.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The keys of a run, without its model."""
    config = ConfigDict()

    config.seed = 0
    config.num_steps = 40_000
    config.batch_size = 16
    config.dtype = "float32"  # of the computation; parameters are float32 always

    config.log_every = 50
    config.sample_every = 1_000
    config.checkpoint_every = 1_000
    config.keep_checkpoints = 2
    config.milestones = (100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 40_000)

    config.data = ConfigDict({"source": "builtin", "cache_dir": "data_cache", "loader": "tf", "strict": False})
    config.mel = ConfigDict({"sample_rate": 22_050, "n_fft": 1_024, "hop": 256, "num_mels": 128, "channels": 1})
    config.mel.update({"f_min": 0.0, "db_top": 32.0, "db_range": 80.0, "level": "absolute"})
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

    config.vocoder = ConfigDict({"name": "griffin_lim", "num_iterations": 32})
    config.parallel = ConfigDict({"engine": "pmap"})
    return config


def add_diffusion(config: ConfigDict) -> None:
    """The talk's noise process, a DDPM of 1000 linear betas that predicts eps, and its DDIM of 50 steps."""
    config.process = ConfigDict({"objective": "denoising", "told": "index"})
    config.process.update({"schedule": "linear_beta", "schedule_options": {}})
    config.process.update({"prediction": "eps", "prediction_options": {}})
    config.process.update({"weight": "simple", "weight_options": {}})
    config.process.update({"times": "uniform", "times_options": {}})
    config.sampler = ConfigDict({"name": "ddim", "num_steps": 50, "grid": "leading"})
