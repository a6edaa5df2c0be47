"""How well trained models know the velocity eps - x_0 at single levels, on songs never trained on.

    python experiments/velocity.py WORKDIR ... [--num 128]

For a model of mean flow this is u at r = t, where its target is the velocity itself; any other model's prediction is turned into a velocity. What is
left of a perfect model's error is the spread of the velocities that one x_t may have, the same for all. Run it where objectives.py ran.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from objectives import real_mels, songs_of

from musicdiff import generation
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import process

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of rectified flow: sigma / (alpha + sigma)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--num", type=int, default=128)
    options = parser.parse_args()
    x_0 = None
    print("| model | " + " | ".join(f"t = {t}" for t in TIMES) + " | mean |")
    print("|---|" + "---|" * (len(TIMES) + 1))
    for workdir in options.workdirs:
        generator = generation.load(workdir)
        model = generator.model
        if x_0 is None:
            x_0 = real_mels(
                songs_of(generator.config), options.num, model.domain.shape[0], MelSpec(**generator.config["mel"])
            )
            eps = process.draw_noise(jax.random.split(jax.random.key(0), options.num), jnp.asarray(x_0))

        @jax.jit
        def error(params, frozen, x_0, eps, log_snr, model=model):
            prediction = model.denoise_fn(params, frozen)(process.diffuse(x_0, eps, log_snr), log_snr, {})
            return jnp.mean((prediction.eps - prediction.x_0 - (eps - x_0)) ** 2)

        errors = [
            np.mean(
                [
                    float(error(generator.params, generator.frozen, x_0[i : i + 16], eps[i : i + 16], log_snr))
                    for i in range(0, options.num, 16)
                ]
            )
            for log_snr in (jnp.float32(2 * np.log((1 - t) / t)) for t in TIMES)
        ]
        cells = [f"{value:.4f}" for value in (*errors, np.mean(errors))]
        print(f"| {generator.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
