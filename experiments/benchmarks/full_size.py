"""One optimizer step of every full-size configuration on this machine: time, compilation and peak memory, as a markdown table.

    python experiments/benchmarks/full_size.py [NAME:PRESET ...]

Micro-batch and batch are 1, the data are noise, each configuration runs in a process of its own. Forecasts stand beside what was measured.
"""

import json
import os
import subprocess
import sys
import time


def measure(name: str) -> dict:
    """Compiles and runs two steps of one configuration; the second is timed."""
    import jax
    import numpy as np

    from musicdiff import conditioning, models, parallel, randomness
    from musicdiff import config as configuration
    from musicdiff.training import forecast, loop, probe, step
    from musicdiff.training.state import init_state

    config = configuration.load(name).config
    model = models.build(config)
    rates = probe.measure(dtype=config["dtype"])
    cost = forecast.step_cost(model, 1)
    transform = loop.make_optimizer(model, config["optim"])
    engine = parallel.engine(
        "jit", step.gradient_sums(model, seed=0, pieces=1), step.update(transform, ema_max=config["optim"]["ema_max"])
    )
    state = engine.place(init_state(jax.jit(model.init), transform, randomness.root_key(0, "init")))
    frozen = engine.place(jax.jit(model.init_frozen)(jax.random.key(1)))
    x_0 = np.random.default_rng(0).standard_normal((1, model.clip_frames, *model.domain.shape[1:]), np.float32)
    cond = conditioning.tell_nothing(model.conditions, 1)
    batch = engine.shard({"x_0": x_0, "index": np.zeros(1, np.int32), "weight": np.ones(1, np.float32), "cond": cond})
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        state, metrics = jax.block_until_ready(engine.step(state, frozen, batch))
        seconds.append(time.perf_counter() - start)
    return {
        "config": name,
        "parameters": forecast.num_parameters(model),
        "gflop": cost.flops / 1e9,
        "forecast_seconds": forecast.step_seconds(model, 1, rates),
        "seconds": seconds[1],
        "compile_seconds": seconds[0] - seconds[1],
        "forecast_gb": (cost.peak_bytes + forecast.state_bytes(model)) / 1e9,
        "gb": parallel.peak_memory() / 1e9,
        "loss": float(metrics["loss"]),
        "device": parallel.device_description(),
    }


def main(names: list[str]) -> None:
    from musicdiff import config as configuration

    names = names or [name for name in configuration.presets() if ":tiny" not in name and name != "text:t5"]
    print("| configuration | GFLOP a step | compiled in s | s a step | forecast | peak GB | forecast | loss |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        run = subprocess.run(
            [sys.executable, __file__, name], env=os.environ | {"ONE": "1"}, capture_output=True, text=True
        )
        if run.returncode:
            print(f"| {name} | failed: {(run.stderr.strip().splitlines() or ['killed'])[-1]} |", flush=True)
            continue
        row = json.loads(run.stdout.splitlines()[-1])
        print(
            f"| {name} | {row['gflop']:,.0f} | {row['compile_seconds']:.0f} | {row['seconds']:.1f} | {row['forecast_seconds']:.1f} | "
            f"{row['gb']:.1f} | {row['forecast_gb']:.1f} | {row['loss']:.3f} |",
            flush=True,
        )
    print(f"\n{time.strftime('%Y-%m-%d')}, {row['device']}")


if __name__ == "__main__":
    if os.environ.get("ONE"):
        print(json.dumps(measure(sys.argv[1])))
    else:
        main(sys.argv[1:])
