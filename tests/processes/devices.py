"""Trains and maps on 1, 2 and 4 devices faked on the CPU, with both engines; prints the results as JSON.

python tests/processes/devices.py CHECKPOINTS   (a folder that gets the state of four devices)
"""

import json
import os
import sys
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import regression  # noqa: E402

from musicdiff import parallel  # noqa: E402
from musicdiff.checkpoints import Checkpoints  # noqa: E402

compilations = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compilations.append(event) if "backend_compile" in event else None
)


def noisy(params, rows):
    noise = jax.vmap(lambda key: jax.random.normal(key, (5,)))(rows["keys"])
    return {"x": rows["x"] @ params["kernel"] + noise, "index": rows["index"]}


results = []
for name in ("pmap", "jit"):
    for count in (1, 2, 4):
        devices = jax.devices()[:count]
        engine = parallel.engine(name, regression.grad_fn, regression.update_fn, devices=devices)
        (
            regression.make_state(),
            regression.make_frozen(),
            engine.place(regression.make_state()),
        )  # compiles what they need
        compilations.clear()
        state, losses, norms = regression.train(engine)
        steps_compiled = len(compilations)

        sample = parallel.Batched(noisy, engine=name, devices=devices)
        params = {"kernel": jnp.arange(15.0).reshape(3, 5) / 7}
        rng = np.random.default_rng(0)
        rows = {"x": rng.normal(size=(7, 3)).astype(np.float32), "index": np.arange(7)}
        rows["keys"] = np.asarray(jax.random.split(jax.random.PRNGKey(0), 7))
        expected = jax.device_get(jax.jit(noisy)(params, rows))
        outputs = [sample(parallel.place(params, devices), rows), sample(params, rows)]
        results.append(
            {
                "engine": name,
                "devices": count,
                "compilations": steps_compiled,
                "kernel": state["params"]["kernel"].tolist(),
                "step": int(state["step"]),
                "losses": losses,
                "norms": norms,
                "mapped_error": max(float(np.abs(output["x"] - expected["x"]).max()) for output in outputs),
                "mapped_index": outputs[0]["index"].tolist(),
            }
        )

checkpoints = Checkpoints(sys.argv[1])
checkpoints.save(3, engine.place(state))
checkpoints.wait()
print(json.dumps({"description": parallel.device_description(), "results": results}))
