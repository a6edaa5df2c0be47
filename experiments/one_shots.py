"""Generated one-shots beside real ones: spectrograms, waveforms, two short OGGs, and how far apart the distributions of six measures are.

    python experiments/one_shots.py OUT WORKDIR [--num 256] [--guidance 2.0] [--seed 0]

Real ones are held-out tracks of the workdir's own data, from their first sample on, at the model's rate, cut or filled with zeros to the model's
length, as in training. Each generated one is told what one of them tells, in turn, if the model can be told anything: then both have the same mix of
pieces, and so has the null, as many tracks of training: how near to the held-out ones real ones are. OUT gets one_shots.md, one_shots.json,
spectrograms.png, waveforms.png, real.ogg and generated.ogg. Of the real ones only those under CC0 are heard, unless there are none.
"""

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from etils import epath
from scipy.stats import wasserstein_distance

from musicdiff import config as configuration
from musicdiff import data, facts, generation, parallel
from musicdiff.audio import io, picture
from musicdiff.audio.mel import MelSpec, log_mel
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import DataError, UsageError, exit_codes
from musicdiff.training import conditions

BEGINNING = 0.25  # seconds from the onset: of centroid and level
QUIET = -40.0  # dB below a clip's peak: what comes before it is not yet its sound
SHORT = 0.005  # seconds: of the energy whose peak a decay begins at
FALL = 20.0  # dB
BLOCK, SILENCE = 0.01, -60.0  # seconds, dB of full scale: of the share of silence, and of clips that are nothing else
ROUNDS = 500  # of the bootstrap
DRAWN = 2 * picture.COLUMNS  # of each kind, in pictures and to hear
GAP = 0.3  # seconds between those
BATCH = 16
FREE = "CC0"


def onset(audio: np.ndarray, rate: int) -> np.ndarray:
    """Seconds before the first sample that is at most 40 dB below the clip's peak: audio [n, T] -> [n]."""
    return _first(audio) / rate


def centroid(audio: np.ndarray, rate: int) -> np.ndarray:
    """sum_f f |X(f)|^2 / sum_f |X(f)|^2 in Hz, X the Fourier transform of the 250 ms from the onset: audio [n, T] -> [n]."""
    beginning = _beginning(audio, rate)
    power = np.square(np.abs(np.fft.rfft(beginning)))
    return power @ np.fft.rfftfreq(beginning.shape[1], 1 / rate) / power.sum(1)


def level(audio: np.ndarray, rate: int) -> np.ndarray:
    """10 log10 of the mean square of the 250 ms from the onset, dB of full scale; a full sine has -3.01: audio [n, T] -> [n]."""
    return 10 * np.log10(np.square(_beginning(audio, rate)).mean(1))


def peak(audio: np.ndarray, rate: int) -> np.ndarray:
    """20 log10 max |x|, dB of full scale: audio [n, T] -> [n]."""
    return 20 * np.log10(np.abs(audio).max(1))


def decay(audio: np.ndarray, rate: int) -> np.ndarray:
    """Seconds until the energy that is still to come, sum_{s >= t} x(s)^2, is 20 dB below what it is at the peak: audio [n, T] -> [n].

    Backward integration (M. R. Schroeder, J. Acoust. Soc. Am. 37, 409, 1965). It only falls, so it has fallen for good. The peak is where the
    energy of the 5 ms that follow is greatest; noise that never ends counts as sound.
    """
    energy = np.square(audio, dtype=np.float64)
    size = round(SHORT * rate)
    summed = np.pad(energy, ((0, 0), (1, size - 1))).cumsum(1)
    start = (summed[:, size:] - summed[:, :-size]).argmax(1)[:, None]
    to_come = np.pad(energy[:, ::-1].cumsum(1)[:, ::-1], ((0, 0), (0, 1)))  # nothing, at the end
    fallen = to_come <= np.take_along_axis(to_come, start, 1) * 10 ** (-FALL / 10)
    return (fallen.argmax(1) - start[:, 0]) / rate


def silence(audio: np.ndarray, rate: int) -> np.ndarray:
    """The share of the clip's whole blocks of 10 ms whose RMS is below -60 dB of full scale: audio [n, T] -> [n]."""
    size = round(BLOCK * rate)
    blocks = audio[:, : audio.shape[1] // size * size].reshape(len(audio), -1, size)
    return (np.square(blocks, dtype=np.float64).mean(2) < 10 ** (SILENCE / 10)).mean(1)


MEASURES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "centroid, Hz": centroid,
    "decay, s": decay,
    "level, dB RMS": level,
    "peak, dB": peak,
    "onset, s": onset,
    "silence, share": silence,
}


def _first(audio: np.ndarray) -> np.ndarray:
    magnitude = np.abs(audio)
    return (magnitude >= magnitude.max(1, keepdims=True) * 10 ** (QUIET / 20)).argmax(1)


def _beginning(audio: np.ndarray, rate: int) -> np.ndarray:
    """The 250 ms from the onset; zeros after the clip's end."""
    size = round(BEGINNING * rate)
    places = _first(audio)[:, None] + np.arange(size)
    return np.take_along_axis(np.pad(audio, ((0, 0), (0, size))), places, 1).astype(np.float64)


def measure(audio: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """All MEASURES of clips that are not silent: audio [n, T] -> {name: [n]}. A few at once: they are computed in double precision."""
    parts = [audio[first : first + BATCH] for first in range(0, len(audio), BATCH)]
    return {name: np.concatenate([take(part, rate) for part in parts]) for name, take in MEASURES.items()}


def is_heard(audio: np.ndarray) -> np.ndarray:
    """Whether a clip's peak is above -60 dB of full scale; others have no centroid, onset and decay: audio [n, T] -> [n]."""
    return np.abs(audio).max(1) > 10 ** (SILENCE / 20)


def distance(real: np.ndarray, other: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """W_1(other, real) / std(real), and its standard error: the deviation over resamplings of the clips of both. real [n], other [m]."""

    def apart(real, other):
        return wasserstein_distance(real, other) / max(real.std(), 1e-12)

    rng = np.random.default_rng(seed)
    again = [apart(rng.choice(real, len(real)), rng.choice(other, len(other))) for _ in range(ROUNDS)]
    return float(apart(real, other)), float(np.std(again))


def alike(styles: Sequence[str], pool: Sequence[str], seed: int = 0) -> list[int]:
    """For each style a place of the pool that has it, drawn without repeats until it has no other; any place where no one has it."""
    order = np.random.default_rng(seed).permutation(len(pool)).tolist()
    turns = {style: itertools.cycle([place for place in order if pool[place] == style]) for style in set(pool)}
    anything = itertools.cycle(order)
    return [next(turns.get(style, anything)) for style in styles]


def various(styles: Sequence[str], count: int) -> list[int]:
    """`count` places, or as many as there are: one of each style, then a second; the commonest style first."""
    ranked = [style for style, _ in Counter(styles).most_common()]
    places = [[place for place, own in enumerate(styles) if own == style] for style in ranked]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*places))
    return [place for place in turns if place is not None][:count]


@dataclass(frozen=True)
class OneShots:
    """Clips float32 [n, T, C], and of each its style, '' if unknown; of real ones their names and licences."""

    audio: np.ndarray
    styles: Sequence[str]
    names: Sequence[str] = ()
    licences: Sequence[str] = ()

    @property
    def mono(self) -> np.ndarray:
        """What is measured: the mean of the channels [n, T]."""
        return self.audio.mean(2)

    def heard(self) -> tuple[np.ndarray, list[str]]:
        """mono and styles of those that are not silent."""
        kept = is_heard(self.mono)
        return self.mono[kept], [style for style, is_kept in zip(self.styles, kept) if is_kept]


def read(split: data.TrackSplit, places: Sequence[int], samples: int) -> OneShots:
    """Tracks of a split, from their first sample on."""
    audio = np.zeros((len(places), samples, *split.silence.shape), np.float32)
    for clip, track in zip(audio, places):
        stored = split.records.array(track, 0, samples)
        clip[: len(stored)] = stored * split.records.unit
    labels = ([str(split.labels[label][track]) for track in places] for label in ("style", "name", "licence"))
    return OneShots(audio, *labels)


def open_data(workdir: str, generator: generation.Generator) -> data.Tracks:
    """The audio of the data that a workdir was trained on, at its model's rate and width.

    Raises DataError when nothing of it is held out, or it is not what the model was trained on.
    """
    settings, domain = generator.config["data"], generator.model.domain
    source = data.open_source(settings["source"])
    tracks = data.build_audio(source, domain.sample_rate, domain.channels, settings["cache_dir"])
    trained_on = facts.read(workdir).get("fingerprint", tracks.fingerprint)
    if generator.model.feature == tracks.feature and trained_on != tracks.fingerprint:
        raise DataError(f"{settings['source']} has changed since {workdir} was trained on it: restore it")
    if not len(tracks.split("test")):
        raise DataError(f"{settings['source']} has no held-out clips: it holds a single track, which was trained on")
    return tracks


def tabulate(held_out: OneShots, null: OneShots, generated: OneShots, rate: int) -> list[dict]:
    """For each measure: median and quartiles of each set, the distances of the null and of the generated ones from what is held out."""
    measured = [measure(shots.heard()[0], rate) for shots in (held_out, null, generated)]
    rows = []
    for name in MEASURES:
        real, training, made = (one[name] for one in measured)
        quartiles = {
            key: np.quantile(values, (0.5, 0.25, 0.75)).tolist()
            for key, values in (("held out", real), ("training", training), ("generated", made))
        }
        rows.append({"measure": name, **quartiles, "null": distance(real, training), "apart": distance(real, made)})
    return rows


def tabulate_pieces(sets: Mapping[str, OneShots], rate: int) -> list[dict]:
    """For each style: {set: (clips, median centroid in Hz)}, the commonest of the first set first."""
    found = {}
    for name, shots in sets.items():
        audio, styles = shots.heard()
        centroids = measure(audio, rate)["centroid, Hz"]
        for style in set(styles):
            values = [value for value, own in zip(centroids, styles) if own == style]
            found.setdefault(style, {})[name] = (len(values), float(np.median(values)))
    first = next(iter(sets))
    ranked = sorted(found, key=lambda style: (-found[style].get(first, (0,))[0], style))
    return [{"style": style, **found[style]} for style in ranked]


def render(report: Mapping) -> str:
    """The tables as markdown."""

    def spread(values):
        middle, low, high = values
        return f"{middle:.3g} ({low:.3g} .. {high:.3g})"

    def line(*cells):
        return f"| {' | '.join(cells)} |"

    clips = report["clips"]
    silent = ", ".join(f"{number} of {name}" for name, number in report["silent"].items())
    header = [f"{name} ({number})" for name, number in clips.items()]
    lines = [
        report["made"],
        "",
        f"Median (quartiles); W1 / std of the held-out ones, ± standard error. Silent, and left out: {silent}.",
        "",
        line("", *header, "W1, training", "W1, generated"),
        "|---" * (3 + len(clips)) + "|",
    ]
    for row in report["measures"]:
        apart = (f"{value:.2f} ± {error:.2f}" for value, error in (row["null"], row["apart"]))
        lines.append(line(row["measure"], *(spread(row[name]) for name in clips), *apart))
    told = list(clips)[: 3 if report["told"] else 2]
    lines += ["", "Median centroid in Hz (clips), by style:", "", line("", *told), "|---" * (1 + len(told)) + "|"]
    for row in report["pieces"]:
        cells = ("{1:.0f} ({0})".format(*row[name]) if name in row else "" for name in told)
        lines.append(line(row["style"] or "none", *cells))
    heard = (f"{name} ({licence or 'licence unknown'})" for name, licence in report["heard"])
    return "\n".join([*lines, "", f"real.ogg: {', '.join(heard)}."]) + "\n"


def beside(real: Sequence, generated: Sequence) -> list:
    """Rows of a picture: real ones above generated ones."""
    rows = range(0, max(len(real), len(generated)), picture.COLUMNS)
    return [one for row in rows for part in (real, generated) for one in part[row : row + picture.COLUMNS]]


def save_waveforms(path: epath.Path, audio: np.ndarray, rate: int, titles: Sequence[str]) -> None:
    """A PNG of panels of audio [n, T], each from -1 to 1 of full scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(picture.COLUMNS, len(audio))
    rows = -(-len(audio) // columns)
    figure = Figure(figsize=(3 * columns, 1.3 * rows), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, clip, title in zip(axes, audio, titles):
        axis.plot(np.arange(len(clip)) / rate, clip, linewidth=0.4)
        axis.set_ylim(-1, 1)
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=6)
    figure.supxlabel("seconds", fontsize=8)
    with path.open("wb") as file:
        canvas.print_png(file)


def save_audio(path: epath.Path, audio: np.ndarray, rate: int) -> None:
    """Clips [n, T, C] one after another, with gaps of silence."""
    gap = np.zeros((round(GAP * rate), audio.shape[2]), np.float32)
    io.write(path, np.concatenate([part for clip in audio for part in (clip, gap)]), rate)


def compare(out: epath.Path, workdir: str, num: int, seed: int, guidance: float | None) -> str:
    """Writes all of OUT; returns the tables. Raises what `generation.load` and `open_data` raise, and UsageError for no clips."""
    if num < 1:
        raise UsageError(f"--num must be 1 or more, not {num}")
    generator = generation.load(workdir)
    config, tracks = generator.config, open_data(workdir, generator)
    test, train = tracks.split("test"), tracks.split("train")
    places = np.arange(min(num, len(test))) * len(test) // min(num, len(test))
    turns = [places[i % len(places)] for i in range(num)]
    known = conditions.of_tracks(generator.model.conditions, test, config["data"]["cache_dir"])
    told = [known.values(track) for track in turns]
    # Of a model that is told no pieces the mix is its own, and that of the null is chance's too.
    is_told = any({"style", "text"} & set(row) for row in told)
    clips = generation.generate(
        generator,
        seeds=range(seed, seed + num),
        told=told,
        guidance=None if guidance is None else Guidance(guidance),
        batch_size=min(BATCH, num),
    )
    samples, rate = clips.audio.shape[1], clips.sample_rate
    styles, pool = (split.labels["style"] if is_told else np.full(len(split), "") for split in (test, train))
    generated = OneShots(clips.audio, styles[turns].tolist())
    held_out, null = read(test, places, samples), read(train, alike(generated.styles, pool.tolist()), samples)
    for name, shots in (("held-out", held_out), ("generated", generated)):
        if not is_heard(shots.mono).any():
            raise DataError(f"{workdir}: all {len(shots.audio)} {name} clips are silent; there is nothing to compare")

    whole_rows = len(places) // picture.COLUMNS * picture.COLUMNS
    drawn = various(held_out.styles, min(DRAWN, whole_rows or 1))
    titles = beside(
        [f"{held_out.styles[i] or held_out.names[i]}, real" for i in drawn],
        [f"{generated.styles[i] or f'seed {clips.seeds[i]}'}, generated" for i in drawn],
    )
    audio, spec = np.stack(beside(held_out.audio[drawn], generated.audio[drawn])), MelSpec(**config["mel"])
    out.mkdir(parents=True, exist_ok=True)
    picture.save_mels(out / "spectrograms.png", np.asarray(log_mel(audio, spec)), spec, titles=titles)
    save_waveforms(out / "waveforms.png", audio.mean(2), rate, titles)
    free = [i for i, licence in enumerate(held_out.licences) if licence.startswith(FREE)] or list(range(len(places)))
    heard = [free[i] for i in various([held_out.styles[i] for i in free], DRAWN)]
    save_audio(out / "real.ogg", held_out.audio[heard], rate)
    save_audio(out / "generated.ogg", generated.audio[heard], rate)

    sets = {"held out": held_out, "training": null, "generated": generated}
    settings = clips.settings
    report = {
        "made": f"{configuration.fingerprint(config)}, step {generator.step}; {num} clips of {samples / rate:.2f} s by {settings['name']}, "
        f"{settings['num_steps']} steps, guidance {clips.guidance.scale if clips.guidance else 1:g}, seeds {seed} to {seed + num - 1}, "
        f"in {clips.compute_seconds:.0f} s on {parallel.device_description()}.",
        "sampler": settings,
        "guidance": clips.guidance and asdict(clips.guidance),
        "told": is_told,
        "clips": {name: len(shots.audio) for name, shots in sets.items()},
        "silent": {name: int((~is_heard(shots.mono)).sum()) for name, shots in sets.items()},
        "measures": tabulate(held_out, null, generated, rate),
        "pieces": tabulate_pieces(sets, rate),
        "heard": [(held_out.names[i], held_out.licences[i]) for i in heard],
    }
    text = render(report)
    (out / "one_shots.md").write_text(text)
    (out / "one_shots.json").write_text(json.dumps(report, indent=2) + "\n")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("workdir")
    parser.add_argument("--num", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", type=float, help="scale; by default the configuration's")
    options = parser.parse_args()
    with exit_codes():
        print(compare(epath.Path(options.out), options.workdir, options.num, options.seed, options.guidance))


if __name__ == "__main__":
    main()
