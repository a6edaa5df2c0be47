"""Checks of the settings that a run itself reads: one line that names the key and what is allowed."""

from collections.abc import Mapping
from typing import Any

from musicdiff import averages, choice, models
from musicdiff import config as configuration
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import UsageError

POSITIVE = ("num_steps", "batch_size", "log_every", "checkpoint_every", "keep_checkpoints")
NOT_NEGATIVE = ("seed", "sample_every", "optim.micro_batch", "optim.warmup_steps", "optim.weight_decay")
ABOVE_ZERO = ("optim.learning_rate", "optim.clip_norm", "optim.decay_steps")
SHARES = ("optim.b1", "optim.b2", "optim.ema_max")
SECTIONS = ("data", "optim", "parallel")  # read key by key; every other section is the options of one callable
SAMPLED = ("sampler", "guidance")  # of a model that denoises
CHOICES = {"dtype": ("float32", "bfloat16"), "data.loader": ("tf", "numpy"), "parallel.engine": ("pmap", "jit")}


def check_settings(config: Mapping[str, Any], devices: int, where: str = "config") -> None:
    """Raises UsageError for a key that nothing reads, is missing or of another type, a number out of range, or a batch that `devices` cannot share.

    where: what messages call the configuration
    """
    check_keys(config, where)
    for keys, allowed, holds in (
        (POSITIVE, "a whole number above 0", lambda x: x > 0),
        (NOT_NEGATIVE, "0 or more", lambda x: x >= 0),
        (ABOVE_ZERO, "above 0", lambda x: x > 0),
        (SHARES, "at least 0 and below 1", lambda x: 0 <= x < 1),
    ):
        for key in keys:
            if not holds(_get(config, key)):
                raise UsageError(f"{where}.{key} must be {allowed}, not {_get(config, key)!r}")
    widths = config["optim"]["ema_profiles"]
    if len(widths) not in (0, 2) or len(set(widths)) < len(widths) or not all(map(averages.is_width, widths)):
        raise UsageError(
            f"{where}.optim.ema_profiles must be () or two different relative widths from {averages.NARROWEST} to {averages.WIDEST}, such as "
            f"(0.05, 0.1), not {widths!r}"
        )
    if "guidance" in config:
        guidance = choice.call(f"{where}.guidance", Guidance, config["guidance"])
        if guidance.scale != 1.0 and not config["conditions"]:
            raise UsageError(
                f"{where}.guidance.scale={guidance.scale:g} leads towards what a model is told, and this one has no conditions"
            )
    steps = config["sampler"].get("num_steps") if "sampler" in config else 1
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise UsageError(f"{where}.sampler.num_steps must be a whole number, not {steps!r}")
    for key, value in config["network"].items():
        sizes = value if isinstance(value, tuple) else (value,)
        numbers = [size for size in sizes if isinstance(size, int | float) and not isinstance(size, bool)]
        if key not in ("attention_levels", "num_heads") and (not sizes or min(numbers, default=1) < 1):
            raise UsageError(f"{where}.network.{key} must be 1 or more, not {value!r}")
    for key, known in CHOICES.items():
        if _get(config, key) not in known:
            raise UsageError(f"{where}.{key} must be one of {', '.join(known)}, not {_get(config, key)!r}")
    warmup, decay = config["optim"]["warmup_steps"], config["optim"]["decay_steps"]
    if warmup >= decay:
        raise UsageError(f"{where}.optim.warmup_steps={warmup} must be below {where}.optim.decay_steps={decay}")
    if config["num_steps"] > decay:
        raise UsageError(
            f"{where}.num_steps={config['num_steps']} goes beyond {where}.optim.decay_steps={decay}, where the learning rate ends at 0: set both"
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


def check_keys(config: Mapping[str, Any], where: str = "config") -> None:
    """Raises UsageError for a key that nothing reads, is missing or of another type; where: what messages call the configuration."""
    base = configuration.base()
    if "name" not in config.get("model", {}):
        raise UsageError(f"{where}.model lacks the option 'name'")
    _check_like(where, config, _model_sections(config["model"]["name"]) | base)
    for section in SECTIONS:
        _check_like(f"{where}.{section}", config[section], base[section])


def _model_sections(name: str) -> dict[str, dict]:
    """The sections that a model reads, and what it is sampled by where it denoises: those with a process do."""
    read = models.sections(name)
    return {section: {} for section in (*read, *(SAMPLED if "process" in read else ()))}


def _check_like(what: str, given: Mapping[str, Any], example: Mapping[str, Any]) -> None:
    """Raises UsageError unless `given` has the keys of `example`, with values of their types."""
    choice.check_options(what, given, sorted(example))
    for key, value in example.items():
        if key not in given:
            raise UsageError(f"{what} lacks the option {key!r}")
        kind = int | float if isinstance(value, float) else type(value)
        if not isinstance(given[key], kind):
            raise UsageError(f"{what}.{key} must be of type {type(value).__name__}, not {given[key]!r}")


def _get(config: Mapping[str, Any], dotted: str) -> Any:
    for key in dotted.split("."):
        config = config[key]
    return config
