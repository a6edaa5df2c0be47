"""How much nearer to the undamaged clip is a restored one than the damaged one, and than one with straight lines drawn through the damage?

    python experiments/restore_damage.py WORKDIR [--clips 6] [--seconds 5] [--source builtin] [--steps 50] [--told JSON] [--json FILE]

Damage is planted in clips that the model was not trained on: of `builtin`, songs from number 600 on (a default training has those before); of a
folder of audio, all of its files. Distance: RMS over bins and frames of the difference of log-mels, in dB, over frames that the damage is in, at the
file's own rate, floor 80 dB below the clip's loudest bin. Gaps are filled by the model and by autoregression alike, whatever length `restore`
itself would give to either. Where the damage is: told. What the detectors find of it is tabled apart: recall, and findings in the clean clip.
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.signal
from etils import epath

from musicdiff import data, generation, parallel
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import damage
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.prediction import interpolate, regions_of
from musicdiff.creative.regions import Region
from musicdiff.creative.restore import restore

HELD_OUT = 600
BEGIN = 20.0  # seconds into a track: past its introduction
GAPS = (1, 2, 5, 10, 20, 50, 100, 200)  # ms
NUM_GAPS, NUM_CLICKS = 6, 20
CEILING = 0.4  # of the peak
CUTOFF = 4000.0
FLOOR = 80.0  # dB
MELS = {"n_fft": 1024, "hop": 256, "num_mels": 80}


def clips(source: str, num: int, seconds: float, rate: int) -> Iterator[np.ndarray]:
    """Audio float64 [N, 1] at `rate`."""
    builtin = source == "builtin"
    tracks = data.open_source(f"builtin:{HELD_OUT + num}" if builtin else source).tracks[HELD_OUT if builtin else 0 :]
    for track in tracks[:num]:
        audio, _ = track.read(sample_rate=rate, channels=1)
        begin = int(min(BEGIN, max(0.0, len(audio) / rate - seconds)) * rate)
        yield np.asarray(audio[begin : begin + round(seconds * rate)], np.float64)


def distance(clean: np.ndarray, other: np.ndarray, rate: int, lost: np.ndarray | None) -> float:
    """RMS in dB over the frames that lost samples are in; None: over all of them."""
    spec = MelSpec(sample_rate=rate, **MELS)
    powers = [np.asarray(mel.mel_power(np.float32(x)[None], spec))[0] for x in (clean, other)]  # [T, F, C]
    least = powers[0].max() * 10 ** (-FLOOR / 10)
    a, b = (10 * np.log10(np.maximum(power, least)) for power in powers)
    if lost is not None:
        centres = np.arange(len(a)) * spec.hop
        total = np.concatenate([[0], np.cumsum(lost)])
        low, high = (np.clip(centres + side * spec.n_fft // 2, 0, len(lost)) for side in (-1, 1))
        inside = total[high] > total[low]
        a, b = a[inside], b[inside]
    return float(np.sqrt(np.mean(np.square(a - b))))


def plant_gaps(audio: np.ndarray, rate: int, ms: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(damaged, lost [N]): gaps of zeros, evenly apart but for some chance."""
    size, apart = max(1, round(ms * rate / 1000)), len(audio) // (NUM_GAPS + 1)
    lost = np.zeros(len(audio), bool)
    for place in apart * np.arange(1, NUM_GAPS + 1) + rng.integers(-apart // 8, apart // 8, NUM_GAPS):
        lost[place : place + size] = True
    return np.where(lost[:, None], 0.0, audio), lost


def plant_clicks(audio: np.ndarray, rate: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(damaged, lost [N]): bursts of up to 0.5 ms, 0.1 to 0.5 of full scale."""
    lost, damaged = np.zeros(len(audio), bool), audio.copy()
    for place in rng.choice(len(audio) // 1000 - 2, NUM_CLICKS, replace=False) * 1000 + 1000:
        size = int(rng.integers(1, max(2, rate // 2000)))
        lost[place : place + size] = True
        damaged[place : place + size] += (rng.choice([-1, 1], size) * rng.uniform(0.1, 0.5))[:, None]
    return damaged, lost


def straight(damaged: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Lines drawn through what is lost."""
    places = np.arange(len(damaged))
    return np.interp(places, places[~lost], damaged[~lost, 0])[:, None]


def compare(generator: Any, num: int, seconds: float, source: str, **asked: Any) -> dict[str, dict[str, float]]:
    """{damage: {way: dB, or recall and findings}}, means over clips."""
    rate, found = generator.model.domain.sample_rate, defaultdict(lambda: defaultdict(list))

    def note(kind: str, clean: np.ndarray, lost: np.ndarray | None, ways: dict[str, np.ndarray | None]) -> None:
        for way, made in ways.items():
            found[kind][way].append(distance(clean, made, rate, lost))

    def detect(kind: str, detector: Callable, clean: np.ndarray, damaged: np.ndarray, lost: np.ndarray) -> None:
        mask, regions = detector(damaged, rate)[:, 0], regions_of(lost)
        found[kind]["recall"].append(np.mean([mask[region.start : region.stop].any() for region in regions]))
        found[kind]["found in clean"].append(len(regions_of(detector(clean, rate)[:, 0])))

    for i, clean in enumerate(clips(source, num, seconds, rate)):
        rng = np.random.default_rng(i)
        for ms in GAPS:
            damaged, lost = plant_gaps(clean, rate, ms, rng)
            model = inpaint(generator, damaged, rate, regions_of(lost), seeds=[i], **asked).audio[0]
            ways = {
                "nothing": damaged,
                "lines": straight(damaged, lost),
                "autoregression": interpolate(damaged[:, 0], lost)[:, None],
            }
            note(f"gap {ms} ms", clean, lost, {**ways, "model": model})
            detect(f"gap {ms} ms", damage.dropouts, clean, damaged, lost)
        damaged, lost = plant_clicks(clean, rate, rng)
        made = restore(generator, damaged, rate, "click", regions=regions_of(lost), seeds=[i]).audio[0]
        note("click", clean, lost, {"nothing": damaged, "lines": straight(damaged, lost), "autoregression": made})
        detect("click", damage.clicks, clean, damaged, lost)
        ceiling = CEILING * np.abs(clean).max()
        damaged, lost = np.clip(clean, -ceiling, ceiling), np.abs(clean[:, 0]) >= ceiling
        made = restore(generator, damaged, rate, "clip", regions=[Region(0, len(clean))], seeds=[i]).audio[0]
        note("clip", clean, lost, {"nothing": damaged, "lines": straight(damaged, lost), "autoregression": made})
        detect("clip", damage.clipped, clean, damaged, lost)
        filtered = scipy.signal.butter(12, CUTOFF, fs=rate, output="sos")
        damaged = scipy.signal.sosfiltfilt(filtered, clean, axis=0)
        model = restore(generator, damaged, rate, "bandwidth", cutoff=CUTOFF, seeds=[i], **asked).audio[0]
        note("bandwidth", clean, None, {"nothing": damaged, "model": model})
        found["bandwidth"]["cut-off found, Hz"].append(damage.cut_off(damaged, rate) or 0.0)
        found["bandwidth"]["found in clean"].append(damage.cut_off(clean, rate) is not None)
    return {
        kind: {way: round(float(np.mean(values)), 3) for way, values in ways.items()} for kind, ways in found.items()
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows.values())))
    lines = [["damage", *names], ["---"] * (len(names) + 1)]
    lines += [[kind, *(f"{row[name]:g}" if name in row else "" for name in names)] for kind, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--source", default="builtin", help="or folder:PATH")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--told", type=json.loads, default=None)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    parallel.keep_compilations()
    generator = generation.load(arguments.workdir)
    asked = {"told": arguments.told, "sampler": {"num_steps": arguments.steps}}
    rows = compare(generator, arguments.clips, arguments.seconds, arguments.source, **asked)
    print(table(rows))
    if arguments.json:
        epath.Path(arguments.json).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
