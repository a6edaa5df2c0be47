"""run_train.py, sent a signal once it has done a number of steps (0: never). Nothing is drawn or vocoded, which takes most of a micro run's time.

python tests/processes/train.py SIGNAL STEPS --config=... --workdir=... ...
"""

import os
import signal
import sys
import warnings

import run_train
from musicdiff.training import samples
from musicdiff.training.clock import Clock

name, steps, *arguments = sys.argv[1:]
tick = Clock.tick


def tick_and_signal(self):
    tick(self)
    if self.steps == int(steps):
        os.kill(os.getpid(), signal.Signals[name])


if __name__ == "__main__":
    warnings.simplefilter("error")
    Clock.tick = tick_and_signal
    samples.save_real = lambda run: 0.1
    samples.leave = lambda run, step, params, writer: None
    run_train.main(arguments)
