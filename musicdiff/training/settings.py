"""Checks of the settings that belong to no section: one line that names the key and what is allowed."""

from collections.abc import Mapping
from typing import Any

from musicdiff import averages
from musicdiff.errors import UsageError

POSITIVE = ("num_steps", "batch_size", "log_every", "checkpoint_every", "keep_checkpoints")
NOT_NEGATIVE = ("seed", "sample_every", "optim.micro_batch", "optim.warmup_steps", "optim.weight_decay")
ABOVE_ZERO = ("optim.learning_rate", "optim.clip_norm", "optim.decay_steps")
SHARES = ("optim.b1", "optim.b2", "optim.ema_max")
KEYS = {
    *(
        "seed",
        "num_steps",
        "batch_size",
        "dtype",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep_checkpoints",
        "milestones",
    ),
    *("data", "mel", "model", "network", "process", "optim", "sampler", "vocoder", "parallel", "vae"),
}
SECTIONS = {
    "data": {"source", "cache_dir", "loader", "strict"},
    "parallel": {"engine"},
    "optim": {
        "learning_rate",
        "warmup_steps",
        "decay_steps",
        "b1",
        "b2",
        "weight_decay",
        "clip_norm",
        "ema_max",
        "ema_profiles",
        "micro_batch",
    },
}
CHOICES = {"dtype": ("float32", "bfloat16"), "data.loader": ("tf", "numpy"), "parallel.engine": ("pmap", "jit")}


def check_settings(config: Mapping[str, Any], devices: int, where: str = "config") -> None:
    """Raises UsageError for an unknown key, a number out of range, or a batch that `devices` cannot share. where: what to call the configuration."""
    for key in config:
        if key not in KEYS:
            raise UsageError(f"{where}.{key} is read by nothing; there are: {', '.join(sorted(KEYS))}")
    for section, known in SECTIONS.items():
        for key in config[section]:
            if key not in known:
                raise UsageError(f"{where}.{section}.{key} is read by nothing; there are: {', '.join(sorted(known))}")
    for keys, allowed, holds in (
        (POSITIVE, "a whole number above 0", lambda x: isinstance(x, int) and x > 0),
        (NOT_NEGATIVE, "0 or more", lambda x: x >= 0),
        (ABOVE_ZERO, "above 0", lambda x: x > 0),
        (SHARES, "at least 0 and below 1", lambda x: 0 <= x < 1),
    ):
        for key in keys:
            if not holds(_get(config, key)):
                raise UsageError(f"{where}.{key} must be {allowed}, not {_get(config, key)!r}")
    widths = config["optim"]["ema_profiles"]
    if len(widths) == 1 or len(set(widths)) < len(widths) or not all(0 < width <= averages.WIDEST for width in widths):
        raise UsageError(
            f"{where}.optim.ema_profiles must be () or two different relative widths above 0 and up to {averages.WIDEST}, such as "
            f"(0.05, 0.1), not {widths!r}"
        )
    for key, value in config["network"].items():
        sizes = value if isinstance(value, tuple) else (value,)
        if key != "attention_levels" and not (
            sizes and all(size is None or isinstance(size, bool) or size >= 1 for size in sizes)
        ):
            raise UsageError(f"{where}.network.{key} must be 1 or more, not {value!r}")
    for key, known in CHOICES.items():
        if _get(config, key) not in known:
            raise UsageError(f"{where}.{key} must be one of {', '.join(known)}, not {_get(config, key)!r}")
    if config["num_steps"] > config["optim"]["decay_steps"]:
        raise UsageError(
            f"{where}.num_steps={config['num_steps']} goes beyond {where}.optim.decay_steps={config['optim']['decay_steps']}, where the "
            "learning rate ends at 0: set both"
        )
    per_device, left = divmod(config["batch_size"], devices)
    if left or not per_device:
        raise UsageError(
            f"{where}.batch_size={config['batch_size']} does not divide by {devices} devices; the next that does: {(per_device + 1) * devices}"
        )
    micro_batch = config["optim"]["micro_batch"]
    if micro_batch and per_device % micro_batch:
        raise UsageError(
            f"{where}.optim.micro_batch={micro_batch} does not divide the {per_device} examples of a device"
        )


def _get(config: Mapping[str, Any], dotted: str) -> Any:
    for key in dotted.split("."):
        config = config[key]
    return config
