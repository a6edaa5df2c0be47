"""Does the level go on across the seams of what is inpainted, and where a clip is gone on from?

    python experiments/seam_levels.py WORKDIR [--clips 24] [--source builtin] [--steps 50] [--told JSON] [--as-rendered] [--json FILE]

Of clips that the model was not trained on a region in the middle is made anew, and their second half from the first. The level of the 200 ms on
the new side of a seam, less that of the 200 ms on the other side, in dB: of what was made, and at the same places of the music as it was, which rises
and falls anyway. Their means should agree, and their deviations. And the level of all that is new, less that of what was there.
--as-rendered: nothing is turned up by what the autoencoder loses, for comparison.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath
from restore_damage import clips

from musicdiff import generation, parallel
from musicdiff.creative import level as levels
from musicdiff.creative.extend import extend
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.regions import Region

LENGTHS = (0.25, 0.5, 1.0, 2.0)  # seconds
BESIDE = 0.2  # seconds to either side of a seam
FLOOR = -60.0  # dBFS: what is softer is as good as silent
SECONDS = 5.0  # of a clip


def level(audio: np.ndarray) -> float:
    return float(max(FLOOR, 10 * np.log10(np.mean(np.square(audio)) + 1e-12)))


def rises(audio: np.ndarray, region: Region, size: int) -> list[float]:
    """dB by which it is louder within than without, at the seams."""
    start, stop = region
    pairs = [(audio[start : start + size], audio[start - size : start])]
    pairs += [(audio[stop - size : stop], audio[stop:][:size])] if stop < len(audio) else []
    return [level(inner) - level(outer) for inner, outer in pairs]


def compare(given: list[np.ndarray], region: Region, size: int, make: Callable[[np.ndarray, int], np.ndarray]) -> dict:
    """(mean, deviation) of the rises, made and untouched, the difference of their means and its error, and (mean, deviation) of the change."""
    made, own, change = [], [], []
    for seed, audio in enumerate(given):
        edited = make(audio, seed)
        made += rises(edited, region, size)
        own += rises(audio, region, size)
        change.append(level(edited[slice(*region)]) - level(audio[slice(*region)]))
    error = np.std(np.subtract(made, own)) / np.sqrt(len(made))
    summed = {
        name: (float(np.mean(x)), float(np.std(x))) for name, x in [("made", made), ("own", own), ("change", change)]
    }
    return summed | {"difference": (float(np.mean(made) - np.mean(own)), float(error))}


def measure(generator: generation.Generator, source: str, num: int, rate: int, **asked: Any) -> dict[str, dict]:
    """A row of `compare` for regions of each length, and for what goes on from the first half of a clip."""
    given, rows = list(clips(source, num, SECONDS, rate)), {}
    for seconds in LENGTHS:
        length = round(seconds * rate)
        start = (round(SECONDS * rate) - length) // 2
        region = Region(start, start + length)

        def fill(audio: np.ndarray, seed: int, region: Region = region) -> np.ndarray:
            return inpaint(generator, audio, rate, [region], seeds=[seed], **asked).audio[0]

        rows[f"inpaint {seconds:g} s"] = compare(given, region, min(round(BESIDE * rate), length // 2), fill)
    half = round(SECONDS * rate) // 2

    def go_on(audio: np.ndarray, seed: int) -> np.ndarray:
        return extend(generator, audio[:half], rate, seconds=len(audio) / rate, seed=seed, **asked).audio[0]

    rows["extend"] = compare(given, Region(half, round(SECONDS * rate)), round(BESIDE * rate), go_on)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--source", default="builtin")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--told", type=json.loads, default=None)
    parser.add_argument("--as-rendered", action="store_true")
    parser.add_argument("--json")
    asked = parser.parse_args()
    if asked.as_rendered:
        levels.gains = lambda generator, known, x_0: np.ones(len(x_0))
    parallel.keep_compilations()
    generator = generation.load(asked.workdir)
    rate = generator.model.domain.sample_rate
    rows = measure(generator, asked.source, asked.clips, rate, told=asked.told, sampler={"num_steps": asked.steps})
    print(f"{generator.name}, step {generator.step}, {asked.clips} clips, {asked.steps} steps; dB, mean (deviation)")
    print("               made          as it was     difference ± error  new, less what was there")
    for name, row in rows.items():
        made, own, change = (f"{row[kind][0]:+.1f} ({row[kind][1]:.1f})" for kind in ("made", "own", "change"))
        mean, error = row["difference"]
        print(f"{name:14} {made:12}  {own:12}  {mean:+.1f} ± {error:.1f}          {change}")
    if asked.json:
        epath.Path(asked.json).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
