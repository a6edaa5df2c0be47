"""The command `musicdiff`: thin; each subcommand imports what it needs when it is called, so that --help is quick."""

import dataclasses
import json

import click

from musicdiff.errors import UsageError, exit_codes

FORWARD = {"ignore_unknown_options": True, "allow_extra_args": True}


def main() -> None:
    """The console script."""
    with exit_codes():
        cli(standalone_mode=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="musicdiff-jax", prog_name="musicdiff")
def cli() -> None:
    """Music generation with diffusion models in JAX and Flax."""


@cli.command(context_settings=FORWARD)
@click.argument("config", required=False)
@click.option(
    "--workdir", help="Where the run lives, local or gs://; resumed if it is there. Default: runs/<config>-<preset>."
)
@click.pass_context
def train(context: click.Context, config: str | None, workdir: str | None) -> None:
    """Train CONFIG, such as latent:tiny or configs/mel.py:512x128; overrides look like --config.optim.learning_rate=1e-4.

    Without CONFIG, the run in --workdir goes on.
    """
    from musicdiff.training import command

    given = [config, *context.args] if config else context.args
    names = [
        text.removeprefix("--config=") for text in given if not text.startswith("--") or text.startswith("--config=")
    ]
    if len(names) > 1:
        raise UsageError(f"one configuration at a time, not {', '.join(names)}")
    overrides = [text for text in given if text.startswith("--") and not text.startswith("--config=")]
    command.train(names[0] if names else None, workdir, overrides)


@cli.command()
@click.option("--workdir", required=True, help="Of a trained model.")
@click.option("--num", default=4, show_default=True, help="Clips to generate.")
@click.option("--seed", default=0, show_default=True, help="Of the first clip; the others follow.")
@click.option("--seeds", help="A list such as 3,14,15 instead of --num and --seed.")
@click.option("--seconds", type=float, help="Of audio, exact to the sample. Default: the model's own length.")
@click.option("--sampler", "name", help="Default: the one in the model's configuration.")
@click.option("--steps", type=int, help="Of the sampler.")
@click.option("--grid", help="How the levels of noise are spaced.")
@click.option("--option", "options", multiple=True, metavar="NAME=NUMBER", help="Of the sampler, such as eta=1.")
@click.option("--milestone", default="latest", show_default=True, help="latest, best, or a number of training steps.")
@click.option("--batch-size", default=8, show_default=True, help="Clips computed at once.")
@click.option("--rate", default=44_100, show_default=True, help="Of the files, in Hz.")
@click.option("--subtype", default="PCM_24", show_default=True, help="Sample format: PCM_16, PCM_24, FLOAT.")
@click.option("--format", "container", type=click.Choice(["wav", "flac"]), default="wav", show_default=True)
@click.option("--out", default="clips", show_default=True, help="Folder for the files.")
def sample(
    workdir, num, seed, seeds, seconds, name, steps, grid, options, milestone, batch_size, rate, subtype, container, out
) -> None:
    """Generate clips from a trained model."""
    if num < 1:
        raise UsageError(f"--num must be 1 or more, not {num}")
    numbers = _integers(seeds, "--seeds") if seeds else list(range(seed, seed + num))
    changes = {"name": name, "num_steps": steps, "grid": grid} | dict(_number_option(text) for text in options)

    from musicdiff import export, generation, parallel

    export.check_format(rate, subtype, container)
    parallel.keep_compilations()
    generator = generation.load(workdir, milestone=milestone)
    sampler = {key: value for key, value in changes.items() if value is not None}
    clips = generation.generate(generator, seeds=numbers, seconds=seconds, sampler=sampler, batch_size=batch_size)
    for line in export.write_clips(out, generator, clips, rate=rate, subtype=subtype, container=container):
        click.echo(line)


@cli.command()
@click.option("--config", "text", help="Such as mel:512x128 or configs/latent.py:tiny.")
@click.option("--all", "everything", is_flag=True, help="Every configuration that comes with musicdiff.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def info(text, everything, as_json) -> None:
    """Parameters, size, seconds a clip, operations and memory of configurations."""
    if bool(text) == everything:
        raise UsageError("name one --config=NAME:PRESET, or --all")
    from musicdiff import config as configuration
    from musicdiff.training import summary

    rows = [summary.describe(name) for name in (configuration.presets() if everything else [text])]
    click.echo(json.dumps(rows, indent=2) if as_json else summary.table(rows))


@cli.group()
def data() -> None:
    """Training data: build a cache, examine a source."""


@data.command()
@click.argument("source")
@click.argument("out")
@click.option("--config", "text", default="mel:256x256", show_default=True, help="Whose mel numbers to use.")
@click.option("--strict", is_flag=True, help="Stop at the first track or label file that cannot be used.")
def build(source, out, text, strict) -> None:
    """Compute the log-mels of SOURCE (builtin, folder:PATH, tfds:NAME) into the cache OUT."""
    from musicdiff import config as configuration
    from musicdiff import data as sources
    from musicdiff.audio.mel import MelSpec

    spec = MelSpec(**configuration.load(text).config["mel"])
    cached = sources.build_tracks(sources.open_source(source), spec, out, strict=strict)
    click.echo(
        f"{cached.path}: {len(cached.split('train'))} tracks to train on, {len(cached.split('test'))} held out, {cached.hours:.2f} hours"
    )
    for skipped in cached.skipped:
        click.echo(f"left out {skipped['name']}: {skipped['reason']}")
    for unread in cached.unread_labels:
        click.echo(f"labels ignored in {unread['name']}: {unread['reason']}")


@data.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(source, as_json) -> None:
    """Examine SOURCE: hours, rates, duplicates, clipping, silence, levels, bandwidth, and the configuration that fits."""
    from musicdiff import data as sources

    report = sources.examine(sources.open_source(source))
    click.echo(json.dumps(dataclasses.asdict(report), indent=2) if as_json else sources.render(report))


@cli.command()
@click.argument("source")
@click.argument("target")
@click.option("--to", "kind", type=click.Choice(["musicdiff", "diffusers"]), default="musicdiff", show_default=True)
def convert(source, target, kind) -> None:
    """Convert a diffusers folder SOURCE into a workdir TARGET, or back."""
    from musicdiff import conversion

    for line in conversion.convert(source, target, kind):
        click.echo(line)


def _integers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} takes whole numbers with commas between, such as 3,14,15, not {text!r}") from None


def _number_option(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"--option takes NAME=NUMBER, such as eta=1, not {text!r}") from None
