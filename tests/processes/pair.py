"""One of the two processes of a job with two devices each: trains with both engines, saves and restores; prints the results as JSON.

python tests/processes/pair.py CHECKPOINTS   (who takes part is said by the environment)
"""

import json
import os
import pathlib
import sys
import warnings

os.environ["JAX_NUM_CPU_DEVICES"] = "2"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import regression  # noqa: E402

from musicdiff import parallel  # noqa: E402
from musicdiff.checkpoints import Checkpoints  # noqa: E402
from musicdiff.errors import MusicdiffError, UsageError  # noqa: E402

parallel.initialize()
parallel.initialize()  # joining twice is harmless
process, processes = parallel.process_index(), parallel.process_count()
rows = slice(*parallel.rows(8))

results = {"process": process, "processes": processes, "main": parallel.is_main(), "engines": {}}
results["description"] = parallel.device_description()
for name in ("pmap", "jit"):
    engine = parallel.engine(name, regression.grad_fn, regression.update_fn)
    state, losses, norms = regression.train(engine, rows)
    checkpoints = Checkpoints(f"{sys.argv[1]}/{name}")
    for step in (regression.STEPS, regression.STEPS + 1):
        checkpoints.save(step, engine.place(state))
    checkpoints.wait()
    if parallel.is_main():
        next((checkpoints.folder / f"{regression.STEPS + 1}" / "state" / "d").iterdir()).write_bytes(b"damaged")
    step, restored = checkpoints.restore_latest_valid(regression.make_state())
    results["engines"][name] = {
        "kernel": state["params"]["kernel"].tolist(),
        "losses": losses,
        "norms": norms,
        "step": step,
        "restored": restored["params"]["kernel"].tolist(),
    }

folder = pathlib.Path(sys.argv[1])
results["made"] = parallel.main_first(lambda: (folder / "made").exists() or (folder / "made").mkdir(), "made")
parallel.barrier("all have seen it")
results["any"] = [parallel.any_process(False), parallel.any_process(process == 1), parallel.any_process(True)]
results["from_main"] = parallel.from_main(7 + process)
results["gathered"] = parallel.gather(np.arange(4, dtype=np.int32) + 4 * process).tolist()


def fail():
    raise UsageError("no room")


try:
    parallel.main_first(fail, "tracks")
except MusicdiffError as error:
    results["failed"] = [type(error).__name__, str(error)]

# Each process may map on its own devices while the other does something else.
scale = parallel.Batched(lambda factor, x: factor * x)
results["mapped"] = scale(parallel.local(jnp.float32(process + 1)), np.arange(3, dtype=np.float32)).tolist()
jax.distributed.shutdown()
print(json.dumps(results))
