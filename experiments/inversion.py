"""From data up to noise and back by a trained model: the round trip's error, by sampler and number of steps.

    python experiments/inversion.py WORKDIR [--num 8]

The clips are songs never trained on, the levels even in log-SNR from 6 to -6, the errors in x at 6, where the data's own deviation is printed. The
analytic denoiser's errors on the same kind of path are in docs/samplers.md. Run it where objectives.py ran.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from objectives import real_mels, songs_of

from musicdiff import generation, samplers
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import guidance, process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--num", type=int, default=8)
    options = parser.parse_args()
    generator = generation.load(options.workdir)
    model = generator.model
    x_0 = real_mels(songs_of(generator.config), options.num, model.domain.shape[0], MelSpec(**generator.config["mel"]))
    keys = jax.random.split(jax.random.key(0), options.num)
    start = process.diffuse(jnp.asarray(x_0), process.draw_noise(keys, jnp.asarray(x_0)), jnp.float32(6.0))

    def there_and_back(params, frozen, x, grid, name):
        denoise_fn = guidance.conditional(model.denoise_fn(params, frozen), {})
        for path in (grid[::-1], grid):
            x = samplers.sample(denoise_fn, x, keys, sampler=samplers.build(name), grid=path)
        return x

    run = jax.jit(there_and_back, static_argnames="name")
    print(f"{generator.name}: deviation of x {float(jnp.std(start)):.3f}")
    print("| sampler | steps each way | root mean square error | largest |\n|---|---|---|---|")
    for name in ("ddim", "heun", "dpmpp_2m", "unipc"):
        for steps in (20, 50, 100):
            grid = np.linspace(-6, 6, steps + 1, dtype=np.float32)
            error = np.asarray(run(generator.params, generator.frozen, start, grid, name) - start)
            print(f"| `{name}` | {steps} | {np.sqrt(np.mean(error**2)):.1e} | {np.abs(error).max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
