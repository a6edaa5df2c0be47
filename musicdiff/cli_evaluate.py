"""The commands `musicdiff fad`, `kad` and `evaluate`: clips against a reference. As thin as cli.py, and as lazy."""

import dataclasses
import difflib
import json
import os
from collections.abc import Callable
from typing import Any

import click

from musicdiff import cli_options as options
from musicdiff.errors import UsageError

REPORT = "report"


class Reporting(click.Group):
    """A group whose first word may be a folder, of which it reports: `evaluate clips ...` is `evaluate report clips ...`."""

    def resolve_command(self, context: click.Context, arguments: list[str]):
        word = arguments[0]
        if word in self.commands:
            return super().resolve_command(context, arguments)
        close = difflib.get_close_matches(word, self.commands, n=1)
        if close and not os.path.exists(word):
            raise UsageError(f"no command and no folder {word!r}; did you mean {close[0]!r}?")
        return super().resolve_command(context, [REPORT, *arguments])


by_embedding = options.together(
    click.option("--embedding", "name", default="musicnn", show_default=True, help="NAME or NAME:VARIANT."),
    click.option("--weights", metavar="FILE", help="Of the embedding. Default: where `musicdiff weights list` says."),
)
scoring = options.together(
    click.option(
        "--max-padded", default=0.1, show_default=True, callback=options.shares, help="Of the windows, at most."
    ),
    click.option("--seed", default=0, show_default=True, callback=options.seeds, help="Of all that is drawn."),
)
in_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
two_sets = options.together(
    click.argument("generated", metavar="GEN"),
    click.argument("reference", metavar="REF"),
    by_embedding,
    click.option("--against", metavar="FOLDER", help="Another set to compare; clips of one file name are pairs."),
    scoring,
    in_json,
)
against_reference = options.together(
    click.argument("subject", metavar="WORKDIR|FOLDER"),
    click.option("--reference", required=True, metavar="REF", help="A folder, statistics of one (.npz), or fma_pop."),
    by_embedding,
    click.option(
        "--num", default=64, show_default=True, callback=options.within(2), help="Clips to generate, of a workdir."
    ),
    click.option("--sampler", help="Of a workdir. Default: the one in its configuration."),
    click.option("--steps", type=int, callback=options.counts, help="Of the sampler."),
    click.option(
        "--batch-size", default=8, show_default=True, callback=options.counts, help="Clips generated at once."
    ),
    scoring,
    click.option("--out", default="evaluation", show_default=True, help="Folder for what is written."),
)


@click.command()
@two_sets
def fad(generated, reference, name, weights, against, max_padded, seed, as_json) -> None:
    """Fréchet distance of the clips in GEN to REF: a folder, statistics of one (.npz), or fma_pop."""
    embedding = _load(name, weights)

    from musicdiff.evaluation import command

    folders = [generated, against] if against else [generated]
    found = command.measure_fad(embedding, folders, reference, max_padded=max_padded, seed=seed)
    _echo(found, command.render, as_json)


@click.command()
@two_sets
def kad(generated, reference, name, weights, against, max_padded, seed, as_json) -> None:
    """Kernel distance of the clips in GEN to those of the folder REF: without bias at any number of clips."""
    embedding = _load(name, weights)

    from musicdiff.evaluation import command

    folders = [generated, against] if against else [generated]
    found = command.measure_kad(embedding, folders, reference, max_padded=max_padded, seed=seed)
    _echo(found, command.render, as_json)


@click.group(
    cls=Reporting,
    context_settings={"ignore_unknown_options": True},
    subcommand_metavar="WORKDIR|FOLDER|COMMAND [ARGS]...",
)
def evaluate() -> None:
    """Evaluate clips: WORKDIR|FOLDER --reference REF writes the report, whose options `evaluate report --help` lists.

    A folder that is called like a command is given as ./NAME.
    """


@evaluate.command(REPORT)
@against_reference
@click.option("--milestone", default="latest", show_default=True, help="latest, best, or a number of training steps.")
def write_report(
    subject, reference, name, weights, num, sampler, steps, batch_size, max_padded, seed, out, milestone
) -> None:
    """Score a workdir's clips, which are generated, or a folder's, beside the nulls: report.md, .json and .png."""
    embedding = _load(name, weights)

    from musicdiff.evaluation import report, rows

    found = report.measure(
        subject,
        reference,
        embedding,
        out=out,
        num_clips=num,
        seed=seed,
        milestone=milestone,
        batch_size=batch_size,
        asked=_asked(sampler, steps),
        max_padded=max_padded,
    )
    click.echo(rows.render([found.score, *found.nulls], but=(*rows.COUNTS, "reference")))
    for path in report.write(out, found):
        click.echo(path)


@evaluate.command("curve")
@against_reference
def draw_curve(subject, reference, name, weights, num, sampler, steps, batch_size, max_padded, seed, out) -> None:
    """The score over training steps, of a workdir, or over the number of clips, of a folder."""
    embedding = _load(name, weights)

    from etils import epath

    from musicdiff.evaluation import curve, listening
    from musicdiff.evaluation import reference as references

    options = {"max_padded": max_padded, "seed": seed}
    if (epath.Path(subject).expanduser() / "config.json").exists():
        made = {"num_clips": num, "batch_size": batch_size, "asked": _asked(sampler, steps)}
        found = curve.over_steps(embedding, subject, references.load(embedding, reference), **made, **options)
    else:
        heard = listening.folder(embedding, subject)
        found = curve.over_clips(embedding, heard, references.load(embedding, reference), label=subject, **options)
    click.echo(curve.render(found))
    for path in curve.write(out, found):
        click.echo(path)


@evaluate.command()
@click.argument("folder")
@click.argument("out", metavar="OUT.npz")
@by_embedding
def statistics(folder, out, name, weights) -> None:
    """Keep what the Fréchet distance needs of a reference, for when its clips are not there any more."""
    if not out.endswith(".npz"):
        raise UsageError(f"statistics are written to .npz files, not {out}: call it {out}.npz")
    embedding = _load(name, weights)

    from musicdiff.evaluation import listening, reference

    heard = listening.folder(embedding, folder)
    reference.save(out, embedding, heard)
    click.echo(f"{out}: {heard.embedded.clips} clips, {heard.seconds:.1f} s, by {embedding.name}")
    for clip, reason in heard.unusable:
        click.echo(f"left out {clip}: {reason}")


@evaluate.command()
@click.argument("generated", metavar="GEN")
@click.option("--workdir", help="The run whose training tracks clips may copy.")
@click.option("--training", metavar="FOLDER", help="Of the tracks that they may copy, where there is no workdir.")
@click.option("--held-out", metavar="FOLDER", help="Of such music, never trained on: it sets the threshold.")
@click.option("--seed", default=0, show_default=True, callback=options.seeds, help="Of how held-out tracks are halved.")
@click.option("--out", default="copies.png", show_default=True, metavar="PNG", help="Picture of both distributions.")
@in_json
def copies(generated, workdir, training, held_out, seed, out, as_json) -> None:
    """Find clips in GEN that are nearer to a training track than held-out clips are."""
    if bool(workdir) == bool(training and held_out) or (workdir and (training or held_out)):
        raise UsageError("what may be copied is --workdir RUN, or --training FOLDER and --held-out FOLDER")

    from musicdiff import parallel
    from musicdiff.evaluation import copies as evaluation

    parallel.keep_compilations()
    sources = (generated, training, held_out)
    found = (
        evaluation.of_workdir(workdir, generated, seed=seed) if workdir else evaluation.of_folders(*sources, seed=seed)
    )
    evaluation.save_picture(out, found)
    _echo(found, evaluation.render, as_json)


@evaluate.command("filter")
@click.argument("generated", metavar="GEN")
@click.argument("reference", metavar="REF")
@click.option(
    "--keep",
    "kept",
    multiple=True,
    required=True,
    metavar="FILTER",
    help="MEASURE<LIMIT, or >, or a share: lufs<-14, mean_db<75%. May be given again.",
)
@by_embedding
@scoring
@in_json
def filter_clips(generated, reference, kept, name, weights, max_padded, seed, as_json) -> None:
    """The score of GEN before and after leaving clips out, beside random sets of as many: measures mean_db, rms, lufs, flatness."""
    from musicdiff.evaluation import filters

    keep = [filters.Filter.parse(text) for text in kept]
    embedding = _load(name, weights)

    from musicdiff.evaluation import listening
    from musicdiff.evaluation import reference as references

    heard, against = listening.folder(embedding, generated), references.load(embedding, reference)
    values = {each.measure: filters.measure_folder(generated, each.measure) for each in keep}
    options = {"label": generated, "max_padded": max_padded, "seed": seed}
    found = [filters.compare(embedding, heard, values[each.measure], each, against, **options) for each in keep]
    click.echo(json.dumps([dataclasses.asdict(each) for each in found], indent=2) if as_json else filters.render(found))


@evaluate.command()
@click.argument("folder")
@by_embedding
@click.option(
    "--num", default=64, show_default=True, callback=options.within(4), help="Clips of 10 s, spread over the tracks."
)
@click.option("--seed", default=0, show_default=True, callback=options.seeds, help="Of all that is drawn.")
@in_json
def audit(folder, name, weights, num, seed, as_json) -> None:
    """Try an embedding on FOLDER: is its distance 0, symmetric, higher the worse the sound, the same in any order?"""
    embedding = _load(name, weights)

    from musicdiff.evaluation import audit as evaluation

    clips, unreadable = evaluation.excerpts(folder, embedding.sample_rate, count=num)
    found = evaluation.run(embedding, clips, embedding.sample_rate, seed=seed)
    found = dataclasses.replace(found, unusable=(*found.unusable, *map(tuple, unreadable)))
    _echo(found, evaluation.render, as_json)


@evaluate.command("clap-score")
@click.argument("folder")
@click.option("--embedding", "name", default="clap:music", show_default=True, help="clap:VARIANT.")
@click.option("--weights", metavar="FILE", help="Of both halves. Default: where `musicdiff weights list` says.")
@scoring
@in_json
def score_prompts(folder, name, weights, max_padded, seed, as_json) -> None:
    """How alike the clips of FOLDER and the prompts beside them are, and the same clips and others' prompts."""
    from musicdiff.evaluation import clap_score

    found = clap_score.of_folder(folder, name, weights, max_padded=max_padded, seed=seed)
    _echo(found, clap_score.render, as_json)


def _load(name: str, weights: str | None) -> Any:
    from musicdiff import parallel
    from musicdiff.evaluation import embedding

    parallel.keep_compilations()
    return embedding.load(name, weights)


def _asked(sampler: str | None, steps: int | None) -> dict[str, Any]:
    """Of generation.stream."""
    given = {"name": sampler, "num_steps": steps}
    return {"sampler": {name: value for name, value in given.items() if value is not None}}


def _echo(found: Any, render: Callable[[Any], str], as_json: bool) -> None:
    click.echo(json.dumps(dataclasses.asdict(found), indent=2) if as_json else render(found))


COMMANDS = (fad, kad, evaluate)
