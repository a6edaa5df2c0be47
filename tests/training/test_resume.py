"""A run that is stopped, killed or moved is, resumed, the run that was never interrupted: bit for bit."""

import random
import shutil
import signal

import jax
import micro
import numpy as np
import pytest
from processes import start

from musicdiff import averages, milestones, models, parallel
from musicdiff.checkpoints import Checkpoints
from musicdiff.training import loop, phases
from musicdiff.training.state import TrainState
from musicdiff.training.writer import read_metrics

STEPS = 10
CLOCK = ("num_steps=10", "log_every=1", "checkpoint_every=5", "sample_every=0", "milestones=()")
CLOCK += ("optim.ema_profiles=(0.05,0.1)",)
MEASURED = ("train/steps_per_second", "train/memory_mb")  # of the machine, not of the run


@pytest.fixture(scope="module")
def run(cache_dir):
    """Trains, or resumes, a micro mel model in a folder."""

    def run(folder, *changes):
        with micro.without_sound():
            phases.run(micro.make_config("mel", *CLOCK, f"data.cache_dir={cache_dir}", *changes), folder)

    return run


@pytest.fixture(scope="module")
def command(cache_dir):
    """The arguments that make run_train.py do the same."""

    def command(folder, *changes):
        overrides = micro.overrides("mel", *CLOCK, f"data.cache_dir={cache_dir}", *changes)
        return ["--config=mel:tiny", f"--workdir={folder}", *overrides]

    return command


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """Ten steps without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(folder)
    return folder


def read_state(folder):
    """(step, everything) of the newest checkpoint."""
    config = micro.make_config("mel")
    model = models.build(config)
    params = jax.eval_shape(model.init, jax.random.key(0))
    moments = jax.eval_shape(loop.make_optimizer(model, config["optim"]).init, params)
    target = TrainState(
        jax.ShapeDtypeStruct((), np.int32), params, dict.fromkeys(("ema", "0.05", "0.1"), params), moments
    )
    return Checkpoints(folder / "checkpoints").restore_latest_valid(target)


def losses(folder, prefix):
    """{step: {name: value}} of the metrics of one kind, in the order they were written."""
    records = [
        {name: value for name, value in record.items() if name.startswith(prefix) and name not in MEASURED}
        | {"step": record["step"]}
        for record in read_metrics(folder)
    ]
    return [record for record in records if len(record) > 1]


def assert_same_run(folder, whole):
    """Parameters, averages, moments, losses, the weights to sample with and the snapshots of averages, to the last bit."""
    step, state = read_state(folder)
    expected_step, expected = read_state(whole)
    assert step == expected_step == STEPS
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    assert losses(folder, "train/") == losses(whole, "train/")
    assert losses(folder, "test/") == losses(whole, "test/")
    for weights in (f"milestones/step_{STEPS:06d}", "ema/step_000005", f"ema/step_{STEPS:06d}"):
        file = f"{weights}.safetensors"
        assert (folder / file).read_bytes() == (whole / file).read_bytes()
    assert [snapshot.step for snapshot in averages.find(folder)] == [5, STEPS]


def test_ten_steps_leave_ten_losses(whole):
    steps = [record["step"] for record in read_metrics(whole) if "train/loss" in record]
    assert steps == list(range(1, STEPS + 1))
    tested = [record["step"] for record in read_metrics(whole) if "test/loss" in record]
    assert tested == [5, 10]


def test_an_average_of_another_width_is_made_of_a_run(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    made = averages.build(folder, 0.08)[0].name
    params, latest = (milestones.read(folder, name)[1] for name in (made, "latest"))
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, latest) and made == "10-0.08"


def test_five_and_five_are_ten(run, whole, tmp_path, monkeypatch, capsys):
    """Stopped after five, moved, and resumed where it is now, though there is less memory: the micro-batch stays."""
    run(tmp_path / "before", "num_steps=5")
    shutil.move(tmp_path / "before", tmp_path / "after")
    monkeypatch.setattr(parallel, "device_memory", lambda: 1)
    monkeypatch.setattr(loop, "initial_params", None)  # what is restored is not drawn first
    capsys.readouterr()
    run(tmp_path / "after")
    assert "resumed at step 5" in (tmp_path / "after" / "log.txt").read_text()
    said = capsys.readouterr().out
    assert "5 more steps of 4 clips" in said and "the remaining 3 take about" in said
    assert_same_run(tmp_path / "after", whole)


def test_a_damaged_checkpoint_costs_its_steps_only(run, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    damaged = next((tmp_path / "run" / "checkpoints" / "10" / "state" / "d").iterdir())
    damaged.write_bytes(bytes([damaged.read_bytes()[0] ^ 1]) + damaged.read_bytes()[1:])
    run(tmp_path / "run")
    assert "resumed at step 5" in (tmp_path / "run" / "log.txt").read_text()
    assert_same_run(tmp_path / "run", whole)


def test_stopped_then_killed_at_any_step(run, command, whole, tmp_path):
    """SIGTERM saves and ends well; SIGKILL costs what is not saved; neither changes what the run becomes."""
    folder = tmp_path / "run"
    process = start("train.py", "SIGTERM", 3, *command(folder))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "stopped by SIGTERM after step 3, saved" in output
    assert read_state(folder)[0] == 3

    steps = random.randrange(1, STEPS - 3)
    process = start("train.py", "SIGKILL", steps, *command(folder))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, errors

    run(folder)
    assert_same_run(folder, whole)


def test_a_trained_run_is_left_as_it_is(run, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    run(tmp_path / "run")
    assert "is trained already, 10 steps" in (tmp_path / "run" / "log.txt").read_text()
    assert_same_run(tmp_path / "run", whole)
