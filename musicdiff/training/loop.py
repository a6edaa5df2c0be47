"""The one training loop: steps, and what is due between them."""

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from musicdiff import averages, choice, facts, milestones, parallel, randomness
from musicdiff.checkpoints import Checkpoints
from musicdiff.errors import TrainingDiverged
from musicdiff.training import held_out, optimizer, samples, step
from musicdiff.training.clock import Clock
from musicdiff.training.run import Run
from musicdiff.training.state import TrainState, init_state, snapshot
from musicdiff.training.stopping import stop_requests
from musicdiff.training.writer import Writer
from musicdiff.typing import Model, Params

SAMPLE_SHARE = 0.05  # of the training time, at most, goes into samples on the way


def make_optimizer(model: Model, optim: Mapping[str, Any]):
    """The optimizer of a model by the section config.optim."""
    own = {key: value for key, value in optim.items() if key not in ("ema_max", "ema_profiles", "micro_batch")}
    return choice.call("config.optim", optimizer.build, own, held_until=model.held_until)


def train(run: Run, writer: Writer, checkpoints: Checkpoints) -> bool:
    """Trains from the newest good checkpoint, or from the start, to config.num_steps; returns whether it got there.

    On SIGTERM or Ctrl-C it saves after the step at hand, and nothing else, for little time may be left; then it returns.
    A workdir that has weights of step 0, such as a converted one, starts from these.

    Raises TrainingDiverged when a loss or gradient is not finite: the last good checkpoint stays, the steps and their examples are saved.
    """
    config, model = run.config, run.model
    transform = make_optimizer(model, config["optim"])
    pieces = config["batch_size"] // parallel.device_count() // run.micro_batch
    engine = parallel.engine(
        config["parallel"]["engine"],
        step.gradient_sums(model, seed=config["seed"], pieces=pieces),
        step.update(transform, ema_max=config["optim"]["ema_max"]),
    )
    evaluate = held_out.evaluator(model, seed=config["seed"], engine=config["parallel"]["engine"])

    key = randomness.root_key(config["seed"], "init")
    fresh = partial(init_state, optimizer=transform, key=key, widths=config["optim"]["ema_profiles"])
    shapes = jax.eval_shape(partial(fresh, model.init))
    start, state = checkpoints.restore_latest_valid(shapes) or (0, fresh(initial_params(run)))
    state, frozen, local_frozen = engine.place(state), engine.place(run.frozen), parallel.local(run.frozen)
    if start:
        writer.log(f"resumed at step {start}")
    elif parallel.is_main():
        facts.add(run.workdir, roughness=samples.save_real(run))
    clock = Clock(facts.read(run.workdir).get("seconds", 0.0))
    pending: list[tuple[int, Any]] = []
    batches = run.batches(start)

    with stop_requests() as stop:
        for number in range(start, config["num_steps"]):
            state, metrics = engine.step(state, frozen, engine.shard(next(batches)))
            pending.append((number, metrics))
            if clock.steps < 2 or parallel.in_order():
                jax.block_until_ready(metrics)
            clock.tick()
            done = number + 1
            if clock.steps == 2:
                writer.log(clock.forecast(config["num_steps"] - done))
            last = done == config["num_steps"]
            stopped = not last and agree_to_stop(stop, done, config["log_every"])
            saved = last or stopped or due(done, config["checkpoint_every"])
            kept = config["optim"]["ema_profiles"] and (last or due(done, config["checkpoint_every"]))
            tested = not stopped and (saved or due(done, config["milestones"]))
            listened = last or due(done, config["sample_every"], config["milestones"])
            # Processes must agree on these steps, also where one alone has time to sample: `collect` may end the run.
            if saved or tested or listened or due(done, config["log_every"]):
                values = collect(pending, run)
                pending.clear()
                writer.scalars(done, values | {"train/steps_per_second": clock.rate(), "train/memory_mb": memory_mb()})
                pace = clock.pace(config["num_steps"] - done)
                writer.progress(done, config["num_steps"], f"loss {values['train/loss']:.4g}  {pace}")
            with clock.pause():
                if kept and parallel.is_main():
                    averages.write(run.workdir, done, jax.device_get(snapshot(state)))
                if saved:  # after its snapshot: no run resumes beyond one that it lacks
                    checkpoints.save(done, state)
                if tested and parallel.is_main():
                    test(run, done, state, local_frozen, evaluate, writer, clock.total())
            if stopped:
                checkpoints.wait()
                writer.log(
                    f"stopped by {stop[0] if stop else 'another process'} after step {done}, saved; the same command goes on from there"
                )
                return False
            if parallel.is_main() and (last or (listened and clock.may_sample(SAMPLE_SHARE))):
                with clock.pause(sampling=True):
                    samples.leave(run, done, parallel.local(state.ema_params["ema"]), writer)
    checkpoints.wait()
    return True


def initial_params(run: Run) -> Callable[[Array], Params]:
    """init(key) -> params, not to be traced: the model's own, or the weights of step 0 that lie in the workdir."""
    if any(milestone.step == 0 for milestone in milestones.find(run.workdir)):
        params = milestones.read(run.workdir, "0")[1]
        return lambda key: jax.tree.map(jnp.asarray, params)
    # Optimising code that draws the initial numbers once takes longer than it saves: 12 s against 5 s for the tiny latent U-Net on CPU.
    return jax.jit(run.model.init, compiler_options={"xla_backend_optimization_level": 0})


def agree_to_stop(stop: list[str], done: int, log_every: int) -> bool:
    """Whether any process was asked to stop. Several processes agree on the step, which costs a collective: only now and then."""
    if parallel.process_count() == 1:
        return bool(stop)
    return due(done, log_every) and parallel.any_process(bool(stop))


def test(
    run: Run, done: int, state: TrainState, frozen: Params, evaluate: Callable, writer: Writer, seconds: float
) -> None:
    """Measures the averaged weights on the held-out clips and keeps them as a milestone."""
    params = parallel.local(state.ema_params["ema"])
    values = evaluate(params, frozen, run.held_out)
    writer.scalars(done, held_out.prefixed("test", values))
    keep = done in run.config["milestones"] or done == run.config["num_steps"]
    facts.add(run.workdir, seconds=round(seconds, 1))
    milestones.write(run.workdir, done, jax.device_get(params), keep=keep, held_out_loss=values["loss"])


def due(done: int, *whens: int | tuple[int, ...]) -> bool:
    """Whether a number of steps is a multiple of one of the intervals, or among one of the tuples."""
    return any(done in when if isinstance(when, tuple) else when > 0 and done % when == 0 for when in whens)


def memory_mb() -> float:
    """Megabytes in use at the worst moment so far, nan where the device does not tell."""
    peak = parallel.peak_memory()
    return math.nan if peak is None else peak / 1e6


def collect(pending, run: Run) -> dict[str, float]:
    """Means over the steps since the last record, fetched from the device at once. Raises TrainingDiverged at the first that is not finite."""
    numbers, metrics = [n for n, _ in pending], jax.device_get([m for _, m in pending])
    bad = [n for n, m in zip(numbers, metrics) if not (np.isfinite(m["loss"]) and np.isfinite(m["grad_norm"]))]
    if bad:
        raise diverged(run, bad[0], numbers, metrics)
    values = {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0] if not name.startswith("bucket")}
    if "bucket_loss" in metrics[0]:
        values |= held_out.buckets(
            *(np.sum([m[name] for m in metrics], axis=0) for name in ("bucket_loss", "bucket_count"))
        )
    return held_out.prefixed("train", values)


def diverged(run: Run, first_bad: int, numbers, metrics) -> TrainingDiverged:
    """Saves what is needed to look into it: the steps since the last record, with their losses and examples. Every process calls it."""
    steps = []
    batches = run.batches(numbers[0])
    for number, values in zip(numbers, metrics):
        index = parallel.gather(next(batches)["index"]).tolist()
        steps.append(
            {"step": number, "loss": str(values["loss"]), "grad_norm": str(values["grad_norm"]), "index": index}
        )
    path = run.workdir / "diverged" / f"step_{numbers[0]:06d}_{numbers[-1]:06d}.json"
    if parallel.is_main():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"first_bad_step": first_bad, "steps": steps}, indent=1))
    return TrainingDiverged(
        f"loss or gradient is not finite at step {first_bad}, found among steps {numbers[0]} to {numbers[-1]}; they are in {path}, the last "
        "good checkpoint stays. A smaller config.optim.learning_rate is the usual remedy"
    )
