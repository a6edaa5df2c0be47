"""From clips to the noise that makes them, and back to the clips: the error that `interpolate` has at its ends.

    python experiments/there_and_back.py WORKDIR [--num 4] [--steps 20,50,100] [--told JSON]

The clips are the model's own, as audio, encoded again. Both ways go by heun. Errors: RMS of x_0 beside its deviation, and of the log-mel in dB.
"""

import argparse
import json

import numpy as np

from musicdiff import generation
from musicdiff.audio.mel import MelSpec, decibels_of
from musicdiff.generation import Edit, Guidance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("--num", type=int, default=4)
    parser.add_argument("--steps", default="20,50,100")
    parser.add_argument("--told", default="{}", metavar="JSON")
    args = parser.parse_args()
    generator, told = generation.load(args.workdir), json.loads(args.told)
    spec, seeds = MelSpec(**generator.config["mel"]), range(100, 100 + args.num)
    x_0 = generation.encode(generator, generation.generate(generator, seeds=seeds, told=told).audio)
    plain = Guidance(1.0) if told else None

    def mels(x):
        return np.asarray(decibels_of(np.asarray(generator.model.to_mel(generator.frozen, x)), spec))

    def rms(x):
        return float(np.sqrt(np.mean(np.square(x))))

    print("| steps each way | x_0 | log-mel | deviation of the noise |\n|---|---|---|---|")
    for steps in map(int, args.steps.split(",")):
        sampler = {"name": "heun", "num_steps": steps}
        x_T = generation.invert(generator, x_0, told=told, sampler=sampler)
        asked = {"told": told, "guidance": plain, "sampler": sampler}
        back = generation.generate(generator, seeds=seeds, **asked, edit=Edit(x_T=x_T)).x_0
        apart, heard = rms(back - x_0) / float(np.std(x_0)), rms(mels(back) - mels(x_0))
        print(f"| {steps} | {apart:.2g} | {heard:.2g} dB | {float(np.std(x_T)):.2f} |", flush=True)


if __name__ == "__main__":
    main()
