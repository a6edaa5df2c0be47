"""Are the joins of long audio seams, is any of it heard twice, and does memory grow?

    python experiments/extension.py WORKDIR [--seeds 8] [--windows 8] [--minutes 10] [--told JSON] [--preset overnight] [--json FILE]

Seams: of windows in a row, at the model's own rate, the step of the log-mel from frame to frame (RMS over bins, in dB), and the step of the samples,
where one window becomes the next one, beside the same anywhere else. The mean over all joins has a percentile among single steps, and, harder, among
means of as many at random places.
Twice: for each segment of 2 s of the longest stretch, how near (correlation of audio at any shift) the nearest other one is.
Memory: resident size of the process over minutes of the stream, which is written as it comes.
"""

import argparse
import json
import os
import tempfile
import time
from typing import Any

import numpy as np

from musicdiff import generation
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.creative import overlap, sleep
from musicdiff.creative.extend import stream
from musicdiff.creative.wav import Wav

SEGMENT = 2.0  # seconds
DRAWS = 10_000


def percentiles(values: np.ndarray, joins: np.ndarray, unit: int) -> dict[str, float]:
    """Where the mean of `values` at the joins stands, 0 to 100: among single values, and among means of as many at places drawn at random.

    unit: places are drawn a multiple of it from the joins: at edges of latent frames, which differ from other places, anywhere
    """
    rng = np.random.default_rng(0)
    others = np.setdiff1d(np.arange(joins[0] % unit, len(values), unit), joins)
    drawn = values[rng.choice(others, (DRAWS, len(joins)))].mean(axis=1)
    here = values[joins].mean()
    return {
        "of single ones": round(float(100 * np.mean(values[others] < here)), 1),
        "of means": round(float(100 * np.mean(drawn < here)), 1),
        "times the mean": round(float(here / values[others].mean()), 3),
    }


def seams(generator: generation.Generator, seeds: range, windows: int, **asked: Any) -> dict[str, Any]:
    """Percentiles of the joins: where audio becomes the next window's, where frames may change, and where they are new."""
    domain, spec = generator.model.domain, MelSpec(**generator.config["mel"])
    layout = overlap.lay_out(domain.shape[0], asked["share"])
    hop, rate = layout.hop * domain.samples_per_frame, domain.sample_rate
    places = {"crossfade": layout.settled * domain.samples_per_frame // 2}
    places |= {"settled": layout.settled * domain.samples_per_frame, "new": layout.overlap * domain.samples_per_frame}
    joins: dict[str, list[int]] = {name: [] for name in places}
    unit = domain.samples_per_frame
    mel_steps, sample_steps, length = [], [], windows * hop
    for index, seed in enumerate(seeds):
        audio = np.concatenate(list(stream(generator, seconds=length / rate, seed=seed, rate=rate, **asked)))
        frames = np.asarray(mel.log_mel(np.float32(audio)[None], spec))[0]
        steps = np.sqrt(np.mean(np.square(np.diff(frames, axis=0, prepend=frames[:1])), axis=(1, 2)))
        mel_steps.append(steps / steps.mean())
        sample = np.abs(np.diff(audio, axis=0, prepend=audio[:1])).max(axis=1)
        sample_steps.append(sample / max(sample.mean(), 1e-12))
        for name, place in places.items():
            joins[name] += [index * length + number * hop + place for number in range(1, windows - 1)]
    mels, samples, found = np.concatenate(mel_steps), np.concatenate(sample_steps), {}
    for name, at in joins.items():
        found[f"mel, {name}"] = percentiles(mels, np.array(at) // spec.hop, max(1, unit // spec.hop))
        found[f"samples, {name}"] = percentiles(samples, np.array(at), unit)
    return {"joins": len(joins["new"]), **found}


def nearest(audio: np.ndarray, size: int) -> float:
    """The greatest correlation of a segment of `size` samples of audio [N] with any other stretch of it; 1 where one is heard twice."""
    power = np.cumsum(np.r_[0.0, np.square(audio)])
    power = power[size:] - power[:-size]
    hop, block = 3 * size, 4 * size
    pieces = np.pad(audio, (0, block))[np.arange(0, len(power), hop)[:, None] + np.arange(block)]
    spectra, most = np.fft.rfft(pieces), 0.0
    for begin in range(0, len(power), size):
        segment = np.fft.rfft(audio[begin : begin + size], block)
        product = np.fft.irfft(segment.conj() * spectra)[:, :hop].ravel()[: len(power)]
        product[max(0, begin - size) : begin + size] = 0
        most = max(most, float((product / np.sqrt(power * power[begin] + 1e-12)).max()))
    return most


def resident() -> float:
    """MB of this process in memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(generator: generation.Generator, minutes: float, **asked: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Resident MB at each tenth of the stream, seconds of computing for each of audio, and the audio at the model's rate."""
    rate, seen, clock = generator.model.domain.sample_rate, [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stream.wav")
        wav = Wav(path, rate, generator.model.domain.channels)
        for block in stream(generator, seconds=60 * minutes, seed=0, rate=rate, **asked):
            wav.append(block)
            if wav.num_samples >= (len(seen) + 1) * 6 * minutes * rate:
                seen.append(round(resident(), 1))
        cost = (time.perf_counter() - clock) / (60 * minutes)
        import soundfile

        return {"minutes": minutes, "MB": seen, "seconds a second": cost}, soundfile.read(path, always_2d=True)[0][:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--told", default="{}", metavar="JSON")
    parser.add_argument("--preset", default="overnight", choices=sleep.PRESETS)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    generator, asked = sleep.use(generation.load(args.workdir), args.preset)
    asked["told"] = json.loads(args.told)
    found: dict[str, Any] = {"seams": seams(generator, range(args.seeds), args.windows, **asked)}
    print(json.dumps(found["seams"]), flush=True)
    found["memory"], audio = memory(generator, args.minutes, **asked)
    print(json.dumps(found["memory"]), flush=True)
    found["nearest"] = nearest(audio, round(SEGMENT * generator.model.domain.sample_rate))
    print(f"the two most similar stretches of {SEGMENT:g} s correlate by {found['nearest']:.3f}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
