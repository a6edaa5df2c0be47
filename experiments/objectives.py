"""Objectives on one budget: the tiny mel model trained on `builtin` in several ways, each judged by 256 clips against songs never trained on.

    python experiments/objectives.py OUT [--steps 600] [--num 256] [--only NAME ...]

Every run sees the same clips in the same order; a step of mean_flow costs about two of the others, so it gets half of them. The distance is the
energy distance (2 E|x - y| - E|x - x'| - E|y - y'|, unbiased, 0 for equal laws) between statistics of the mels, its error a jackknife over
the clips of both sides. OUT gets the workdirs, table.md and clips.png.
"""

import argparse

import numpy as np
from etils import epath

from musicdiff import data, facts, generation
from musicdiff.audio import picture
from musicdiff.audio.mel import MelSpec
from musicdiff.data.mels import whole_mel
from musicdiff.training import command

TRAINED = 120  # songs to train on; those after them are the reference
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
    "mean flow": ({"objective": "mean_flow"}, 0.5, [("ddim", 1), ("ddim", 2), ("ddim", 4)]),
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


def real_mels(first: int, count: int, frames: int, spec: MelSpec) -> np.ndarray:
    """The middle of `count` songs from song `first` on: [count, frames, F, C]."""
    clips = []
    for track in data.open_source(f"builtin:{first + count}").tracks[first:]:
        mel = whole_mel(track.read(sample_rate=spec.sample_rate, channels=spec.channels)[0], spec)
        start = (len(mel) - frames) // 2
        clips.append(mel[start : start + frames])
    return np.stack(clips)


def train(out: epath.Path, name: str, process: dict, steps: int) -> epath.Path:
    """The workdir of one way to train."""
    workdir = out / name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")
    settings = {
        "process": process,
        "num_steps": steps,
        "optim.decay_steps": steps,
        "checkpoint_every": steps,
        "sample_every": 0,
    }
    settings |= {"milestones": (), "data.source": f"builtin:{TRAINED}", "data.cache_dir": str(out / "cache")}
    settings |= {"vocoder.num_iterations": 1}  # the mels are compared, nobody listens
    command.train("mel:tiny", workdir, [f"--config.{key}={value}" for key, value in settings.items()])
    return workdir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--num", type=int, default=256)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    out = epath.Path(options.out)

    lines = ["| objective | steps | seconds | sampler, evaluations | distance | error |", "|---|---|---|---|---|---|"]
    drawn, titles, reference = [], [], None
    for name in options.only:
        process, share, samplings = RUNS[name]
        workdir = train(out, name, process, round(share * options.steps))
        generator = generation.load(workdir)
        spec, frames = MelSpec(**generator.config["mel"]), generator.model.domain.shape[0]
        if reference is None:
            reference = real_mels(TRAINED, 2 * options.num, frames, spec)
            held, reference = reference[: options.num], reference[options.num :]
            scale = statistics(reference).std(0) + 1e-6
            for what, mels in (
                ("real songs", held),
                ("their mean mel", np.broadcast_to(held.mean((0, 1)), held.shape)),
            ):
                distance, error = energy_distance(statistics(mels) / scale, statistics(reference) / scale)
                lines.append(f"| {what} | | | | {distance:.3f} | {error:.3f} |")
            drawn, titles = list(held[:PICTURED]), ["real"] * PICTURED
        seconds = facts.read(workdir)["seconds"]
        for sampler, steps in samplings:
            settings = {"name": sampler, "num_steps": steps, "grid": "trailing"}
            clips = generation.generate(generator, seeds=range(options.num), sampler=settings, batch_size=16)
            distance, error = energy_distance(statistics(clips.log_mel) / scale, statistics(reference) / scale)
            row = (name, generator.step, f"{seconds:.0f}", f"{sampler}, {steps}", f"{distance:.3f}", f"{error:.3f}")
            lines.append(f"| {' | '.join(map(str, row))} |")
            print(lines[-1], flush=True)
            drawn += list(clips.log_mel[:PICTURED])
            titles += [f"{name}, {steps}"] * PICTURED
    (out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    picture.save_mels(out / "clips.png", np.stack(drawn), spec, titles=titles)


if __name__ == "__main__":
    main()
