"""One optimizer step of every full-size configuration on this machine: time, compilation and peak memory, as a markdown table.

    python experiments/benchmarks/full_size.py [NAME:PRESET ...] [--batch 1] [--dtype float32]

The batch is computed in one piece, the data are noise, each configuration runs in a process of its own; the time is the least of three steps after
the one that compiles. Forecasts stand beside what was measured.
"""

import argparse
import json
import os
import subprocess
import sys
import time

STEPS = 3


def measure(name: str, batch_size: int, dtype: str) -> dict:
    """Compiles and runs a few steps of one configuration."""
    import jax
    import numpy as np

    from musicdiff import conditioning, models, parallel, randomness
    from musicdiff import config as configuration
    from musicdiff.training import forecast, loop, probe, step
    from musicdiff.training.state import init_state

    config = configuration.load(name, [f"--config.dtype={dtype}"]).config
    model = models.build(config)
    rates = probe.measure(dtype=config["dtype"])
    cost = forecast.step_cost(model, batch_size)
    transform = loop.make_optimizer(model, config["optim"])
    engine = parallel.engine(
        "jit", step.gradient_sums(model, seed=0, pieces=1), step.update(transform, ema_max=config["optim"]["ema_max"])
    )
    state = engine.place(init_state(jax.jit(model.init), transform, randomness.root_key(0, "init")))
    frozen = engine.place(jax.jit(model.init_frozen)(jax.random.key(1)))
    x_0 = np.random.default_rng(0).standard_normal((batch_size, model.clip_frames, *model.domain.shape[1:]), np.float32)
    rows = {"x_0": x_0, "index": np.arange(batch_size, dtype=np.int32), "weight": np.ones(batch_size, np.float32)}
    batch = engine.shard(rows | {"cond": conditioning.tell_nothing(model.conditions, batch_size)})
    seconds = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        state, metrics = jax.block_until_ready(engine.step(state, frozen, batch))
        seconds.append(time.perf_counter() - start)
    return {
        "config": name,
        "parameters": forecast.num_parameters(model),
        "gflop": cost.flops / 1e9,
        "forecast_seconds": forecast.step_seconds(model, batch_size, rates),
        "seconds": min(seconds[1:]),
        "compile_seconds": seconds[0] - seconds[1],
        "forecast_gb": (cost.peak_bytes + forecast.state_bytes(model)) / 1e9,
        "gb": parallel.peak_memory() / 1e9,
        "loss": float(metrics["loss"]),
        "device": parallel.device_description(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    if os.environ.get("ONE"):
        print(json.dumps(measure(options.names[0], options.batch, options.dtype)))
        return
    from musicdiff import config as configuration

    names = options.names or [name for name in configuration.presets() if ":tiny" not in name and name != "text:t5"]
    print("| configuration | GFLOP a step | compiled in s | s a step | forecast | peak GB | forecast | loss |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        run = subprocess.run(
            [sys.executable, __file__, name, "--batch", str(options.batch), "--dtype", options.dtype],
            env=os.environ | {"ONE": "1"},
            capture_output=True,
            text=True,
        )
        if run.returncode:
            print(f"| {name} | failed: {(run.stderr.strip().splitlines() or ['killed'])[-1]} |", flush=True)
            continue
        row = json.loads(run.stdout.splitlines()[-1])
        print(
            f"| {name} | {row['gflop']:,.0f} | {row['compile_seconds']:.0f} | {row['seconds']:.3g} | {row['forecast_seconds']:.3g} | "
            f"{row['gb']:.1f} | {row['forecast_gb']:.1f} | {row['loss']:.3f} |",
            flush=True,
        )
    print(f"\nbatch {options.batch}, {options.dtype}, {time.strftime('%Y-%m-%d')}, {row['device']}")


if __name__ == "__main__":
    main()
