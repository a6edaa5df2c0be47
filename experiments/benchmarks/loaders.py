"""Clips a second out of the cache, by loader, length of the tracks and width of the mels; and of audio, the loader's share of a training step.

    python experiments/benchmarks/loaders.py
    python experiments/benchmarks/loaders.py --step-seconds 40    # of a waveform:65536 step, where the share is asked for

Tracks of noise, which compresses worse than music. CPU seconds a clip are what a busy machine leaves comparable. The share is that of the CPU's
time for a batch in a step's, as if nothing of it were hidden behind the step; loaders work ahead, so what a step waits for is less.
"""

import itertools
import tempfile
import time
from collections.abc import Iterator

import click
import numpy as np

from musicdiff.audio.mel import MelSpec
from musicdiff.data import Track, Tracks, TrackSource, batches, build_audio, build_tracks

CASES = (
    (30, 32, 512),
    (180, 128, 256),
    (180, 256, 256),
    (3600, 128, 256),
)  # seconds of a track, mel bins, frames of a clip
AUDIO_CASES = ((30, 22050, 1, 65536), (600, 22050, 1, 65536), (600, 44100, 2, 131072))  # rate, channels, samples
TRACKS = 8


@click.command()
@click.option("--seconds", default=6.0, show_default=True, help="How long to measure each case.")
@click.option("--batch-size", default=16, show_default=True)
@click.option("--step-seconds", type=float, help="Of a step of the waveform model, to tell the loader's share of it.")
def main(seconds: float, batch_size: int, step_seconds: float | None) -> None:
    for case, tracks, frames in caches():
        split = tracks.split("train")
        for loader in ("tf", "numpy"):
            made = batches(split, feature=tracks.feature, frames=frames, batch_size=batch_size, seed=0, loader=loader)
            for _ in itertools.islice(made, 3):  # fill the buffers
                pass
            start, cpu, count = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() - start < seconds:
                next(made)
                count += batch_size
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            line = f"{case}, {loader:5}: {count / wall:7.1f} clips/s, {1000 * cpu / count:6.2f} ms of CPU a clip"
            if step_seconds and tracks.feature == "audio":
                line += f", {100 * batch_size * cpu / count / step_seconds:.2f} % of a step"
            click.echo(line)


def caches() -> Iterator[tuple[str, Tracks, int]]:
    """(what it holds, the cache, T of a clip), each cache there until the next is asked for."""
    for length, bins, frames in CASES:
        with tempfile.TemporaryDirectory() as folder:
            tracks = build_tracks(noise(length, 22050, 1), MelSpec(num_mels=bins), folder, progress=False)
            yield f"tracks of {length:4} s, {bins:3} bins, clips of {frames} frames", tracks, frames
    for length, rate, channels, samples in AUDIO_CASES:
        with tempfile.TemporaryDirectory() as folder:
            tracks = build_audio(noise(length, rate, channels), rate, channels, folder, progress=False)
            yield f"tracks of {length:4} s, {rate} Hz x {channels}, clips of {samples} samples", tracks, samples


def noise(seconds: int, rate: int, channels: int) -> TrackSource:
    audio = np.random.default_rng(0).normal(0, 0.1, (seconds * rate, channels)).astype(np.float32)
    return TrackSource("noise", tuple(Track(str(i), lambda **_: (audio, rate)) for i in range(TRACKS)), f"{seconds}")


if __name__ == "__main__":
    main()
