"""Any number of devices, either engine, any number of processes: the same training, and the same rows out of a map."""

import json
import random
import socket

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from processes import finish, regression, start

from musicdiff import parallel
from musicdiff.checkpoints import Checkpoints
from musicdiff.errors import UsageError

ENGINES = ("pmap", "jit")


@pytest.fixture(scope="module")
def on_devices(tmp_path_factory):
    """What 1, 2 and 4 devices gave, and the folder with the checkpoint of the 4."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return folder, json.loads(finish(start("devices.py", folder), seconds=180))


def assert_solved(result):
    kernel, losses, norms = regression.solve()
    np.testing.assert_allclose(result["kernel"], kernel, atol=1e-5)
    np.testing.assert_allclose(result["losses"], losses, rtol=1e-5)
    np.testing.assert_allclose(result["norms"], norms, rtol=1e-5)


def test_shares_of_the_batch_are_unequal():
    for devices in (2, 4):
        counts = regression.WEIGHTS.reshape(devices, -1).sum(axis=1)
        assert len(set(counts)) > 1


@pytest.mark.parametrize("case", range(6))
def test_training_does_not_depend_on_devices_or_engine(on_devices, case):
    result = on_devices[1]["results"][case]
    assert_solved(result)
    assert result["step"] == regression.STEPS
    assert result["compilations"] == 1


@pytest.mark.parametrize("case", range(6))
def test_mapping_does_not_depend_on_devices_or_engine(on_devices, case):
    result = on_devices[1]["results"][case]
    assert result["mapped_error"] < 1e-5
    assert result["mapped_index"] == list(range(7))


def test_every_case_was_run(on_devices):
    cases = [(result["engine"], result["devices"]) for result in on_devices[1]["results"]]
    assert cases == [(engine, devices) for engine in ENGINES for devices in (1, 2, 4)]
    assert on_devices[1]["description"].startswith("4 x CPU")


def test_a_checkpoint_of_four_devices_restores_on_one(on_devices):
    folder, output = on_devices
    step, state = Checkpoints(folder).restore_latest_valid(jax.eval_shape(regression.make_state))
    assert step == regression.STEPS
    np.testing.assert_array_equal(state["params"]["kernel"], np.float32(output["results"][-1]["kernel"]))


@pytest.mark.parametrize("name", ENGINES)
def test_placed_states_are_copies(name):
    engine = parallel.engine(name, regression.grad_fn, regression.update_fn)
    state = regression.make_state()
    assert state["params"]["kernel"] is state["ema_params"]["kernel"]
    engine.step(engine.place(state), engine.place(regression.make_frozen()), engine.shard(regression.make_batch(0)))
    np.testing.assert_array_equal(state["params"]["kernel"], np.ones((3, 2)))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_one_mapped_function_takes_any_number_of_rows(name, rows):
    mapped = parallel.Batched(lambda params, cond, x: {"y": params * x + cond["shift"]}, engine=name)
    x = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
    result = mapped(jnp.float32(2), {"shift": np.float32(1)}, x)
    assert isinstance(result["y"], np.ndarray)
    np.testing.assert_array_equal(result["y"], 2 * x + 1)


@pytest.mark.parametrize("name", ENGINES)
def test_a_mapped_function_compiles_once_a_shape(name):
    traced = []

    def double(shared, x):
        traced.append(x.shape)
        return 2 * x

    mapped = parallel.Batched(double, engine=name)
    shared, x = parallel.local({"kernel": np.ones(3)}), np.ones((2, 3), np.float32)
    assert mapped.compile(shared, x) > 0
    for _ in range(2):
        np.testing.assert_array_equal(mapped(shared, x), 2 * x)
    mapped(shared, x.astype(np.int32))
    assert len(traced) == 2


def test_bad_arguments_name_the_remedy():
    two = jax.devices() * 2  # only counted: nothing runs on them
    assert parallel.rows_per_device(6, two[:2]) == 3
    with pytest.raises(
        UsageError, match="batch_size 7 is not divisible by the 2 devices of this run: use a multiple of 2"
    ):
        parallel.rows_per_device(7, two[:2])
    with pytest.raises(UsageError, match="batch_size 0"):
        parallel.rows_per_device(0)
    with pytest.raises(UsageError, match=r"parallel\.engine is 'pjit': use 'pmap' or 'jit'"):
        parallel.engine("pjit", regression.grad_fn, regression.update_fn)
    with pytest.raises(UsageError, match=r"parallel\.engine is 'vmap'"):
        parallel.Batched(jnp.sin, engine="vmap")


def test_alone_there_is_nothing_to_join(monkeypatch):
    for name in ("MUSICDIFF_COORDINATOR", *parallel.LAUNCHERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    parallel.initialize()
    assert not jax.distributed.is_initialized()
    assert (parallel.process_index(), parallel.process_count(), parallel.is_main()) == (0, 1, True)
    assert parallel.rows(16) == (0, 16)
    assert parallel.main_first(lambda: "made", "once") == "made"
    assert parallel.from_main(7) == 7
    assert parallel.gather(np.arange(3)).tolist() == [0, 1, 2]
    assert parallel.any_process(True) and not parallel.any_process(False)


def test_a_coordinator_alone_is_not_enough(monkeypatch):
    monkeypatch.delenv("MUSICDIFF_NUM_PROCESSES", raising=False)
    with pytest.raises(UsageError, match="MUSICDIFF_NUM_PROCESSES"):
        parallel.initialize("localhost:1234")


def test_memory_is_known():
    assert 2**26 < parallel.peak_memory() < parallel.device_memory() * jax.local_device_count() < 2**50
    assert parallel.device_description()


@pytest.mark.parametrize(
    ("groups", "limits", "least"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "3000000000\n"}, 3e9),  # version 2, a limit above
        ("0::/../../unseen\n", {"memory.max": "2000\n"}, 2000),  # in a container, where the group is the top
        ("4:memory:/x\n3:cpu:/x\n", {"memory/x/memory.limit_in_bytes": "5\n", "cpu/x/memory.limit_in_bytes": "1"}, 5),
        ("4:memory:/unseen\n0::/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2.0**63),
        ("0::/\n", {}, np.inf),
    ],
)
def test_a_container_has_its_own_memory(tmp_path, groups, limits, least):
    assert parallel._control_group_memory(tmp_path) == np.inf  # a system without control groups
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, limit in limits.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    assert parallel._control_group_memory(tmp_path) == pytest.approx(least)


def test_a_device_has_its_share_of_the_least(monkeypatch):
    monkeypatch.setattr(parallel, "_control_group_memory", lambda: 1000.0 * jax.local_device_count())
    assert parallel.device_memory() == 1000


def of_environment(process, port):
    return {
        "MUSICDIFF_COORDINATOR": f"localhost:{port}",
        "MUSICDIFF_NUM_PROCESSES": "2",
        "MUSICDIFF_PROCESS_ID": str(process),
    }


def of_srun(process, port):
    """What srun tells its processes; JAX derives the port from the job's number."""
    return {
        "JAX_COORDINATOR_PORT": str(port),
        "SLURM_JOB_ID": str(random.randrange(4096)),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": str(process),
    }


@pytest.mark.slow
@pytest.mark.parametrize("job", [of_environment, of_srun])
def test_two_processes_train_as_one(tmp_path, job):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    pair = [start("pair.py", tmp_path, **job(process, port)) for process in range(2)]
    try:
        results = [json.loads(finish(process, seconds=240).splitlines()[-1]) for process in pair]
    finally:
        for process in pair:
            process.kill()
    for process, result in enumerate(results):
        assert (result["process"], result["processes"], result["main"]) == (process, 2, process == 0)
        assert result["description"].startswith("4 x CPU")
        assert result["mapped"] == [0, process + 1, 2 * (process + 1)]
        assert result["made"] == (None if process == 0 else True)
        assert result["any"] == [False, True, True]
        assert result["from_main"] == 7
        assert result["gathered"] == list(range(8))
        for engine in ENGINES:
            assert_solved(result["engines"][engine])
            assert result["engines"][engine]["step"] == regression.STEPS
            assert result["engines"][engine]["restored"] == result["engines"][engine]["kernel"]
    assert results[0]["engines"] == results[1]["engines"]
    assert results[0]["failed"] == ["UsageError", "no room"]
    assert results[1]["failed"] == ["MusicdiffError", "tracks: the main process failed, its own message says at what"]
