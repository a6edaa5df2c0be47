"""Options that commands share: what a model is told, and how it is sampled; and the ranges of numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import click

from musicdiff.errors import UsageError

MOST = 1_000_000  # of anything that is counted
SEEDS = 2**32 - 1  # the largest


def within(least: float, most: float = MOST) -> Callable:
    """An option's callback, which refuses numbers out of range, and NaN, in one line."""

    def check(context: click.Context, option: click.Parameter, number: float | None) -> float | None:
        if number is not None and not least <= number <= most:
            allowed = f"from {least} to {most}" if most != MOST or number > most else f"{least} or more"
            raise UsageError(f"{option.opts[0]} must be {allowed}, not {number}")
        return number

    return check


def above_zero(context: click.Context, option: click.Parameter, number: float | None) -> float | None:
    """The same, of numbers that are not counted."""
    if number is not None and not 0 < number < math.inf:
        raise UsageError(f"{option.opts[0]} must be a number above 0, not {number}")
    return number


def together(*decorators: Callable) -> Callable:
    """Arguments and options as one decorator, in the order of --help."""

    def add(command: Callable) -> Callable:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return add


counts, seeds, shares = within(1), within(0, SEEDS), within(0, 1)
TOLD = {"prompt": "text", "style": "style", "bpm": "tempo", "key": "key", "length": "length"}  # option -> condition
sampling = together(  # of every command that samples a workdir; `read` takes them out of what the command is given
    click.option("--workdir", required=True, help="Of a trained model."),
    click.option("--prompt", metavar="TEXT", help="What the clips are to be, of a model with conditions."),
    click.option("--style", help="One that the model knows."),
    click.option("--bpm", type=float, callback=above_zero, help="Tempo."),
    click.option("--key", help="Such as 'A minor'."),
    click.option(
        "--length",
        type=float,
        callback=above_zero,
        help="Seconds of the whole piece that a clip is to be from; no shipped preset trains it.",
    ),
    click.option(
        "--negative", metavar="TEXT", help="What guidance leads away from. Default: from clips that are told nothing."
    ),
    click.option("--seed", default=0, show_default=True, callback=seeds, help="Of the first clip; the others follow."),
    click.option("--seeds", help="A list such as 3,14,15 instead of --num and --seed."),
    click.option("--sampler", "name", help="Default: the one in the model's configuration."),
    click.option("--steps", type=int, callback=counts, help="Of the sampler."),
    click.option("--grid", help="How the levels of noise are spaced."),
    click.option("--option", "options", multiple=True, metavar="NAME=NUMBER", help="Of the sampler, such as eta=1."),
    click.option(
        "--milestone", default="latest", show_default=True, help="latest, best, or a number of training steps."
    ),
    click.option("--autoguide", metavar="MILESTONE", help="An earlier one, to be guided away from."),
    click.option(
        "--guidance",
        type=float,
        help="Scale: 1 is none, 3 far towards what is told. Default: the one in the configuration.",
    ),
    click.option("--interval", metavar="LOW,HIGH", help="The levels, as log-SNR, at which it acts. Default: all."),
    click.option(
        "--rescale", type=float, help="0 to 1: how far guided predictions go back to the deviation of plain ones."
    ),
    click.option("--batch-size", default=8, show_default=True, callback=counts, help="Clips computed at once."),
)


def read(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(what `generation.load` takes, what is told, what `generation.generate` takes), out of `given`, where seed and seeds stay.

    Raises UsageError for what cannot be together; nothing heavy is imported before.
    """
    workdir, milestone, autoguide = (given.pop(name) for name in ("workdir", "milestone", "autoguide"))
    told = {condition: given.pop(option) for option, condition in TOLD.items()}
    scale, interval, rescale, negative = (given.pop(name) for name in ("guidance", "interval", "rescale", "negative"))
    batch_size = given.pop("batch_size")
    changes = {"name": given.pop("name"), "num_steps": given.pop("steps"), "grid": given.pop("grid")}
    changes |= dict(_number_option(text) for text in given.pop("options"))
    if scale is None and any(value is not None for value in (autoguide, interval, rescale)):
        raise UsageError("--autoguide, --interval and --rescale need a scale: --guidance 2, say")
    low_high = _interval(interval)

    from musicdiff.diffusion.guidance import Guidance

    asked = {
        "negative": {"text": negative} if negative else None,
        "guidance": None if scale is None else Guidance(scale, low_high, rescale or 0.0),
        "sampler": {key: value for key, value in changes.items() if value is not None},
        "batch_size": batch_size,
    }
    load = {"workdir": workdir, "milestone": milestone, "autoguide": autoguide}
    return load, {name: value for name, value in told.items() if value is not None}, asked


def seeds_of(given: Mapping[str, Any], num: int) -> list[int]:
    """--seeds, or as many as are asked for from --seed on."""
    return integers(given["seeds"], "--seeds") if given["seeds"] else list(range(given["seed"], given["seed"] + num))


def integers(text: str, option: str) -> list[int]:
    """'3,14,15' as numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes whole numbers with commas between, such as 3,14,15, not {text!r}") from None


def numbers(text: str, option: str) -> list[float]:
    """'0.25,0.5' as numbers."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes numbers with commas between, such as 0.25,0.5, not {text!r}") from None


def _interval(text: str | None) -> tuple[float, float] | None:
    try:
        low, high = map(float, text.split(",")) if text else (None, None)
    except ValueError:
        raise UsageError(f"--interval takes LOW,HIGH, two levels of log-SNR such as -3,3, not {text!r}") from None
    return (low, high) if text else None


def _number_option(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name in ("name", "num_steps", "grid"):
        raise UsageError(f"--option is for a sampler's own options, not {name}: use --sampler, --steps or --grid")
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"--option takes NAME=NUMBER, such as eta=1, not {text!r}") from None
