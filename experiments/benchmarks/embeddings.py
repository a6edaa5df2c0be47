"""How fast each embedding hears, and in how much memory, one run. Prints the table of docs/embeddings.md.

    python experiments/benchmarks/embeddings.py [SECONDS]       of noise, 60 by default

Each runs in a process of its own, of which the memory is the peak of all its host memory, JAX itself included. musicnn has its fetched
weights; where those of VGGish and CLAP are not in the cache, random ones of the same sizes are in their place. `cut` is on the host, `embed` on
the device; compilation is not timed, and the shortest of three times counts.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import numpy as np

from musicdiff.errors import DataError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.embeddings import clap, vggish

NAMES = ("musicnn", "melstats", "vggish", "clap:audio", "clap:music")  # the first is what the others are compared to
# Networks of which there may be no weights: their protocol, what they make, and the shape of a mel that they take.
UNTRAINED = {
    "vggish": (vggish, vggish.NETWORK, 128, (1, 96, 64)),
    "clap:audio": (clap, clap.NETWORKS["audio"], 512, (1, 1001, 64)),
    "clap:music": (clap, clap.NETWORKS["music"], 512, (1, 1001, 64)),
}
RUNS = 3


def load(name: str) -> Embedding:
    try:
        return embedding.load(name)
    except DataError:
        if name not in UNTRAINED:
            raise
    protocol, network, width, shape = UNTRAINED[name]
    params = jax.jit(network.init)(jax.random.key(0), np.zeros(shape, np.float32))["params"]
    return Embedding(
        name=f"{name}, random weights",
        protocol=protocol.PROTOCOL,
        sample_rate=protocol.SAMPLE_RATE,
        window=protocol.WINDOW,
        hop=protocol.HOP,
        width=width,
        weights="",
        params=params,
        cut=protocol.cut,
        apply=protocol.embed,
    )


def shortest(function: Callable, *arguments) -> float:
    times = []
    for _ in range(1 + RUNS):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def measure(name: str, seconds: float) -> dict[str, float | str]:
    loaded = load(name)
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * loaded.sample_rate)).astype(np.float32)
    windows = loaded.cut(audio).x
    times = {"cut": shortest(loaded.cut, audio), "embed": shortest(loaded.embed, windows)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"name": loaded.name, "windows": len(windows), "peak": peak, "device": str(jax.devices()[0])}
    return facts | {part: 1000 * spent / seconds for part, spent in times.items()}


def main(seconds: float) -> None:
    found = []
    for name in NAMES:
        command = [sys.executable, __file__, f"{seconds:g}", name]
        found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        if len(found) == 1:
            print(f"{seconds:g} s of noise, {found[0]['device']}")
            print(
                "| embedding | windows | cut, ms a second of audio | embed, ms | seconds of audio a second | to musicnn | peak memory, MB |"
            )
            print("|---|---|---|---|---|---|---|")
        speeds = [1000 / (each["cut"] + each["embed"]) for each in found]
        each, speed = found[-1], speeds[-1]
        times = f"{each['cut']:.1f} | {each['embed']:.1f} | {speed:.1f} | {speed / speeds[0]:.2f}"
        print(f"| {each['name']} | {each['windows']} | {times} | {each['peak']:.0f} |", flush=True)


if __name__ == "__main__":
    asked = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if len(sys.argv) > 2:
        print(json.dumps(measure(sys.argv[2], asked)))
    else:
        main(asked)
