"""Objectives on one budget: the tiny mel model trained on `builtin` in several ways, each judged by 256 clips against songs never trained on.

    python experiments/objectives.py OUT [--steps 2000] [--songs 120] [--num 256] [--only NAME ...]

Every run sees the same clips in the same order; a step of mean_flow costs about two of the others, so it gets half of them. The distance is the
energy distance (2 E|x - y| - E|x - x'| - E|y - y'|, unbiased, 0 for equal laws) between statistics of the mels, its error a jackknife over
the clips of both sides. OUT gets the workdirs, table.md and clips.png. What is there already is not done again, so that runs with --only may share a
machine, and one without it puts the table together.
"""

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from unittest import mock

import numpy as np
from etils import epath

from musicdiff import data, generation
from musicdiff.audio import picture
from musicdiff.audio.mel import MelSpec
from musicdiff.data.mels import whole_mel
from musicdiff.training import command

PICTURED = 4
DDIM = "ddim", 30
RUNS = {  # name: (config.process, share of the steps, samplings)
    "eps, linear (the talk)": (
        {"schedule": "linear_beta", "prediction": "eps", "told": "index"},
        1.0,
        [DDIM],
    ),
    "v, cosine": ({"schedule": "cosine", "prediction": "v"}, 1.0, [DDIM]),
    "v, cosine, min-SNR": ({"schedule": "cosine", "prediction": "v", "weight": "min_snr"}, 1.0, [DDIM]),
    "rectified flow": (
        {"schedule": "rectified_flow", "prediction": "flow", "times": "logit_normal"},
        1.0,
        [DDIM, ("ddim", 4), ("ddim", 1)],
    ),
    "mean flow": ({"objective": "mean_flow"}, 0.5, [("ddim", 4), ("ddim", 2), ("ddim", 1)]),
}


def statistics(mels: np.ndarray) -> np.ndarray:
    """[B, T, F, C] -> [B, 3 F C]: each bin's mean, deviation and mean step in time."""
    parts = [mels.mean(1), mels.std(1), np.abs(np.diff(mels, axis=1)).mean(1)]
    return np.concatenate([part.reshape(len(mels), -1) for part in parts], axis=1)


def energy_distance(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """2 E|x - y| - E|x - x'| - E|y - y'| of samples [B, D] and [B', D], and its standard error."""
    between, within_x, within_y = (distances(a, b) for a, b in ((x, y), (x, x), (y, y)))
    pairs = [len(a) * (len(a) - 1) for a in (x, y)]
    total = 2 * between.mean() - within_x.sum() / pairs[0] - within_y.sum() / pairs[1]

    def jackknife(between: np.ndarray, within: np.ndarray) -> float:
        n = len(within)
        left_between = (between.sum() - between.sum(1)) / (between.size - between.shape[1])
        left_within = (within.sum() - 2 * within.sum(1)) / ((n - 1) * (n - 2))
        return (n - 1) * np.var(2 * left_between - left_within)

    return float(total), float(np.sqrt(jackknife(between, within_x) + jackknife(between.T, within_y)))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a_i - b_j|: [B, B']."""
    return np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0))


open_songs = cache(lambda num: data.open_source(f"builtin:{num}").tracks)  # once a process


def middle(number: int, num: int, frames: int, spec: MelSpec) -> np.ndarray:
    """The middle of one of `num` built-in songs: [frames, F, C]."""
    track = open_songs(num)[number]
    mel = whole_mel(track.read(sample_rate=spec.sample_rate, channels=spec.channels)[0], spec)
    start = (len(mel) - frames) // 2
    return mel[start : start + frames]


def real_mels(first: int, count: int, frames: int, spec: MelSpec) -> np.ndarray:
    """The middle of `count` songs from song `first` on: [count, frames, F, C]. By all cores, for the songs are synthesised."""
    with mock.patch.dict(os.environ, JAX_PLATFORMS="cpu"), ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return np.stack(
            list(
                pool.map(
                    partial(middle, num=first + count, frames=frames, spec=spec),
                    range(first, first + count),
                    chunksize=8,
                )
            )
        )


def songs_of(config: dict) -> int:
    """How many songs a run was trained on, or held out of it: those after them are new to it."""
    return int(config["data"]["source"].partition(":")[2])


def folder(out: epath.Path, name: str) -> epath.Path:
    """The workdir of one way to train."""
    return out / name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")


def train(out: epath.Path, name: str, steps: int, songs: int, engine: str) -> None:
    """Trains in one of the ways, unless that is done."""
    process, share, _ = RUNS[name]
    steps = round(share * steps)
    settings = {
        "process": process,
        "num_steps": steps,
        "optim.decay_steps": steps,
        "checkpoint_every": steps,
        "sample_every": 0,
    }
    settings |= {"milestones": (), "data.source": f"builtin:{songs}", "data.cache_dir": str(out / "cache")}
    settings |= {
        "parallel.engine": engine,
        "data.loader": "numpy",
        "vocoder.num_iterations": 1,
    }  # the mels are compared, nobody listens
    command.train("mel:tiny", folder(out, name), [f"--config.{key}={value}" for key, value in settings.items()])


def judge(out: epath.Path, name: str, real: np.ndarray, num: int) -> None:
    """Samples one model in all its ways; rows of the table and some mels go into its workdir."""
    generator = generation.load(folder(out, name))
    rows, drawn = [], []
    for sampler, steps in RUNS[name][2]:
        settings = {"name": sampler, "num_steps": steps, "grid": "trailing"}
        clips = generation.generate(generator, seeds=range(num), sampler=settings, batch_size=16)
        distance, error = compare(clips.log_mel, real)
        rows.append((name, generator.step, f"{sampler}, {steps}", f"{distance:.3f}", f"{error:.3f}"))
        print(line(rows[-1]), flush=True)
        drawn.append(clips.log_mel[:PICTURED])
    np.save(folder(out, name) / "drawn.npy", np.stack(drawn))
    (folder(out, name) / "rows.json").write_text(json.dumps(rows))  # last: it says that all is there


def compare(mels: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """The energy distance of mels to the second half of the real ones, in units of these, and its error."""
    reference = statistics(real[len(real) // 2 :])
    scale = reference.std(0) + 1e-6
    return energy_distance(statistics(mels) / scale, reference / scale)


def line(cells: Iterator) -> str:
    """A row of a markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--songs", type=int, default=120, help="to train on; those after them are the reference")
    parser.add_argument("--num", type=int, default=256)
    parser.add_argument("--engine", choices=("pmap", "jit"), default="pmap")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    out = epath.Path(options.out)
    missing = [name for name in options.only if not (folder(out, name) / "rows.json").exists()]
    for name in missing:
        train(out, name, options.steps, options.songs, options.engine)

    generator = generation.load(folder(out, options.only[0]))
    spec, frames = MelSpec(**generator.config["mel"]), generator.model.domain.shape[0]
    kept = out / "real.npy"
    if not kept.exists():
        np.save(kept, real_mels(songs_of(generator.config), 2 * options.num, frames, spec).astype(np.float16))
    real = np.load(kept).astype(np.float32)
    for name in missing:
        judge(out, name, real, options.num)

    held = real[: options.num]
    lines = [line(("objective", "steps", "sampler, evaluations", "distance", "error")), "|---|---|---|---|---|"]
    average = np.broadcast_to(held.mean((0, 1)), held.shape)
    for what, mels in (("real songs", held), ("their mean mel", average)):
        distance, error = compare(mels, real)
        lines.append(line((what, "", "", f"{distance:.3f}", f"{error:.3f}")))
    drawn, titles = list(held[:PICTURED]), ["real"] * PICTURED
    for name in options.only:
        for row, mels in zip(
            json.loads((folder(out, name) / "rows.json").read_text()), np.load(folder(out, name) / "drawn.npy")
        ):
            lines.append(line(row))
            drawn += list(mels)
            titles += [f"{name}, {row[2].split()[-1]}"] * PICTURED
    (out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    picture.save_mels(out / "clips.png", np.stack(drawn), spec, titles=titles)


if __name__ == "__main__":
    main()
