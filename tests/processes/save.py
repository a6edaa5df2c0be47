"""Resumes from a folder of checkpoints and saves steps without end, to be killed; prints each step that is complete.

python tests/processes/save.py CHECKPOINTS
"""

import sys
import warnings

import numpy as np

from musicdiff.checkpoints import Checkpoints


def make_state(step):
    """5 MB that are different in every bit at every step."""
    rng = np.random.default_rng(step)
    params = {f"layer_{i}": {"kernel": rng.normal(size=(125, 1000)).astype(np.float32)} for i in range(10)}
    return {"step": np.array(step), "params": params}


def train(folder):
    checkpoints = Checkpoints(folder)
    step, _ = checkpoints.restore_latest_valid(make_state(0)) or (0, None)
    while True:
        step += 1
        checkpoints.save(step, make_state(step))
        checkpoints.wait()
        print(step, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("error")
    train(sys.argv[1])
