"""Is the wrap of a loop a seam? A detector trained on loops that were cut and tiled looks for it.

    python experiments/loop_seams.py WORKDIR [--loops 64] [--bars 2] [--bpm 100,112,124,136] [--json FILE]

All sounds are of one model, at its own rate: clips, of which a stretch is cut and repeated (tiled), and loops. A third of the tiled ones train the
detector; it is shown places of them, each the middle of 93 ms: their wrap, and others. Then it is asked for the wrap of the other tiled ones, and of
the loops. What it says is an AUC: 0.5 where the wrap is like any other place. Two controls say that it could have been found: the tiled ones
themselves, and the loops with a tenth of a beat cut out at the wrap. Of tiled ones that `loopify` closed it
is asked for the wrap, and for the two edges of what was made.

Silent sounds and drones are left out, and counted: of them a cut is not heard, nor found.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicdiff import generation
from musicdiff.creative.loop import loop
from musicdiff.creative.loopify import SEAM, loopify

HALF = 1024  # samples to each side of a place: 46 ms at 22.05 kHz
PLACES = 60  # of a sound that are no wrap
CLEAR = 2048  # samples that these lie away from the wrap, at least
ORDER = 16  # of linear prediction
DECAY = 1e-3  # of the detector's weights
SILENT_DB, DRONE_DB = -60.0, 1.0  # RMS; mean change of a band in an eighth of a second
SEEN = 0.95
CHECKED = 50  # loops of which the step at the wrap is checked


def look(circle: np.ndarray, place: int) -> np.ndarray:
    """What a place of a circle [N] is judged by: how far the samples, their differences, their prediction and their spectra jump there."""
    x = np.take(circle, np.arange(place - HALF, place + HALF), mode="wrap").astype(np.float64)
    x += 1e-9 * np.random.default_rng(0).standard_normal(len(x))
    heard = []
    for order in range(1, 5):
        steps = np.abs(np.diff(x, n=order))  # those that straddle the place begin `order` samples before it
        here = steps[HALF - order : HALF].max()
        around = np.concatenate([steps[HALF - 300 : HALF - 10], steps[HALF + 10 : HALF + 300]])
        heard += [np.log(here / np.sqrt(np.mean(around**2))), np.log(here / np.quantile(around, 0.99))]
    for side in (x, x[::-1]):
        error = _prediction_errors(side)
        heard.append(np.log(error[:8].max() / np.median(error[64:])))
        heard.append(np.log(error[:64].mean() / error[64:].mean()))
    for size in (128, 512, 1024):
        left, right = (_spectrum(part) for part in (x[HALF - size : HALF], x[HALF : HALF + size]))
        heard += [np.abs(left - right).mean(), (right - left).mean(), np.abs(left - right)[-8:].mean()]
    heard += [abs(heard[-2]), abs(heard[-5])]
    return np.array(heard)


def _prediction_errors(x: np.ndarray) -> np.ndarray:
    """|x - its linear prediction| behind the middle, by coefficients of what lies before it."""
    past = np.lib.stride_tricks.sliding_window_view(x, ORDER)  # row i: what precedes sample i + ORDER
    known = slice(0, HALF - ORDER)
    gram = past[known].T @ past[known]
    gram += 1e-6 * np.trace(gram) / ORDER * np.eye(ORDER)
    coefficients = np.linalg.solve(gram, past[known].T @ x[ORDER:HALF])
    return np.abs(x[HALF:-1] - past[HALF - ORDER : -2] @ coefficients) + 1e-9


def _spectrum(x: np.ndarray) -> np.ndarray:
    """dB in 24 bands of equal width on a scale of pitch, above 100 Hz at 22.05 kHz."""
    power = np.abs(np.fft.rfft(x * np.hanning(len(x)), 2048)) ** 2
    edges = np.unique(np.geomspace(10, len(power) - 1, 25).astype(int))
    return 10 * np.log10(np.add.reduceat(power, edges[:-1]) + 1e-8)


def places(circle: np.ndarray, seed: int) -> np.ndarray:
    """[1 + PLACES, features]: the wrap first."""
    rng = np.random.default_rng(seed)
    others = rng.integers(CLEAR, len(circle) - CLEAR, PLACES)
    return np.stack([look(circle, place) for place in (0, *others)])


class Detector:
    """Logistic regression: wraps and other places weigh the same."""

    def __init__(self, shown: np.ndarray):
        """shown: [sounds, 1 + PLACES, features]"""
        self.centre, self.spread = shown.mean(axis=(0, 1)), shown.std(axis=(0, 1)) + 1e-9
        x = self._whitened(shown).reshape(-1, shown.shape[2] + 1)
        wrap = np.zeros(shown.shape[:2])
        wrap[:, 0] = 1
        y, weight = wrap.ravel(), np.where(wrap.ravel() > 0, PLACES, 1) / (2 * PLACES * len(shown))
        self.weights = np.zeros(x.shape[1])
        for _ in range(50):  # Newton's steps
            p = 1 / (1 + np.exp(-x @ self.weights))
            slope = x.T @ (weight * (p - y)) + DECAY * self.weights
            bend = (x * (weight * p * (1 - p))[:, None]).T @ x + DECAY * np.eye(len(slope))
            self.weights -= np.linalg.solve(bend, slope)

    def __call__(self, shown: np.ndarray) -> np.ndarray:
        """[sounds, 1 + PLACES] scores."""
        return self._whitened(shown) @ self.weights

    def _whitened(self, shown: np.ndarray) -> np.ndarray:
        x = (shown - self.centre) / self.spread
        return np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)


def auc(scores: np.ndarray) -> float:
    """How often the wrap scores above another place, over all sounds [sounds, 1 + PLACES]; a half where they are equal."""
    wraps, others = scores[:, :1], np.sort(scores[:, 1:].ravel())
    below, upto = (np.searchsorted(others, wraps, side=side) for side in ("left", "right"))
    return float(((below + upto) / 2).mean() / len(others))


def interval(scores: np.ndarray, draws: int = 1000) -> tuple[float, float]:
    """Of the AUC, 95 %, sounds drawn anew."""
    rng = np.random.default_rng(0)
    found = [auc(scores[rng.integers(0, len(scores), len(scores))]) for _ in range(draws)]
    return tuple(float(q) for q in np.quantile(found, (0.025, 0.975)))


def step_rank(circle: np.ndarray) -> float:
    """The share of the steps |x[n] - x[n - 1]| of a circle [N] that are smaller than the one at the wrap."""
    steps = np.abs(np.diff(circle, append=circle[:1]))
    return float(np.mean(steps[:-1] < steps[-1]))


def step_percentile(circles: Sequence[np.ndarray], draws: int = 10_000) -> float:
    """Where the mean step at the wraps of circles [N] stands among such means at places drawn at random, 0 to 100. Of each its steps' RMS is 1."""
    rng, here, drawn = np.random.default_rng(0), 0.0, np.zeros(draws)
    for circle in circles:
        steps = np.abs(np.diff(circle, append=circle[:1]))
        steps /= np.sqrt(np.mean(np.square(steps)))
        here += steps[-1]
        drawn += steps[rng.integers(0, len(steps) - 1, draws)]
    return float(100 * np.mean(drawn < here))


def is_counted(circle: np.ndarray, rate: int) -> bool:
    """Whether a sound [N] is neither silent nor a drone: whether a cut would be heard."""
    if 10 * np.log10(np.mean(np.square(circle, dtype=np.float64)) + 1e-20) < SILENT_DB:
        return False
    hop = rate // 8
    frames = np.stack([_spectrum(circle[start : start + hop]) for start in range(0, len(circle) - hop + 1, hop)])
    return float(np.abs(np.diff(frames, axis=0)).mean()) > DRONE_DB


def make(workdir: str, count: int, bars: int, tempi: Sequence[float]) -> tuple[dict[str, list[np.ndarray]], int]:
    """{'tiled', 'loops', 'cut loops', 'loopified', 'edges'}: circles [N] at the model's rate."""
    generator = generation.load(workdir)
    rate = generator.model.domain.sample_rate
    each = -(-count // len(tempi))
    sounds: dict[str, list[np.ndarray]] = {"tiled": [], "loops": [], "cut loops": []}
    for i, bpm in enumerate(tempi):
        seeds = range(i * each, (i + 1) * each)
        looped = loop(generator, bars=bars, bpm=bpm, rate=rate, seeds=seeds, turn=False)
        sounds["loops"] += [audio[:, 0] for audio in looped.audio]
        tenth = round(6 * rate / bpm)
        sounds["cut loops"] += [audio[:-tenth, 0] for audio in looped.audio]
        size, first_seed = looped.audio.shape[1], 10_000 + 2 * seeds.start
        told = looped.clips.told[0]
        plain = generation.generate(generator, seeds=range(first_seed, first_seed + 2 * each), told=told)
        for audio in plain.audio[:, :, 0]:
            cut = min(size, 7 * len(audio) // 8)
            first = (len(audio) - cut) // 2
            sounds["tiled"].append(audio[first : first + cut])
    sounds["loopified"] = close(generator, sounds["tiled"][2::6], rate)
    sounds["edges"] = edges(sounds["loopified"], rate)
    return sounds, rate


def close(generator: generation.Generator, circles: Sequence[np.ndarray], rate: int) -> list[np.ndarray]:
    """Circles [N] made to loop by their seams."""
    return [loopify(generator, one[:, None], rate, seeds=[i]).audio[0, :, 0] for i, one in enumerate(circles)]


def edges(closed: Sequence[np.ndarray], rate: int) -> list[np.ndarray]:
    """The same, turned until what was made begins, or ends, where their wrap was."""
    size = round(SEAM * rate)
    first = round(0.5 * size)
    return [np.roll(one, turn) for one in closed for turn in (first, first - size)]


def measure(sounds: dict[str, list[np.ndarray]], rate: int) -> dict[str, Any]:
    """The detector's AUC on each kind, and the steps at the wraps of the loops."""
    counted = {kind: [one for one in circles if is_counted(one, rate)] for kind, circles in sounds.items()}
    shown = {kind: np.stack([places(one, i) for i, one in enumerate(circles)]) for kind, circles in counted.items()}
    trained = len(shown["tiled"]) // 3
    detector = Detector(shown["tiled"][:trained])
    shown["tiled"] = shown["tiled"][trained:]
    found: dict[str, Any] = {"trained on": trained}
    for kind in shown:
        scores = detector(shown[kind])
        found[kind] = {"sounds": len(scores), "left out": len(sounds[kind]) - len(counted[kind])}
        found[kind] |= {"auc": auc(scores), "interval": interval(scores)}
    checked = counted["loops"][:: max(1, len(counted["loops"]) // CHECKED)][:CHECKED]  # of every tempo
    within = float(np.mean([step_rank(one) <= SEEN for one in checked]))
    found["steps"] = {"loops": len(checked), "within": within, "percentile": step_percentile(checked)}
    return found


def render(found: dict[str, Any]) -> str:
    lines = ["| | sounds | left out | AUC | 95 % |", "|---|---|---|---|---|"]
    for kind in ("tiled", "cut loops", "loopified", "edges", "loops"):
        row = found[kind]
        low, high = row["interval"]
        lines.append(f"| {kind} | {row['sounds']} | {row['left out']} | {row['auc']:.3f} | {low:.3f} to {high:.3f} |")
    steps = found["steps"]
    lines.append(
        f"steps at the wraps of {steps['loops']} loops: their mean is at the {steps['percentile']:.0f}th percentile of such means elsewhere; "
        f"{steps['within']:.0%} of them lie within the 95th percentile of their own loop (95 % by chance)"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--loops", type=int, default=64)
    parser.add_argument("--bars", type=int, default=2)
    parser.add_argument("--bpm", default="100,112,124,136")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    sounds, rate = make(args.workdir, args.loops, args.bars, [float(bpm) for bpm in args.bpm.split(",")])
    found = measure(sounds, rate)
    print(render(found))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
