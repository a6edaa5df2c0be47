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
    callback=options.within(1, 1000),
    help="How often each stretch of levels is gone through (RePaint): fits better, takes longer.",
)
_BARS = options.together(
    click.option("--bars", default=4, show_default=True, callback=options.counts),
    click.option("--beats-per-bar", default=4, show_default=True, callback=options.counts),
    click.option("--rate", default=44_100, show_default=True, help="Of the files, in Hz."),
    click.option(
        "--turn/--no-turn", default=True, show_default=True, help="Turn each loop until its downbeat comes first."
    ),
)


def _out(default: str) -> Callable:
    return click.option("--out", default=default, show_default=True, help="Folder for the files.")


def _num(default: int) -> Callable:
    return click.option(
        "--num",
        default=default,
        show_default=True,
        callback=options.counts,
        help="How many, each from a seed of its own.",
    )


def _load(given: dict[str, Any], *, counts: bool = False) -> tuple[Any, dict[str, Any]]:
    """The generator, and what its `generate` is asked.

    counts: the tool counts bars or beats by --bpm, so that a model which knows no tempi is told none; otherwise it refuses what it cannot be told
    """
    load, told, asked = options.read(given)

    from musicdiff import generation, parallel

    parallel.keep_compilations()
    generator = generation.load(**load)
    if counts and "tempo" not in generator.model.conditions:
        told.pop("tempo", None)
    return generator, {**asked, "told": told}


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
    "--beats-per-bar",
    default=4,
    show_default=True,
    callback=options.counts,
    help="Of regions in bars, whose tempo is --bpm.",
)
@options.together(_REPEATS, _num(4), _out("inpainted"), options.sampling)
def inpaint(file, regions, beats_per_bar, repeats, num, out, **given) -> None:
    """Make regions of FILE anew, to fit what is around them. Every other sample stays as it is, bit for bit."""
    bpm = given["bpm"]

    from musicdiff.creative import files, original
    from musicdiff.creative import inpaint as tool
    from musicdiff.creative.regions import parse

    clip = original.read(file)
    wanted = [parse(text, clip.rate, len(clip.audio), bpm=bpm, beats_per_bar=beats_per_bar) for text in regions]
    generator, asked = _load(given, counts=True)
    seeds = options.seeds_of(given, num)
    edited = tool.inpaint(generator, clip.audio, clip.rate, wanted, seeds=seeds, repeats=repeats, **asked)
    titles = [f"{clip.name} inpainted seed {seed}" for seed in seeds]
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
@options.together(_num(1), _out("varied"), options.sampling)
def vary(file, strengths, start_steps, num, out, **given) -> None:
    """Variations of FILE: a ladder of strengths in one batch, told the same or another style."""
    if strengths and start_steps:
        raise UsageError("--strength and --start-step say the same: give one of them")

    from musicdiff.creative import original
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
    click.echo(", ".join(tool.says(generator, strength) for strength in ladder))
    seeds = options.seeds_of(given, num)
    edited = tool.vary(generator, clip.audio, clip.rate, strengths=ladder, seeds=seeds, **asked)
    _say(tool.write(out, generator, edited, clip, strengths=ladder))


@click.command()
@click.argument("files", nargs=-1, type=click.Path(), metavar="[A B]")
@click.option("--to", metavar="TEXT", help="What the last clip is told; the first is told --prompt.")
@click.option("--to-style", help="The same of --style.")
@click.option(
    "--weights",
    default="0,0.25,0.5,0.75,1",
    show_default=True,
    help="From 0, the first, to 1, the second: a clip each.",
)
@options.together(_out("between"), options.sampling)
def interpolate(files, to, to_style, weights, out, **given) -> None:
    """From one clip to another, A to B, or without files from one prompt to another, by the noise that makes them.

    The seed is that of the noise between prompts; between clips it counts for nothing.
    """
    if len(files) not in (0, 2):
        raise UsageError(f"two files are interpolated, or two prompts without any, not {len(files)}")
    if given["seeds"]:
        raise UsageError("all clips between two are of one noise: --seed, not --seeds")
    if files and any(given[name] is not None for name in ("guidance", "negative", "name")):
        raise UsageError(
            "clips are inverted by heun and without guidance: leave out --sampler, --guidance and --negative"
        )
    shares, start = options.numbers(weights, "--weights"), given["seed"]

    from musicdiff import prompts
    from musicdiff.audio import io
    from musicdiff.creative import files as outputs
    from musicdiff.creative import interpolate as tool
    from musicdiff.creative import original

    clips = [original.read(file) for file in files]
    generator, asked = _load(given)
    first = asked.pop("told")
    second = first | {name: value for name, value in (("text", to), ("style", to_style)) if value is not None}
    if clips:
        a, b = clips
        other = io.resample(io.mix(b.audio, a.audio.shape[1]), b.rate, a.rate)
        steps = {"sampler": asked["sampler"], "batch_size": asked["batch_size"]}
        edited = tool.between_clips(generator, a.audio, other, a.rate, weights=shares, told=(first, second), **steps)
        titles = [f"{a.name} to {b.name} {share:g}" for share in shares]
    elif first == second:
        raise UsageError("nothing lies between two prompts that are the same: say --prompt A --to B, or name two files")
    else:
        edited = tool.between_prompts(generator, first, second, weights=shares, seed=start, **asked)
        titles = [f"{prompts.say(first)} to {prompts.say(second)} {share:g} seed {start}" for share in shares]
    details = [{"weight": share} for share in shares]
    _say(outputs.write(out, titles, generator, edited, clips, tool="interpolate", details=details))


@click.command()
@options.together(_BARS, _num(4), _out("loops"), options.sampling)
def loop(bars, beats_per_bar, rate, turn, num, out, **given) -> None:
    """Loops, exactly as long as so many bars at --bpm, without a seam anywhere."""
    bpm = _tempo(given, "loop")

    from musicdiff import export
    from musicdiff.creative import loop as tool
    from musicdiff.creative.tempo import lay_out

    export.check_format(rate, "PCM_24", "wav")
    generator, asked = _load(given, counts=True)
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
@click.option(
    "--beats-per-bar",
    type=int,
    callback=options.counts,
    help="Of the clip: written into the file, for sequencers, if it is known.",
)
@options.together(_REPEATS, _num(4), _out("loopified"), options.sampling)
def loopify(file, seam, before, beats_per_bar, repeats, num, out, **given) -> None:
    """Make FILE loop: only what lies around its wrap is made anew."""
    bpm = given["bpm"]

    from musicdiff.creative import loopify as tool
    from musicdiff.creative import original

    clip = original.read(file)
    generator, asked = _load(given, counts=True)
    where = {"seam": seam, "bpm": bpm, "before": before}
    seeds = options.seeds_of(given, num)
    edited = tool.loopify(generator, clip.audio, clip.rate, **where, seeds=seeds, repeats=repeats, **asked)
    details = {"seam": seam, "before": before, "repeats": repeats}
    _say(tool.write(out, generator, edited, clip, bpm=bpm, beats_per_bar=beats_per_bar, details=details))


@click.command()
@click.option("--lufs", default=-16.0, show_default=True, help="Loudness of every loop.")
@click.option("--distance", default=3.0, show_default=True, help="dB that two loops differ by at least.")
@options.together(_BARS, _num(8), _out("pack"), options.sampling)
def pack(lufs, distance, bars, beats_per_bar, rate, turn, num, out, **given) -> None:
    """A pack of different, equally loud loops with a page and a licence file."""
    bpm = _tempo(given, "pack")
    if given["seeds"]:
        raise UsageError("a pack takes the seeds that it needs from --seed on: --seeds does not go with it")

    from musicdiff import export, facts
    from musicdiff.creative import pack as tool

    export.check_format(rate, "PCM_24", "wav")
    workdir = given["workdir"]
    generator, asked = _load(given, counts=True)
    shape = {"bars": bars, "bpm": bpm, "beats_per_bar": beats_per_bar, "rate": rate, "turn": turn}
    known = facts.read(workdir)
    _say(
        tool.pack(
            generator, out, num=num, seed=given["seed"], lufs=lufs, distance=distance, facts=known, **shape, **asked
        )
    )


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option(
    "--seconds", type=float, required=True, help="Of the whole, FILE and what goes on from it, to the sample."
)
@click.option("--overlap", default=0.5, show_default=True, help="Of a window that the next one goes on from.")
@click.option(
    "--stream", is_flag=True, help="Write while it is made: any length in the same memory. So it is without FILE."
)
@click.option("--rate", type=int, help="Of the file, in Hz. Default: that of FILE, or 44100.")
@options.together(_num(1), _out("extended"), options.sampling)
def extend(file, seconds, overlap, stream, rate, num, out, **given) -> None:
    """Go on from the end of FILE, whose samples stay as they are, or without it from nothing."""
    if file and rate is not None:
        raise UsageError("the rate is that of FILE: leave out --rate")

    from musicdiff import export
    from musicdiff.creative import extend as tool
    from musicdiff.creative import files, original, streamed

    clip = original.read(file) if file else None
    rate = clip.rate if clip else 44_100 if rate is None else rate
    export.check_format(rate, "PCM_24", "wav")
    generator, asked = _load(given)
    details = {"overlap": overlap}
    asked |= {"rate": rate, "seconds": seconds, "share": overlap}
    for seed in options.seeds_of(given, num):
        title = f"{clip.name} extended seed {seed}" if clip else f"{generator.name} {seconds:g} s seed {seed}"
        if clip and not stream:
            edited = tool.extend(generator, clip.audio, seed=seed, **asked)
            _say(files.write(out, [title], generator, edited, [clip], tool="extend", details=details))
        else:
            _say(streamed.write(out, title, generator, given=clip, seed=seed, details=details, **asked))


@click.command()
@click.option("--hours", type=float, required=True, help="Of audio.")
@click.option(
    "--preset", default="overnight", show_default=True, help="overnight, for speed, or studio, as configured."
)
@click.option("--fade-in", default=20.0, show_default=True, help="Seconds.")
@click.option("--fade-out", default=60.0, show_default=True, help="Seconds.")
@click.option("--low-pass", type=float, help="Hz, above which it grows softer, by 24 dB an octave.")
@click.option("--lufs", type=float, help="Loudness of the first minute, by one gain for all; -35, say.")
@click.option("--rate", default=44_100, show_default=True, help="Of the file, in Hz.")
@click.option("--subtype", default="PCM_24", show_default=True, help="Sample format: PCM_16, PCM_24, FLOAT.")
@options.together(click.option("--out", default="night.wav", show_default=True, help="The file."), options.sampling)
def sleep(hours, preset, fade_in, fade_out, low_pass, lufs, rate, subtype, out, **given) -> None:
    """Hours of music in one file. Says first what it will take; killed, the same command goes on."""
    if given["seeds"]:
        raise UsageError("a night is of one seed: --seed, not --seeds")

    from musicdiff.creative import sleep as tool

    seed = given["seed"]
    generator, asked = _load(given)
    generator, chosen = tool.use(generator, preset)
    asked |= {"share": chosen["share"], "sampler": {**chosen["sampler"], **asked["sampler"]}}
    mastering = {"fade_in": fade_in, "fade_out": fade_out, "low_pass": low_pass, "lufs": lufs}
    _say(tool.sleep(generator, out, hours=hours, seed=seed, rate=rate, subtype=subtype, **mastering, **asked))


@click.command()
@_FILE
@click.option(
    "--fix", type=click.Choice(["dropout", "click", "clip", "bandwidth"]), required=True, help="What is damaged."
)
@click.option(
    "--region", "regions", multiple=True, metavar="A-B", help="Where, as of inpaint. Default: wherever it is found."
)
@click.option("--cutoff", type=float, help="Hz, of bandwidth: where the clip ends. Default: where it is found.")
@options.together(_num(1), _out("restored"), options.sampling)
def restore(file, fix, regions, cutoff, num, out, **given) -> None:
    """Repair FILE: what is damaged is made anew, and what is not stays as it is."""

    from musicdiff.creative import files, original
    from musicdiff.creative import restore as tool
    from musicdiff.creative.regions import parse

    clip = original.read(file)
    wanted = [parse(text, clip.rate, len(clip.audio)) for text in regions] or None
    generator, asked = _load(given)
    seeds = options.seeds_of(given, num)
    edited = tool.restore(generator, clip.audio, clip.rate, fix, regions=wanted, cutoff=cutoff, seeds=seeds, **asked)
    titles = [f"{clip.name} restored {fix} seed {seed}" for seed in seeds]
    given_as = [tool.written(clip, fix)]
    _say(files.write(out, titles, generator, edited, given_as, tool="restore", details={"fix": fix, "cutoff": cutoff}))


def _tempo(given: dict[str, Any], tool: str) -> float:
    """--bpm, which these tools need."""
    if given["bpm"] is None:
        raise UsageError(f"a {tool} has a tempo: --bpm 120, say")
    return given["bpm"]


def _say(lines: Any) -> None:
    for line in lines:
        click.echo(line)


COMMANDS = (inpaint, vary, interpolate, loop, loopify, pack, extend, sleep, restore)
