"""Percentiles of mel power over files, and the energy that a window's top keeps: the reason for MelSpec's db_top.

python experiments/mel_window.py FILE...        up to the first minute of each, 22050 Hz mono
"""

import sys

import numpy as np

from musicdiff.audio.io import read
from musicdiff.audio.mel import MelSpec, mel_power

PERCENTILES = (1, 5, 25, 50, 75, 99, 99.9, 99.99, 100)
TOPS = (24, 28, 32, 36)


def main(paths: list[str]) -> None:
    for num_mels in (32, 128):
        spec = MelSpec(num_mels=num_mels)
        minute, powers = 60 * spec.sample_rate, []
        for path in paths:
            audio = read(path, sample_rate=spec.sample_rate, channels=1)[0][:minute]
            padded = np.pad(audio, ((0, minute - len(audio)), (0, 0)))  # one length: one compilation
            powers.append(np.asarray(mel_power(padded[None], spec))[0, : spec.num_frames(len(audio))].ravel())
        power = np.concatenate(powers)
        decibels = np.percentile(10 * np.log10(power + 1e-12), PERCENTILES)
        print(f"{num_mels} bins, {len(paths)} files")
        print("  percentiles, dB:", ", ".join(f"{p:g} %: {value:.1f}" for p, value in zip(PERCENTILES, decibels)))
        kept = {top: 10 * np.log10(np.minimum(power, 10 ** (top / 10)).sum() / power.sum()) for top in TOPS}
        print("  energy kept, dB:", ", ".join(f"top {top}: {value:.2f}" for top, value in kept.items()))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
