"""What a model gets out of each thing it is told: its error on held-out clips, told one condition alone, the clip's own or another clip's.

    python experiments/told.py WORKDIR [WORKDIR ...] [--num 512]

Errors are mean squares of x_0, relative to those of the model told nothing, at levels of noise where clips are still undecided; the same noise
each time. A condition that was learnt lowers the error where it is the clip's own, and raises it where it is another's; one that was not does
neither. ± is the standard error over clips. It takes a minute where sampling and judging (control.py) takes half an hour.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import conditioning, generation, randomness
from musicdiff.diffusion import process
from musicdiff.evaluation import clips
from musicdiff.generation import Generator

LEVELS = np.float32([-4.0, -2.0, 0.0])  # log-SNR
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--num", type=int, default=512)
    options = parser.parse_args()
    print("| model | told alone | its own | another clip's | the difference |\n|---|---|---|---|---|")
    for workdir in options.workdirs:
        generator = generation.load(workdir)
        found = measure(generator, held_out(workdir, generator, options.num))
        untold, _ = found.pop("nothing")
        for name, (own, other) in found.items():
            cells = " | ".join(percent(errors - untold) for errors in (own, other))
            print(f"| {generator.name} | {name} | {cells} | {percent(other - own)} |", flush=True)


def held_out(workdir: str, generator: Generator, num: int) -> dict:
    """The clips as one batch {'x_0', 'index', 'cond'}."""
    batches = clips.held_out(workdir, generator.config, generator.model, limit=num, batch_size=BATCH)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    return jax.tree.map(
        lambda leaf: leaf[whole["weight"] > 0], {name: whole[name] for name in ("x_0", "index", "cond")}
    )


def measure(generator: Generator, batch: dict) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{condition: (errors told its own, told another's)}, each [clips] and relative to the mean told nothing, which is 'nothing'."""
    model = generator.model

    @jax.jit
    def errors(params, frozen, x_0, index, cond):
        x_0 = model.reconstruct(params, frozen, x_0)
        keys = randomness.example_keys(randomness.root_key(0, "told"), index)
        eps, denoise = process.draw_noise(keys, x_0), model.denoise_fn(params, frozen)

        def at(log_snr):
            x_t = process.diffuse(x_0, eps, log_snr)
            return jnp.mean((denoise(x_t, jnp.full(len(x_0), log_snr), cond).x_0 - x_0) ** 2, axis=(1, 2, 3))

        return jnp.mean(jax.lax.map(at, LEVELS), axis=0)

    def of(cond):
        parts = []
        for start in range(0, len(batch["index"]), BATCH):
            rows = jax.tree.map(
                lambda leaf, start=start: leaf[start : start + BATCH], (batch["x_0"], batch["index"], cond)
            )
            parts.append(np.asarray(errors(generator.params, generator.frozen, *rows)))
        return np.concatenate(parts)

    silent = conditioning.silence(batch["cond"])
    nothing = of(silent)
    found = {"nothing": (nothing, nothing)}
    for name, own in batch["cond"].items():
        other = jax.tree.map(lambda leaf: np.roll(leaf, len(leaf) // 2, axis=0), own)
        found[name] = tuple(of(silent | {name: entry}) for entry in (own, other))
    return {name: tuple(each / nothing.mean() for each in pair) for name, pair in found.items()}


def percent(values: np.ndarray) -> str:
    return f"{100 * values.mean():.2f} ± {100 * values.std() / len(values) ** 0.5:.2f} %"


if __name__ == "__main__":
    main()
