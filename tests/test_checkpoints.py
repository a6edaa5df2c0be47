"""What was saved comes back bit for bit, from the newest checkpoint that is whole, whatever was killed, cut, bent or lost."""

import pathlib
import random
import resource
import shutil
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from processes import save, start

from musicdiff.checkpoints import Checkpoints
from musicdiff.errors import DataError, UsageError


class State(NamedTuple):
    step: Any
    params: Any
    ema_params: Any
    opt_state: Any


def make_state(step):
    """Every kind of array that a run has: optax's NamedTuples, empty and masked nodes, bfloat16, integers, keys, scalars."""
    rng = np.random.default_rng(step)
    params = {
        "autoencoder": {
            "kernel": jnp.asarray(rng.normal(size=(3, 4)), jnp.float32),
            "bias": jnp.full(4, step, jnp.float32),
        },
        "discriminator": {"kernel": jnp.asarray(rng.normal(size=(2, 2)), jnp.bfloat16)},
    }
    optimizer = optax.multi_transform(
        {
            "autoencoder": optax.chain(
                optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-4, 9))
            ),
            "discriminator": optax.inject_hyperparams(optax.sgd)(learning_rate=1e-3),
        },
        {"autoencoder": "autoencoder", "discriminator": "discriminator"},
    )
    opt_state = jax.tree.map(lambda x: x + step, optimizer.init(params))
    ema_params = {
        "0.9999": params,
        "power_0.05": {**params, "key": jax.random.PRNGKey(step), "ids": np.arange(3) - 2**40},
    }
    return State(jnp.int32(step), params, ema_params, opt_state)


def assert_same(state, other):
    assert jax.tree.structure(state) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(other)):
        a = np.asarray(a)
        assert isinstance(b, np.ndarray)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.fixture
def saved(tmp_path):
    """Checkpoints of steps 10 and 20."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (10, 20):
        checkpoints.save(step, make_state(step))
    checkpoints.wait()
    return checkpoints


def test_nothing_saved_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path / "absent")
    assert checkpoints.steps() == []
    assert checkpoints.restore_latest_valid(make_state(0)) is None
    checkpoints.wait()


@pytest.mark.parametrize("shape_of", [lambda x: x, lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype)])
def test_round_trip_is_bit_exact(saved, shape_of):
    assert saved.latest_valid_step() == 20
    step, state = saved.restore_latest_valid(jax.tree.map(shape_of, make_state(0)))
    assert step == 20
    assert_same(make_state(20), state)


def test_some_entries_can_be_read_alone(saved):
    step, state = saved.restore_latest_valid({"ema_params": make_state(0).ema_params})
    assert step == 20
    assert_same({"ema_params": make_state(20).ema_params}, state)


def test_saved_arrays_may_change_or_be_donated_at_once(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    on_host, on_device = np.zeros(1000), jnp.zeros(1000)
    checkpoints.save(1, {"host": on_host, "device": on_device})
    on_host += 1
    jax.block_until_ready(jax.jit(lambda x: x + 1, donate_argnums=0)(on_device))
    assert on_device.is_deleted()
    _, state = checkpoints.restore_latest_valid({"host": on_host, "device": jnp.zeros(1000)})
    assert not state["host"].any() and not state["device"].any()


def test_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 5, 20, 100, 1000):
        checkpoints.save(step, {"x": np.full(3, step)})
    checkpoints.wait()
    assert checkpoints.steps() == [20, 100, 1000]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["100", "1000", "20"]
    with pytest.raises(UsageError, match="keep_checkpoints is 0"):
        Checkpoints(tmp_path, keep=0)


def test_history_goes_forward(saved):
    for step in (20, 15):
        with pytest.raises(UsageError, match=f"already holds step 20: step {step} cannot"):
            saved.save(step, make_state(step))
    assert saved.steps() == [10, 20]


def test_a_moved_folder_restores(saved, tmp_path, monkeypatch):
    shutil.move(saved.folder, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    step, state = Checkpoints("elsewhere").restore_latest_valid(make_state(0))
    assert step == 20
    assert_same(make_state(20), state)


def test_incomplete_checkpoints_never_count(saved):
    (saved.folder / "25").mkdir()
    shutil.copytree(saved.folder / "20", saved.folder / "30")
    (saved.folder / "30" / "manifest.json").unlink()
    (saved.folder / "notes.txt").write_text("not a checkpoint")
    assert saved.steps() == [10, 20]
    assert saved.restore_latest_valid(make_state(0))[0] == 20
    saved.save(30, make_state(30))
    saved.save(40, make_state(40))
    assert saved.restore_latest_valid(make_state(0))[0] == 40
    assert sorted(entry.name for entry in saved.folder.iterdir()) == ["30", "40", "notes.txt"]


def flip(file, bit):
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def files_of(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", [halve, lambda file: flip(file, 0), lambda file: file.write_bytes(b"")])
def test_every_damaged_file_is_noticed(saved, caplog, damage):
    files = files_of(saved.folder / "20")
    assert len(files) > 5
    for file in files:
        good = file.read_bytes()
        if not good:
            continue  # an empty file cannot lose anything
        damage(file)
        caplog.clear()
        step, state = saved.restore_latest_valid(make_state(0))
        assert step == 10, file
        if file.name == "manifest.json" and not file.read_bytes().endswith(b"}"):
            # Written last: cut short, it is a save that a kill has stopped, and nothing to report.
            assert not caplog.messages and not (saved.folder / "bad-20").exists() and saved.steps() == [10]
            file.write_bytes(good)
            continue
        assert len(caplog.messages) == 1 and "checkpoint 20" in caplog.text and file.name in caplog.text
        assert file.name in (saved.folder / "bad-20").read_text()
        assert saved.steps() == [10]
        file.write_bytes(good)
        (saved.folder / "bad-20").unlink()
    assert_same(make_state(10), state)
    assert saved.restore_latest_valid(make_state(0))[0] == 20


def test_every_flipped_bit_is_noticed(saved):
    rng = random.Random(0)
    for _ in range(40):
        file = rng.choice([file for file in files_of(saved.folder / "20") if file.stat().st_size])
        bit = rng.randrange(8 * file.stat().st_size)
        flip(file, bit)
        # Blanks between the words of the manifest's JSON carry nothing; every other bit must count.
        step, state = saved.restore_latest_valid(make_state(0))
        assert step == 10 or file.name == "manifest.json", (file, bit)
        assert_same(make_state(step), state)
        flip(file, bit)
        (saved.folder / "bad-20").unlink(missing_ok=True)


def test_a_deleted_file_is_noticed(saved, caplog):
    files_of(saved.folder / "20" / "state" / "d")[0].unlink()
    assert saved.restore_latest_valid(make_state(0))[0] == 10
    assert "is missing" in caplog.text


def test_training_goes_on_past_a_damaged_checkpoint(saved):
    halve(files_of(saved.folder / "20" / "state" / "d")[0])
    assert saved.restore_latest_valid(make_state(0))[0] == 10
    assert saved.restore_latest_valid(make_state(0))[0] == 10
    saved.save(20, make_state(20))
    step, state = saved.restore_latest_valid(make_state(0))
    assert step == 20
    assert_same(make_state(20), state)
    assert sorted(entry.name for entry in saved.folder.iterdir()) == ["10", "20"]


def test_a_damaged_checkpoint_leaves_with_its_age(saved):
    halve(files_of(saved.folder / "10" / "state" / "d")[0])
    halve(files_of(saved.folder / "20" / "state" / "d")[0])
    for _ in range(2):
        with pytest.raises(DataError, match=r"every checkpoint in .* is damaged"):
            saved.latest_valid_step()
    for step in (30, 40):
        saved.save(step, make_state(step))
    saved.wait()
    assert sorted(entry.name for entry in saved.folder.iterdir()) == ["30", "40"]


def test_another_configuration_is_refused_not_quarantined(saved):
    state = make_state(0)
    wider = {**state.params, "discriminator": {"kernel": np.zeros((2, 3), ml_dtypes.bfloat16)}}
    with pytest.raises(
        DataError, match=r"1 arrays differ, params/discriminator/kernel is bfloat16\[2, 2\], not bfloat16\[2, 3\]"
    ):
        saved.restore_latest_valid(state._replace(params=wider))
    with pytest.raises(DataError, match=r"step is int32\[\], not float32\[\]"):
        saved.restore_latest_valid(state._replace(step=np.float32(0)))
    with pytest.raises(DataError, match=r"is float32\[3, 4\], not absent"):
        saved.restore_latest_valid(
            state._replace(params={**state.params, "autoencoder": {"bias": np.zeros(4, np.float32)}})
        )
    assert saved.steps() == [10, 20]


def test_a_full_disk_is_an_error_and_not_the_end(saved):
    """A limit on the size of files fails as a full disk does: in the middle of writing, deep inside the storage."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = {"x": np.random.default_rng(0).normal(size=300_000)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        saved.save(30, big)
        with pytest.raises(DataError, match=r"checkpoint 30 cannot be written to .*: is the disk full"):
            saved.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(entry.name for entry in saved.folder.iterdir()) == ["10", "20"]
    assert saved.restore_latest_valid(make_state(0))[0] == 20
    saved.save(30, big)
    assert saved.restore_latest_valid(big)[0] == 30


def kill_in_mid_save(folder, kills, seed):
    """Kills the same run over and over at random moments: what it had completed must be there. How often it was in mid-save."""
    rng = random.Random(seed)
    completed = interrupted = 0
    for _ in range(kills):
        with start("save.py", folder) as process:
            for _ in range(rng.randint(1, 3)):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                completed = int(line)
            time.sleep(rng.uniform(0, 0.15))  # a save takes about as long
            process.kill()
            rest = process.stdout.read().split()
        completed = max([completed, *map(int, rest)])
        interrupted += any(not (entry / "manifest.json").exists() for entry in folder.iterdir())
        step, state = Checkpoints(folder).restore_latest_valid(save.make_state(0))
        assert completed <= step <= completed + 1
        assert_same(save.make_state(step), state)
        assert not list(folder.glob("bad-*"))
        completed = step
    assert completed >= kills
    return interrupted


def test_kills_in_mid_save_lose_nothing(tmp_path):
    kill_in_mid_save(tmp_path, kills=4, seed=0)


@pytest.mark.slow
def test_twenty_kills_in_mid_save_lose_nothing(tmp_path):
    assert kill_in_mid_save(tmp_path, kills=20, seed=1) >= 5
