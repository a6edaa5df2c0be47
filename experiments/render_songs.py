"""The built-in songs as audio files with their labels beside them, by all cores: to hear them, or to train on them as folder:OUT.

    python experiments/render_songs.py OUT [--num 120] [--rate 22050] [--jobs 16]

A cache built of `builtin:N` synthesises in threads of one process; on a machine of many cores this and `folder:OUT` are faster.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from musicdiff import data
from musicdiff.audio import io

open_songs = cache(lambda num: data.open_source(f"builtin:{num}").tracks)  # once a process


def render(number: int, num: int, out: str, rate: int) -> None:
    """One song: a FLAC file, and its caption, style, tempo and key as JSON."""
    track = open_songs(num)[number]
    audio, _ = track.read(sample_rate=rate, channels=1)
    path = Path(out) / f"song_{number:05d}.flac"
    labels = {"caption": track.caption, "style": track.style, "tempo": track.tempo, "key": track.key}
    path.with_suffix(".json").write_text(json.dumps(labels | {"licence": track.licence}))
    io.write(path, audio, rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--num", type=int, default=120)
    parser.add_argument("--rate", type=int, default=22_050)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    Path(options.out).mkdir(parents=True, exist_ok=True)
    os.environ["JAX_PLATFORMS"] = "cpu"  # of the workers, which compute nothing by it
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        task = partial(render, num=options.num, out=options.out, rate=options.rate)
        for count, _ in enumerate(pool.map(task, range(options.num), chunksize=8), 1):
            if count % 50 == 0 or count == options.num:
                print(f"{count} of {options.num} songs", flush=True)


if __name__ == "__main__":
    main()
