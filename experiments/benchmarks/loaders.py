"""Clips a second out of the cache, by loader, length of the tracks and width of the mels.

    python experiments/benchmarks/loaders.py

Tracks of noise, which compresses worse than music. CPU seconds a clip are what a busy machine leaves comparable.
"""

import itertools
import tempfile
import time

import click
import numpy as np

from musicdiff.audio.mel import MelSpec
from musicdiff.data import Track, TrackSource, batches, build_tracks

CASES = (
    (30, 32, 512),
    (180, 128, 256),
    (180, 256, 256),
    (3600, 128, 256),
)  # seconds of a track, mel bins, frames of a clip
TRACKS = 8


@click.command()
@click.option("--seconds", default=6.0, show_default=True, help="How long to measure each case.")
@click.option("--batch-size", default=16, show_default=True)
def main(seconds: float, batch_size: int) -> None:
    for length, bins, frames in CASES:
        audio = np.random.default_rng(0).normal(0, 0.1, (length * 22050, 1)).astype(np.float32)
        tracks = tuple(Track(str(i), lambda audio=audio, **_: (audio, 22050)) for i in range(TRACKS))
        with tempfile.TemporaryDirectory() as folder:
            source = TrackSource("noise", tracks, f"{length}")
            split = build_tracks(source, MelSpec(num_mels=bins), folder, progress=False).split("train")
            for loader in ("tf", "numpy"):
                made = batches(split, feature="mel", frames=frames, batch_size=batch_size, seed=0, loader=loader)
                for _ in itertools.islice(made, 3):  # fill the buffers
                    pass
                start, cpu, count = time.perf_counter(), time.process_time(), 0
                while time.perf_counter() - start < seconds:
                    next(made)
                    count += batch_size
                wall, cpu = time.perf_counter() - start, time.process_time() - cpu
                case = f"tracks of {length:4} s, {bins:3} bins, clips of {frames} frames, {loader:5}"
                click.echo(f"{case}: {count / wall:7.1f} clips/s, {1000 * cpu / count:6.2f} ms of CPU a clip")


if __name__ == "__main__":
    main()
