"""How well a conditional model obeys: from one seed, only the style, the tempo or the key it is told is changed, on combinations never trained.

    python experiments/control.py OUT WORKDIR [WORKDIR ...] [--num 10] [--guidance 1 2 3 5 7] [--free 1000]

Judges (judges.py) are trained first on the songs of the first workdir, from its cache, and checked on held-out ones, also by way of each latent
model. Then every workdir, told by labels and told by captions as the songs have them, makes num x 10 clips of five kinds at each guidance scale:

    style     a seed has its tempo and its key; ten styles
    tempo     a seed has its style and its key; ten tempos of 60 to 175 beats a minute
    key       a seed has its style and its tempo; ten keys
    pairs     a seed is told ten pairs of a style and a key that no training song has, at tempos of the style
    trained   a seed is told ten combinations that training songs have, of ten styles: nothing is new

In the first three no training song has this style within 4 % of this tempo, or none has it in this key. Real songs, composed as asked, are judged
too: more than they get cannot be had. OUT gets control.md, control.json and PNGs for each workdir and way of telling: the first seed's ten styles,
and its ten tempos. Errors are bootstrapped over seeds.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from etils import epath
from free_songs import perform, plan_at, rendered_ahead
from judges import LEAST_MELS, STYLES, Judges, error_of, trusted

from musicdiff import config as configuration
from musicdiff import data, generation, models
from musicdiff.audio import picture
from musicdiff.audio.mel import MelSpec
from musicdiff.conditioning import key as keys
from musicdiff.data.mels import whole_mel
from musicdiff.data.songs import harmony
from musicdiff.diffusion.guidance import Guidance

SWEEPS = ("style", "tempo", "key", "pairs", "trained")
EACH = 10  # clips of a seed in a sweep
TEMPI = np.round(np.geomspace(60, 175, 28))
NEAR = 0.04  # tempos closer than that, in ratio, are one
CLOSE = 0.25  # a tempo at most so far from those of a style is a small step for it
BATCH = 100
FIRST = 2_000_000 * len(STYLES)  # number of the first song that is made as asked: far from those that judges know
PICTURED = 3.0  # guidance scale
COLUMNS = ("style", "rhythm", "close", "timbre", "tempo", "key", "same style", "same tempo", "same key", "distance")


@dataclass(frozen=True)
class Known:
    """What songs were trained: tempos and keys of each style."""

    tempi: Mapping[str, np.ndarray]
    keys: Mapping[str, np.ndarray]

    def tempo_off(self, style: str, tempo: float) -> float:
        """How far the nearest trained tempo of a style is, in ratio."""
        return float(np.abs(np.log(self.tempi[style] / tempo)).min())

    def is_new(self, style: str, tempo: float, key: int) -> bool:
        """No song has this style near this tempo, or none has it in this key."""
        return self.tempo_off(style, tempo) > NEAR or key not in self.keys[style]

    def modes(self, style: str) -> np.ndarray:
        """The keys that songs of a style could have: those of its modes."""
        return np.array([key for key in range(keys.NUM_KEYS) if key // 12 in self.keys[style] // 12])

    def new_pairs(self) -> list[tuple[str, int]]:
        """Styles and keys, of the style's modes, that no song has together."""
        return [(style, key) for style in STYLES for key in self.modes(style) if key not in self.keys[style]]

    def describe(self) -> str:
        """How many combinations there are that no song has."""
        pairs = sum(len(self.modes(style)) for style in STYLES)
        tempi = [(style, tempo) for style in STYLES for tempo in TEMPI]
        new_tempi = sum(self.tempo_off(*pair) > NEAR for pair in tempi)
        count = sum(len(known) for known in self.tempi.values())
        return (
            f"{count} training songs. Of {pairs} pairs of a style and a key of its modes, {len(self.new_pairs())} are in none of them; of "
            f"{len(tempi)} pairs of a style and one of {len(TEMPI)} tempos from {TEMPI[0]:.0f} to {TEMPI[-1]:.0f} bpm, {new_tempi} are in none."
        )


def known_of(split: data.TrackSplit) -> Known:
    style = split.labels["style"]
    tonics = np.array([keys.parse(name) for name in split.labels["key"]])
    return Known(
        {one: split.labels["tempo"][style == one] for one in STYLES}, {one: tonics[style == one] for one in STYLES}
    )


@dataclass(frozen=True)
class Asked:
    """One clip: which sweep it is of, from which seed, and what it is told."""

    sweep: str
    seed: int
    style: str
    tempo: float
    key: int

    def told(self, way: str, conditions: Sequence[str]) -> dict:
        """What generation.generate is told, as labels or as the caption's first words."""
        name = harmony.key_name(self.key % 12, ("major", "minor")[self.key // 12])
        if way == "text":
            return {"text": f"{self.style}, {self.tempo:.0f} bpm, {name}"}
        labels = {"style": self.style, "tempo": self.tempo, "key": name}
        return {condition: value for condition, value in labels.items() if condition in conditions}


def options(sweep: str, known: Known, rng: np.random.Generator) -> list[tuple[str, float, int]]:
    """Combinations (style, tempo, key) for one seed of a sweep, which differ in what it changes."""
    style, tempo = rng.choice(STYLES), rng.choice(TEMPI)
    key = rng.choice(known.modes(style))
    if sweep == "trained":
        songs = [(one, rng.integers(len(known.tempi[one]))) for one in STYLES]
        return [(one, known.tempi[one][song], known.keys[one][song]) for one, song in songs]
    if sweep == "pairs":
        return [(one, rng.choice(known.tempi[one]), tonic) for one, tonic in known.new_pairs()]
    every = {
        "style": [(one, tempo, key) for one in STYLES if key in known.modes(one)],
        "tempo": [(style, one, key) for one in TEMPI],
        "key": [(style, tempo, one) for one in known.modes(style)],
    }
    return [one for one in every[sweep] if known.is_new(*one)]


def ask(known: Known, num: int) -> list[Asked]:
    """num x EACH clips a sweep, of `pairs` fewer where there are fewer; what a seed keeps is drawn again until there are as many new combinations."""
    asked = []
    for sweep in SWEEPS:
        needed = min(EACH, len(known.new_pairs())) if sweep == "pairs" else EACH
        for seed in range(num):
            rng, found = np.random.default_rng((seed, SWEEPS.index(sweep))), []
            while len(found) < needed:
                found = options(sweep, known, rng)
            chosen = [found[i] for i in sorted(rng.permutation(len(found))[:needed])]
            asked += [Asked(sweep, seed, str(style), float(tempo), int(key)) for style, tempo, key in chosen]
    return asked


def played(asked: Sequence[Asked], frames: int, spec: MelSpec) -> np.ndarray:
    """The middle of real songs made as asked, for judges to hear what perfect obedience is: [n, frames, F]; a seed and a style have their players."""
    tracks = []
    for number, one in enumerate(asked):
        plan = plan_at(FIRST + len(STYLES) * one.seed + STYLES.index(one.style), round(one.tempo), one.key)
        tracks.append(data.Track(f"{number}", functools.partial(perform, plan)))
    mels = []
    with rendered_ahead(data.TrackSource("asked", tracks, ""), spec) as ahead:
        for track in ahead.tracks:
            mel = whole_mel(track.read(sample_rate=spec.sample_rate, channels=spec.channels)[0], spec)
            start = (len(mel) - frames) // 2
            mels.append(mel[start : start + frames, :, 0])
    return np.stack(mels)


def statistics(mels: np.ndarray) -> np.ndarray:
    """[B, T, F] -> [B, 3 F]: each bin's mean, deviation and mean step in time."""
    return np.concatenate([mels.mean(1), mels.std(1), np.abs(np.diff(mels, axis=1)).mean(1)], axis=1)


def measure(asked: Sequence[Asked], heard: Mapping[str, np.ndarray], x: np.ndarray, known: Known) -> dict:
    """{column: (value, standard error, null)} of one sweep; a null is what clips get that are judged by what others were told, or None.

    x: [n, D], what distances between clips are of
    """
    seed = np.array([one.seed for one in asked])
    style, key = np.array([STYLES.index(one.style) for one in asked]), np.array([one.key for one in asked])
    tempo = np.array([one.tempo for one in asked])
    close = np.array([known.tempo_off(one.style, one.tempo) <= CLOSE for one in asked])
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(asked)) for _ in range(200)]
    pairs = np.stack(np.triu_indices(len(seed), 1))
    first, second = pairs[:, seed[pairs[0]] == seed[pairs[1]]]

    def column(values, group, statistic=np.mean, null=None):
        return float(statistic(values)), error_of(statistic, values, group), null

    def told(score, truth, statistic=np.mean):
        null = float(np.mean([statistic(score(truth[order])) for order in orders]))
        return column(score(truth), seed, statistic, null)

    def kept(values):
        return column(values, seed[first])

    row = {judge: told(lambda truth, x=heard[judge]: x == truth, style) for judge in ("style", "rhythm", "timbre")}
    if close.any():
        row["close"] = column((heard["style"] == style)[close], seed[close])
    row["tempo"] = told(lambda truth: np.abs(np.log(heard["tempo"] / truth)), tempo, np.median)
    row["same style"] = kept(heard["style"][first] == heard["style"][second])
    row["same tempo"] = kept(np.abs(np.log(heard["tempo"][first] / heard["tempo"][second])) < NEAR)
    if "key" in heard:
        row["key"] = told(lambda truth: heard["key"] == truth, key)
        row["same key"] = kept(heard["key"][first] == heard["key"][second])
    apart = np.sqrt(np.square(x[:, None] - x[None]).mean(-1))
    if len(set(seed)) > 1:
        row["distance"] = kept(apart[first, second] / apart[seed[:, None] != seed[None]].mean())
    return row


def judge(asked: Sequence[Asked], mels: np.ndarray, judges: Judges, known: Known) -> dict[str, dict]:
    """{sweep: what `measure` says}."""
    heard, x = judges.hear(mels), statistics(mels)
    x /= x.std(0) + 1e-6
    results = {}
    for sweep in dict.fromkeys(one.sweep for one in asked):
        rows = np.array([one.sweep == sweep for one in asked])
        mine = [one for one in asked if one.sweep == sweep]
        results[sweep] = measure(mine, {name: said[rows] for name, said in heard.items()}, x[rows], known)
    return results


def shown(entry: tuple | None) -> str:
    if entry is None:
        return ""
    value, error, null = entry
    return f"{value:.3f} +- {error:.3f}" + ("" if null is None else f" ({null:.3f})")


def unheard(generator: generation.Generator) -> generation.Generator:
    """The same generator with the shortest vocoder: its mels are judged, nobody listens."""
    config = {**generator.config, "vocoder": {"name": "griffin_lim", "num_iterations": 1, "num_inversion_steps": 0}}
    return replace(generator, model=models.build(config), config=config)


def control(
    workdir: str, asked: Sequence[Asked], scales: Sequence[float], judges: Judges, known: Known, out: epath.Path
):
    """Yields (workdir, way, scale, results) and writes the pictures."""
    generator = unheard(generation.load(workdir))
    conditions, name = generator.model.conditions, epath.Path(workdir).name
    ways = [
        way for way, needed in (("labels", {"style", "tempo", "key"}), ("text", {"text"})) if needed & set(conditions)
    ]
    if not ways:
        raise SystemExit(f"{workdir}: this model has none of the conditions text, style, tempo and key")
    for way in ways:
        told = [one.told(way, list(conditions)) for one in asked]
        for scale in scales:
            start = time.perf_counter()
            clips = generation.generate(
                generator,
                seeds=[one.seed for one in asked],
                told=told,
                guidance=Guidance(scale),
                batch_size=BATCH,
            )
            results = judge(asked, clips.log_mel[..., 0], judges, known)
            print(f"{name}, {way}, guidance {scale:g}: {time.perf_counter() - start:.0f} s", flush=True)
            if scale == min(scales, key=lambda one: abs(one - PICTURED)):
                for sweep in ("style", "tempo"):
                    rows = [i for i, one in enumerate(asked) if one.sweep == sweep and one.seed == 0]
                    titles = [one.told("text", ())["text"] for one in (asked[i] for i in rows)]
                    path = out / f"{name}-{way}-{sweep}.png"
                    picture.save_mels(path, clips.log_mel[rows], judges.spec, titles=titles)
            yield name, way, scale, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--num", type=int, default=10)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.0, 3.0, 5.0, 7.0])
    parser.add_argument("--free", type=int, default=1000)
    options = parser.parse_args()
    out = epath.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    configs = [configuration.read(epath.Path(workdir)) for workdir in options.workdirs]
    if len({repr((config["mel"], config["data"]["source"], config["model"]["frames"])) for config in configs}) > 1:
        raise SystemExit("these models differ in mels, songs or length of clips: judge them in runs of their own")
    config = configs[0]
    spec, frames, settings = MelSpec(**config["mel"]), config["model"]["frames"], config["data"]
    judges, lines = trusted(
        out, settings["source"], options.free, settings["cache_dir"], frames, spec, options.workdirs
    )
    print("\n".join(lines), flush=True)
    tracks = data.build_tracks(data.open_source(settings["source"]), spec, settings["cache_dir"])
    known = known_of(tracks.split("train"))
    asked = ask(known, options.num)
    lines = ["## The judges, on real clips", "", *lines, "", "## The models", "", known.describe()]
    if spec.num_mels < LEAST_MELS:
        lines.append(f"Keys are not judged at {spec.num_mels} mel bins.")
    lines += [
        "In brackets: the same clips against what others were told. `distance`: of clips of a seed, as a share of that of different seeds.",
        "",
    ]
    lines.append(f"| model | told by | guidance | changed | {' | '.join(COLUMNS)} |")
    lines.append("|---" * (4 + len(COLUMNS)) + "|")
    real = ("real songs, made as asked", "", None, judge(asked, played(asked, frames, spec), judges, known))
    models = (control(workdir, asked, options.guidance, judges, known, out) for workdir in options.workdirs)
    found = []
    for name, way, scale, results in itertools.chain([real], *models):
        for sweep, row in results.items():
            found.append({"model": name, "told": way, "guidance": scale, "sweep": sweep, **row})
            cells = [shown(row.get(column)) for column in COLUMNS]
            lines.append(
                f"| {name} | {way} | {'' if scale is None else f'{scale:g}'} | {sweep} | {' | '.join(cells)} |"
            )
            print(lines[-1], flush=True)
        # What there is so far is kept, should a machine be lost.
        (out / "control.md").write_text("\n".join(lines) + "\n")
        (out / "control.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
