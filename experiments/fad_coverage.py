"""How often the reported 95 % intervals hold the truth, on Gaussians whose scores are known, clips of windows that are alike.

    python experiments/fad_coverage.py OUT [--repetitions 400]

Prints a markdown table, also written to OUT/fad_coverage.md; ± is the standard error of a share. `bootstrap` and `percentile` are what
is not reported, and why: the raw score less the draws' bias ± 1.96 of their deviation, and the draws' own quantiles, which have the bias
twice. 3 to 4 minutes on one CPU core.
"""

import argparse
import dataclasses
import pathlib

import numpy as np
from synthetic import Law

from musicdiff.evaluation import fad, frechet, kad, moments, resampling

DRAWS = 50
CASES = {
    "32 numbers, 200 clips of 5, far": (Law(32, shift=1.0, scale=1.5, alike=0.5), 200, 5),
    "32 numbers, 200 clips of 5, near": (Law(32, shift=0.5, scale=1.1, alike=0.5), 200, 5),
    "32 numbers, 200 clips of 5, truth 0": (Law(32, alike=0.5), 200, 5),
    "32 numbers, 50 clips of 10, far": (Law(32, shift=1.0, scale=1.5, alike=0.5), 50, 10),
    "64 numbers, 200 clips of 1, far": (Law(64, shift=1.0, scale=1.5), 200, 1),
    "64 numbers of slow decay, 50 clips of 4, far": (Law(64, shift=1.0, scale=1.2, alike=0.5, decay=0.97), 50, 4),
}


def holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def repetition(law: Law, clips: int, windows: int, rng: np.random.Generator) -> dict[str, float]:
    """Whether each interval held its truth, and what was measured."""
    shared = rng.normal(size=(clips, law.width))
    generated = law.draw(rng, clips, windows, shared)
    found = fad.measure(generated, law.reference)
    draws = [
        frechet.distance(moments.of(generated.x, counts[generated.clip]), law.reference)
        for counts in resampling.draws(clips, DRAWS)
    ]
    bias, deviation = np.mean(draws) - found.raw, np.std(draws, ddof=1)
    centre = found.raw - bias
    held = {
        "FAD": holds(found.interval, law.truth),
        "bootstrap": holds((centre - 1.96 * deviation, centre + 1.96 * deviation), law.truth),
        "percentile": holds(tuple(np.quantile(draws, [0.025, 0.975])), law.truth),
    }
    rival = dataclasses.replace(law, shift=law.shift + 0.5)
    for name, paired in (("A - B, pairs", True), ("A - B, no pairs", False)):
        other = rival.draw(rng, clips, windows, shared if paired else None)
        difference = fad.compare(generated, other, law.reference, paired=paired, num_draws=1)
        held[name] = holds(difference.interval, law.truth - rival.truth)
    bandwidth = float(np.sqrt(2.0 * (law.deviations**2).sum()))
    real = dataclasses.replace(law, shift=0.0, scale=1.0).draw(rng, clips, windows)
    held["KAD"] = holds(kad.measure(generated, real, bandwidth=bandwidth).interval, law.kad(bandwidth))
    return held | {"value": found.value, "error": found.error, "raw": found.raw, "bootstrap error": deviation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--repetitions", type=int, default=400)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shares = ("FAD", "A - B, pairs", "A - B, no pairs", "KAD", "bootstrap", "percentile")
    lines = [
        f"| clips | truth | raw | value | its deviation | error | bootstrap error | {' | '.join(shares)} |",
        "|---|" + "---|" * (6 + len(shares)),
    ]
    print("\n".join(lines))
    for title, (law, clips, windows) in CASES.items():
        rows = [repetition(law, clips, windows, np.random.default_rng((7, i))) for i in range(options.repetitions)]
        found = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
        means = [law.truth, found["raw"].mean(), found["value"].mean(), found["value"].std(ddof=1)]
        means += [found["error"].mean(), found["bootstrap error"].mean()]
        held = [found[name].mean() for name in shares]
        cells = [f"{mean:.3f}" for mean in means]
        cells += [f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(rows)):.3f}" for share in held]
        lines.append(f"| {title} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    (options.out / "fad_coverage.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
