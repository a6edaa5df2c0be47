"""What a Fréchet distance of finite sets gets wrong, on Gaussians whose distance is known: raw, and without the bias by four ways.

    python experiments/fad_bias.py OUT [--repetitions 50]

Draws OUT/fad_bias.png and prints its table, a markdown table also written to OUT/fad_bias.md. 32 numbers a window, their
variances falling as those of embeddings do; the reference is known exactly. Windows are independent, or ten of a clip are
alike. A minute on one CPU core.
"""

import argparse
import pathlib

import numpy as np
from synthetic import Law

from musicdiff.evaluation import fad
from musicdiff.evaluation.embedded import Embedded
from musicdiff.training import curves

WIDTH = 32
PANELS = {
    "truth 0, windows independent": (0.0, 1, (600, 1000, 2000, 4000)),
    "truth above 0, windows independent": (0.25, 1, (600, 1000, 2000, 4000)),
    "truth above 0, ten windows a clip alike": (0.25, 10, (60, 100, 200, 400)),
}


def by_windows(generated: Embedded) -> Embedded:
    """The same windows, each its own clip: the mistake of those who resample frames."""
    return Embedded(np.arange(len(generated.x)), generated.x)


WAYS = {
    "raw": lambda generated, reference: fad.measure(generated, reference).raw,
    "jackknife over groups of clips": lambda generated, reference: fad.measure(generated, reference).value,
    "FAD-infinity, clips": lambda generated, reference: fad.infinity(generated, reference, repeats=4).value,
    "FAD-infinity, windows": lambda generated, reference: (
        fad.infinity(by_windows(generated), reference, repeats=4).value
    ),
    "FAD-infinity, fadtk's way": lambda generated, reference: fad.fadtk(generated, reference).value,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--repetitions", type=int, default=50)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figure = curves.make_figure(15, 4.5)
    lines = [f"| set | {' | '.join(WAYS)} | truth |", "|---|" + "---|" * (len(WAYS) + 1)]
    for axes, (title, (shift, windows, sizes)) in zip(figure.subplots(1, len(PANELS)), PANELS.items()):
        law = Law(WIDTH, shift=shift, scale=1.0 + shift / 2, alike=0.5 if windows > 1 else 0.0)
        scores = np.zeros((len(sizes), len(WAYS), options.repetitions))
        for i, clips in enumerate(sizes):
            for repetition in range(options.repetitions):
                generated = law.draw(np.random.default_rng((repetition, clips)), clips, windows)
                scores[i, :, repetition] = [way(generated, law.reference) for way in WAYS.values()]
            cells = [f"{row.mean():.4f} ± {row.std():.4f}" for row in scores[i]]
            lines.append(f"| {title}: {clips} clips | {' | '.join(cells)} | {law.truth:.4f} |")
            print("\n".join(lines if i == 0 and len(lines) == 3 else lines[-1:]), flush=True)
        for place, (name, rows) in enumerate(zip(WAYS, scores.transpose(1, 0, 2))):
            beside = np.array(sizes) * 1.02 ** (place - len(WAYS) // 2)  # so that no curve hides another
            axes.errorbar(beside, rows.mean(axis=1), rows.std(axis=1), label=name, marker="o", markersize=3, capsize=2)
        axes.axhline(law.truth, color="black", linewidth=0.8)
        axes.set(title=title, xlabel="clips", ylabel="score", xscale="log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    curves.write_png(options.out / "fad_bias.png", figure)
    (options.out / "fad_bias.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
