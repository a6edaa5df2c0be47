"""run_train.py, sent a signal once it has done a number of steps.

python tests/processes/train.py SIGNAL STEPS --config=... --workdir=... ...
"""

import os
import signal
import sys
import warnings

import run_train
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
    run_train.main(arguments)
