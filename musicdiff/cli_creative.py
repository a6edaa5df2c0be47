"""The commands of the creative tools: thin, as those of cli.py."""

from collections.abc import Callable
from typing import Any

import click

from musicdiff import cli_options as options
from musicdiff.errors import UsageError

_FILE = click.argument("file", type=click.Path())
_REPEATS = click.option(
    "--repeats",
    default=1,
    show_default=True,
    help="How often each stretch of levels is gone through (RePaint): fits better, takes longer.",
)
_BARS = [
    click.option("--bars", type=int, default=4, show_default=True),
    click.option("--beats-per-bar", type=int, default=4, show_default=True),
    click.option("--rate", default=44_100, show_default=True, help="Of the files, in Hz."),
    click.option(
        "--turn/--no-turn", default=True, show_default=True, help="Turn each loop until its downbeat comes first."
    ),
]


def _out(default: str) -> Callable:
    return click.option("--out", default=default, show_default=True, help="Folder for the files.")


def _num(default: int) -> Callable:
    return click.option("--num", default=default, show_default=True, help="How many, each from a seed of its own.")


def _with(*decorators: Callable) -> Callable:
    def decorate(command: Callable) -> Callable:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def _load(given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The generator, and what its `generate` is asked. --bpm is the tools' own too: it is told to a model that knows tempi, and to no other."""
    load, told, asked = options.read(given)

    from musicdiff import generation, parallel

    parallel.keep_compilations()
    generator = generation.load(**load)
    told = {name: value for name, value in told.items() if name != "tempo" or "tempo" in generator.model.conditions}
    return generator, {**asked, "told": told}


def _titles(tool: str, name: str, edited: Any, rows: list[str]) -> list[str]:
    """'NAME TOOL ... seed N' of each clip; `rows` say what else differs between them."""
    per_row = len(edited.clips.seeds) // len(rows)
    return [
        f"{name} {tool} {row} seed {edited.clips.seeds[i * per_row]}".replace("  ", " ") for i, row in enumerate(rows)
    ]


@click.command()
@_FILE
@click.option(
    "--region",
    "regions",
    multiple=True,
    required=True,
    metavar="A-B",
    help="Seconds, such as 1.5-2.25, or 'bars 3-4'; several are allowed.",
)
@click.option(
    "--beats-per-bar", type=int, default=4, show_default=True, help="Of regions in bars, whose tempo is --bpm."
)
@_with(_REPEATS, _num(4), _out("inpainted"), options.sampling)
def inpaint(file, regions, beats_per_bar, repeats, num, out, **given) -> None:
    """Make regions of FILE anew, to fit what is around them. Every other sample stays as it is, bit for bit."""
    options.check_range("--num", num, 1)
    options.check_range("--repeats", repeats, 1)
    bpm = given["bpm"]

    from musicdiff.creative import files, original
    from musicdiff.creative import inpaint as tool
    from musicdiff.creative.regions import parse

    clip = original.read(file)
    wanted = [parse(text, clip.rate, len(clip.audio), bpm=bpm, beats_per_bar=beats_per_bar) for text in regions]
    generator, asked = _load(given)
    edited = tool.inpaint(
        generator, clip.audio, clip.rate, wanted, seeds=options.seeds_of(given, num), repeats=repeats, **asked
    )
    titles = _titles("inpainted", clip.name, edited, [""] * len(edited.audio))
    details = {
        "regions": [[region.start / clip.rate, region.stop / clip.rate] for region in wanted],
        "repeats": repeats,
    }
    _say(files.write(out, titles, generator, edited, [clip], tool="inpaint", details=details))


@click.command()
@_FILE
@click.option(
    "--strength",
    "strengths",
    metavar="LIST",
    help="From 0, the clip itself, to 1, which ignores it; several as 0.25,0.5.",
)
@click.option(
    "--start-step",
    "start_steps",
    metavar="LIST",
    help="The same in steps of the schedule. Default: the talk's 950,750,500,250,0.",
)
@_with(_num(1), _out("varied"), options.sampling)
def vary(file, strengths, start_steps, num, out, **given) -> None:
    """Variations of FILE: a ladder of strengths in one batch, told the same or another style."""
    options.check_range("--num", num, 1)
    if strengths and start_steps:
        raise UsageError("--strength and --start-step say the same: give one of them")

    from musicdiff.audio import picture
    from musicdiff.audio.mel import MelSpec
    from musicdiff.creative import files, original
    from musicdiff.creative import vary as tool
    from musicdiff.diffusion import starts

    clip = original.read(file)
    generator, asked = _load(given)
    steps = tool.num_steps(generator)
    if strengths:
        ladder = options.numbers(strengths, "--strength")
    else:
        asked_steps = (
            options.numbers(start_steps, "--start-step")
            if start_steps
            else [step * steps / 1000 for step in tool.LADDER]
        )
        ladder = [starts.strength_of(step, steps) for step in asked_steps]
    said = [f"strength {strength:g} (start step {strength * steps:g} of {steps})" for strength in ladder]
    click.echo(", ".join(said))
    seeds = options.seeds_of(given, num)
    edited = tool.vary(generator, clip.audio, clip.rate, strengths=ladder, seeds=seeds, **asked)
    rows = [f"strength {strength:g}" for _ in seeds for strength in ladder]
    details = [{"strength": strength, "start_step": strength * steps} for _ in seeds for strength in ladder]
    titles = _titles("varied", clip.name, edited, rows)
    drawn = files.make_folder(out) / "ladder.png"  # before the page, which shows it
    picture.save_mels(drawn, edited.clips.log_mel[: len(ladder)], MelSpec(**generator.config["mel"]), titles=said)
    _say(files.write(out, titles, generator, edited, [clip], tool="vary", details=details))
    click.echo(f"the ladder of seed {seeds[0]}: {drawn}")


@click.command()
@_with(*_BARS, _num(4), _out("loops"), options.sampling)
def loop(bars, beats_per_bar, rate, turn, num, out, **given) -> None:
    """Loops, exactly as long as so many bars at --bpm, without a seam anywhere."""
    bpm = _tempo(given, "loop")
    options.check_range("--num", num, 1)

    from musicdiff import export
    from musicdiff.creative import loop as tool
    from musicdiff.creative.tempo import lay_out

    export.check_format(rate, "PCM_24", "wav")
    generator, asked = _load(given)
    shape = {"bars": bars, "bpm": bpm, "beats_per_bar": beats_per_bar, "rate": rate}
    layout = lay_out(generator.model.domain, **shape)
    looped = tool.loop(generator, **shape, seeds=options.seeds_of(given, num), turn=turn, **asked)
    _say(tool.write(out, generator, looped, layout))


@click.command()
@_FILE
@click.option(
    "--seam", type=float, help="Seconds around the wrap that are made anew. Default: half a beat of --bpm, or 0.25."
)
@click.option(
    "--before",
    default=0.5,
    show_default=True,
    help="The share of the seam that lies before the wrap: 1 keeps the beginning.",
)
@_with(_REPEATS, _num(4), _out("loopified"), options.sampling)
def loopify(file, seam, before, repeats, num, out, **given) -> None:
    """Make FILE loop: only what lies around its wrap is made anew."""
    options.check_range("--num", num, 1)
    options.check_range("--repeats", repeats, 1)
    bpm = given["bpm"]

    from musicdiff.creative import files, original
    from musicdiff.creative import loopify as tool

    clip = original.read(file)
    generator, asked = _load(given)
    seeds = options.seeds_of(given, num)
    edited = tool.loopify(
        generator, clip.audio, clip.rate, seam=seam, bpm=bpm, before=before, seeds=seeds, repeats=repeats, **asked
    )
    titles = _titles("loop", clip.name, edited, [""] * len(edited.audio))
    _say(
        files.write(
            out,
            titles,
            generator,
            edited,
            [clip],
            tool="loopify",
            details={"seam": seam, "before": before, "repeats": repeats},
        )
    )


@click.command()
@click.option("--lufs", default=-16.0, show_default=True, help="Loudness of every loop.")
@click.option("--distance", default=3.0, show_default=True, help="dB that two loops differ by at least.")
@_with(*_BARS, _num(8), _out("pack"), options.sampling)
def pack(lufs, distance, bars, beats_per_bar, rate, turn, num, out, **given) -> None:
    """A pack of different, equally loud loops with a page and a licence file."""
    bpm = _tempo(given, "pack")
    options.check_range("--num", num, 1)
    if given["seeds"]:
        raise UsageError("a pack takes the seeds that it needs from --seed on: --seeds does not go with it")

    from musicdiff import export, facts
    from musicdiff.creative import pack as tool

    export.check_format(rate, "PCM_24", "wav")
    workdir = given["workdir"]
    generator, asked = _load(given)
    shape = {"bars": bars, "bpm": bpm, "beats_per_bar": beats_per_bar, "rate": rate, "turn": turn}
    known = facts.read(workdir)
    _say(
        tool.pack(
            generator, out, num=num, seed=given["seed"], lufs=lufs, distance=distance, facts=known, **shape, **asked
        )
    )


def _tempo(given: dict[str, Any], tool: str) -> float:
    """--bpm, which `options.read` checks to be above 0."""
    if given["bpm"] is None:
        raise UsageError(f"a {tool} has a tempo: --bpm 120, say")
    return given["bpm"]


def _say(lines: Any) -> None:
    for line in lines:
        click.echo(line)


COMMANDS = (inpaint, vary, loop, loopify, pack)
