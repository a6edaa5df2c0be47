"""How fast models generate on this machine, vocoder included: seconds of computing for a second of audio, as a markdown table.

    python experiments/benchmarks/sampling.py [NAME:PRESET ...] [--sampler ddim] [--steps 50] [--batch 1 8] [--dtype float32]

The weights are random: the time does not depend on them. The least of three runs after the one that compiles.
"""

import argparse
import time

import jax

from musicdiff import config as configuration
from musicdiff import generation, models, parallel

DEFAULT = ["mel:256x256", "mel:512x128", "latent:256x256"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT)
    parser.add_argument("--sampler", default="ddim")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    print(
        "| configuration | clips at once | compiled in s | computed in s | s a second of audio |\n|---|---|---|---|---|"
    )
    for name in options.names:
        config = configuration.load(name, [f"--config.dtype={options.dtype}"]).config
        model = models.build(config)
        params, frozen = jax.jit(model.init)(jax.random.key(0)), jax.jit(model.init_frozen)(jax.random.key(1))
        generator = generation.Generator(model, parallel.local(params), parallel.local(frozen), config, name, 0)
        settings = {"name": options.sampler, "num_steps": options.steps, "grid": "trailing"}
        for batch in options.batch:
            runs = [
                generation.generate(generator, seeds=range(batch), sampler=settings, batch_size=batch) for _ in range(4)
            ]
            best = min(runs[1:], key=lambda clips: clips.compute_seconds)
            print(
                f"| {name} | {batch} | {runs[0].compile_seconds:.0f} | {best.compute_seconds:.3f} | {best.real_time_factor:.4f} |",
                flush=True,
            )
    print(
        f"\n{options.sampler}, {options.steps} steps, {options.dtype}, {time.strftime('%Y-%m-%d')}, {parallel.device_description()}"
    )


if __name__ == "__main__":
    main()
