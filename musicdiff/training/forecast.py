"""What a run will take, told before anything is compiled: parameters, time, memory, disk; and the micro-batch that fits the memory."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from musicdiff import conditioning, generation, parallel
from musicdiff.audio.mel import MelSpec
from musicdiff.checkpoints import Checkpoints
from musicdiff.training import probe, step
from musicdiff.training.clock import duration
from musicdiff.training.estimate import Cost, cost
from musicdiff.training.state import TrainState
from musicdiff.typing import Model

MEMORY_SHARE = 0.8  # of a device's memory that a step may be estimated to need
LONG = 24 * 3600.0  # seconds of training from which on, without an accelerator, a smaller preset is named
STATE_COPIES = 5  # parameters, average, two moments, gradients


def num_parameters(model: Model) -> int:
    """Number of trained parameters."""
    return count(_params(model))


def count(tree: Any) -> int:
    """Number of elements of a tree of arrays or shapes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def parameter_table(model: Model) -> str:
    """Parameters by part of the network, one line each."""
    params = _params(model)
    rows = {}
    for name, part in params.items():
        inner = part.items() if name in ("network", "embedders", "autoencoder", "discriminator") else [("", part)]
        for child, leaves in inner:
            rows[f"{name}.{child}".strip(".")] = count(leaves)
    width = max(map(len, rows), default=0)
    lines = [f"  {name:<{width}}  {number:>13,}" for name, number in rows.items()]
    return "\n".join(["parameters", *lines, f"  {'all':<{width}}  {sum(rows.values()):>13,}"])


@functools.lru_cache(maxsize=8)
def step_cost(model: Model, examples: int) -> Cost:
    """Cost of loss and gradients of so many examples in one piece."""
    params = _params(model)
    frozen = jax.eval_shape(model.init_frozen, jax.random.key(0))
    batch = {
        "x_0": jax.ShapeDtypeStruct((examples, model.clip_frames, *model.domain.shape[1:]), jnp.float32),
        "index": jax.ShapeDtypeStruct((examples,), jnp.uint32),
        "weight": jax.ShapeDtypeStruct((examples,), jnp.float32),
        "cond": jax.eval_shape(lambda: conditioning.tell_nothing(model.conditions, examples)),
    }
    state = TrainState(jax.ShapeDtypeStruct((), jnp.int32), params, {}, None)
    return cost(step.gradient_sums(model, seed=0, pieces=1), state, frozen, batch)


def step_seconds(model: Model, batch_size: int, rates: probe.Rates) -> float:
    """Seconds of a training step: the examples shared by the devices, and the update that each of them does."""
    gradients = batch_size * step_cost(model, 1).flops / (rates.flops * parallel.device_count())
    return gradients + num_parameters(model) / rates.updates


def state_bytes(model: Model, profiles: int = 0) -> float:
    """Memory of parameters, their average, moments, gradients, and so many more averages."""
    return 4.0 * (STATE_COPIES + profiles) * num_parameters(model)


def choose_micro_batch(model: Model, config: Mapping[str, Any]) -> int:
    """The largest divisor of a device's share of the batch whose estimated memory fits; config.optim.micro_batch when it is given."""
    if config["optim"]["micro_batch"]:
        return config["optim"]["micro_batch"]
    share = config["batch_size"] // parallel.device_count()
    room = MEMORY_SHARE * (parallel.device_memory() or math.inf) - state_bytes(
        model, len(config["optim"]["ema_profiles"])
    )
    each = step_cost(model, 1).peak_bytes - 4.0 * num_parameters(model)
    return max((n for n in range(1, share + 1) if share % n == 0 and n * each <= room), default=1)


def announce_data(feature: str, spec: MelSpec, phases: int) -> None:
    """Prints what the first phase writes for a model of `feature`: known for each hour of audio, before the hours are."""
    what, frame = ("audio", 1) if feature == "audio" else ("log-mels", spec.num_mels / spec.hop)
    per_hour = 3600 * spec.sample_rate * frame * spec.channels * 2
    print(
        f"phase 1 of {phases}, data: {what} of {size(per_hour)} for each hour of audio, one track in memory at a time",
        flush=True,
    )


def announce(stages: Sequence[tuple[Model, Mapping[str, Any], epath.Path]], first_phase: int) -> None:
    """Prints for each model what the rest of its training will take on this machine and what its sampler is remarked on, as `generate` says it.

    A smaller preset is named when it takes very long.
    """
    rates = probe.measure(dtype=stages[0][1]["dtype"])
    total = 0.0
    for phase, (model, config, home) in enumerate(stages, start=first_phase):
        one = step_cost(model, 1)
        micro_batch = choose_micro_batch(model, config)
        each = step_seconds(model, config["batch_size"], rates)
        done = max(Checkpoints(home / "checkpoints").steps(), default=0)
        left = max(0, config["num_steps"] - done)
        total += left * each
        activations = micro_batch * (one.peak_bytes - 4.0 * num_parameters(model))
        milestones = len([m for m in config["milestones"] if m <= config["num_steps"]]) + 2
        profiles = len(config["optim"]["ema_profiles"])
        disk = 4.0 * num_parameters(model) * ((4 + profiles) * (config["keep_checkpoints"] + 1) + milestones)
        shape = "x".join(str(size) for size in (model.clip_frames, *model.domain.shape[1:]))
        print(
            f"phase {phase} of {first_phase + len(stages) - 1}, {config['model']['name']}: {num_parameters(model):,} parameters, "
            f"{left:,} {'more ' if done else ''}steps of {config['batch_size']} clips [{shape}], "
            f"{one.flops * config['batch_size'] / 1e9:,.0f} GFLOP a step; at {rates.flops / 1e9:,.0f} GFLOP/s a device and "
            f"{rates.updates / 1e6:,.0f} million parameters updated a second about {duration(each)} a step, {duration(left * each)} in all; "
            f"memory about {size(state_bytes(model, profiles) + activations)} (micro-batch {micro_batch}), disk about {size(disk)}",
            flush=True,
        )
        if profiles:
            snapshots = -(-config["num_steps"] // config["checkpoint_every"])
            print(
                f"and in ema/ about {size(4.0 * num_parameters(model) * profiles * snapshots)} more, {snapshots} snapshots of "
                f"{profiles} averages: optim.ema_profiles=() does without",
                flush=True,
            )
        for note in () if model.denoise_fn is None else generation.notes_on(model, config["sampler"]):
            print(note, flush=True)
    if total > LONG and not parallel.has_accelerator():
        model, config, _ = stages[-1]
        name = "text" if model.conditions and model.feature != "audio" else config["model"]["name"]
        print(
            f"there is no accelerator here: about {duration(total)}. For minutes instead, stop this and run "
            f"python run_train.py --config=configs/{name}.py:tiny; this run goes on",
            flush=True,
        )


def size(num_bytes: float) -> str:
    """'834 MB', '3.1 GB'."""
    return f"{num_bytes / 1e9:.3g} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


@functools.lru_cache(maxsize=8)
def _params(model: Model):
    return jax.eval_shape(model.init, jax.random.key(0))
