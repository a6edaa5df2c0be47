"""How often the downbeat of a loop is found on built-in songs, and the fit of the weights of musicdiff/creative/downbeat.py.

    python experiments/downbeats.py measure [--songs 84]    # songs 0 on
    python experiments/downbeats.py fit [--songs 84]        # songs 1400 on; prints the weights

Of each song two cuts of 4 bars' length, each beginning anywhere: their bars begin at a known place, their seam, a hard cut, at another. A downbeat is
found where it is nearer than 50 ms. As `measure` prints them, what is said with a confidence of at least so much, and what of it is right.
"""

import argparse
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from musicdiff.creative import downbeat
from musicdiff.data import songs
from musicdiff.tagging.estimate import RATE, softmax

FITTED = 1400  # the first song of `fit`
BARS, CUTS = 4, 2
RIGHT = 0.05  # seconds
SPREAD = 1.2  # phases by which what is fitted to is blurred
DECAY = 0.01  # of the weights
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)


class Cut(NamedTuple):
    """heard: downbeat.features; share: of a bar that lies before its first downbeat; bar: seconds"""

    heard: np.ndarray
    share: float
    beats: int
    bar: float


def listen(index: int) -> list[Cut]:
    """The cuts of one song."""
    plan, rng = songs.plan_song(index), np.random.default_rng(index)
    audio = songs.render(songs.compose(plan), RATE, 1)
    meter, bar = plan.style.meter, plan.style.meter * 60 / plan.tempo
    size, cuts = round(BARS * bar * RATE), []
    for start in rng.integers(0, round(plan.bars * bar * RATE) - size, CUTS):
        heard = downbeat.features(audio[start : start + size], RATE, bars=BARS, beats_per_bar=meter)
        cuts.append(Cut(heard, -start / RATE / bar % 1, meter, bar))
    return cuts


def apart(found: np.ndarray, share: float) -> np.ndarray:
    """By how much of a bar, -0.5 .. 0.5, shares of it lie behind another."""
    return (found - share + 0.5) % 1 - 0.5


def measure(cuts: list[Cut]) -> None:
    """Two columns: the beat, and the bar."""
    found = [downbeat.from_features(cut.heard, downbeat.WEIGHTS) for cut in cuts]
    bars = np.array([apart(one.share, cut.share) * cut.bar for one, cut in zip(found, cuts)])
    beats = np.array(
        [apart(one.share * cut.beats, cut.share * cut.beats) * cut.bar / cut.beats for one, cut in zip(found, cuts)]
    )
    print(f"{len(cuts)} cuts; beats lie {1000 * np.median(np.abs(beats)):.1f} ms off at the median")
    print("| confidence at least | beat: said, within 50 ms | bar: said, within 50 ms |\n|---|---|---|")
    for threshold in THRESHOLDS:
        cells = []
        for errors, sure in ((beats, [one.beat for one in found]), (bars, [one.bar for one in found])):
            said = np.array(sure) >= threshold
            right = np.mean(np.abs(errors[said]) < RIGHT) if said.any() else np.nan
            cells.append(f"{said.mean():.2f}, {right:.3f}")
        print(f"| {threshold:g} | {' | '.join(cells)} |")


def fit(cuts: list[Cut]) -> None:
    """Maximum likelihood of the true phase, the weights held small."""
    wanted = []
    for cut in cuts:
        phases = len(cut.heard)
        near = np.exp(-((apart(np.arange(phases) / phases, cut.share) * phases / SPREAD) ** 2) / 2)
        wanted.append(near / near.sum())

    def loss(weights):
        value, slope = DECAY * weights @ weights / 2, DECAY * weights
        for cut, near in zip(cuts, wanted):
            p = softmax(cut.heard @ weights)
            value -= near @ np.log(p + 1e-30) / len(cuts)
            slope = slope + cut.heard.T @ (p - near) / len(cuts)
        return value, slope

    fitted = minimize(loss, np.zeros(cuts[0].heard.shape[1]), jac=True, method="L-BFGS-B")
    print(f"loss {fitted.fun:.3f}\n{np.round(fitted.x, 2).tolist()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "fit"))
    parser.add_argument("--songs", type=int, default=84)
    args = parser.parse_args()
    first = FITTED if args.what == "fit" else 0
    cuts = [cut for index in range(first, first + args.songs) for cut in listen(index)]
    (measure if args.what == "measure" else fit)(cuts)


if __name__ == "__main__":
    main()
