"""run_train.py as users call it: the whole job on one device and on two, and bad input, which is one line and writes nothing."""

import json
import pathlib

import micro
import numpy as np
import pytest
from processes import finish, start

import run_train
from musicdiff import data
from musicdiff.checkpoints import Checkpoints
from musicdiff.training.writer import read_metrics


def arguments(folder, name="mel", *changes):
    return [f"--config={name}:tiny", f"--workdir={folder}", *micro.overrides(name, *changes)]


def refuse(arguments, capsys):
    """(exit code, the one line on stderr) of arguments that are refused."""
    with pytest.raises(SystemExit) as caught:
        run_train.main(arguments)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), said.err
    return caught.value.code, lines[0]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("optim.learnin_rate=1", 2, ["learnin_rate", "learning_rate"]),
        ("networ.groups=1", 2, ["networ"]),
        ("num_steps=many", 2, ["num_steps", "many"]),
        ("num_steps=1.5", 2, ["num_steps", "1.5"]),
        ("network.channels=wide", 2, ["channels"]),
        ("network.channels=(8, 16.5)", 2, ["config.network.channels"]),
        ("network.channels=()", 2, ["network.channels"]),
        ("network.channels=(0, 16)", 2, ["network.channels"]),
        ("network.channels=(-8, 16)", 2, ["config.network.channels"]),
        ("network.channels=(8, 18)", 2, ["18 is not divisible by groups=4"]),
        ("network.groups=3", 2, ["8 is not divisible by groups=3"]),
        ("network.groups=0", 2, ["network.groups"]),
        ("network.head_width=0", 2, ["network.head_width"]),
        ("network.head_width=7", 2, ["head_width=7"]),
        ("network.patch=0", 2, ["network.patch"]),
        ("network.num_res_blocks=-1", 2, ["network.num_res_blocks"]),
        ("network.attention_levels=(9,)", 2, ["attention_levels=(9,)", "levels 0 to 1"]),
        ("model.frames=63", 2, ["config.model.frames", "63", "64"]),
        ("model.frames=0", 2, ["config.model.frames"]),
        ("mel.num_mels=15", 2, ["config.mel.num_mels", "15", "16"]),
        ("mel.num_mels=1600", 2, ["num_mels", "empty"]),
        ("mel.hop=100", 2, ["hop"]),
        ("model.name=male", 2, ["male", "latent, mel, vae"]),
        ("vocoder.name=wavenet", 2, ["wavenet", "griffin_lim"]),
        ("vocoder.num_iterations=0", 2, ["num_iterations"]),
        ("process.schedule=quadratic", 2, ["quadratic", "cosine, linear_beta"]),
        ("process.prediction=noise", 2, ["noise", "edm, eps, flow, v, x_0"]),
        ("process.told=index", 2, ["told='index'"]),
        ("sampler.name=ddin", 2, ["ddin", "ddim, ddpm, dpmpp_2m"]),
        ("sampler.num_steps=0", 2, ["num_steps"]),
        ("sampler.grid=even", 2, ["even", "leading, linspace, log_snr"]),
        ("batch_size=0", 2, ["config.batch_size"]),
        ("milestones=(x,)", 2, ["config.milestones"]),
        ("optim.warmup_steps=30", 2, ["config.optim.warmup_steps=30 must be below config.optim.decay_steps=20"]),
        ("optim.micro_batch=3", 2, ["config.optim.micro_batch=3", "4 examples"]),
        ("keep_checkpoints=0", 2, ["config.keep_checkpoints"]),
        ("data.loader=torch", 2, ["config.data.loader", "tf, numpy"]),
        ("data.source=radio", 2, ["radio", "builtin, drums, folder, tfds"]),
        ("data.source=builtin:none", 2, ["builtin:none"]),
        ("data.source=folder:/nonexistent", 3, ["/nonexistent", "no such folder"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(change, code, words, tmp_path, capsys):
    given = arguments(tmp_path / "run", "mel", f"data.cache_dir={tmp_path / 'cache'}", change)
    found, line = refuse(given, capsys)
    assert found == code and all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("vae.network.groups=3", ["groups=3"]),
        ("vae.network.channels=(0,)", ["network.channels"]),
        ("vae.num_steps=0", ["num_steps"]),
        (
            "vae.optim.warmup_steps=99",
            ["config.vae.optim.warmup_steps=99 must be below config.vae.optim.decay_steps=20"],
        ),
        ("vae.batch_size=0", ["batch_size"]),
        ("vae.model.frames=31", ["frames", "31"]),
        ("model.frames=66", ["config.model.frames=66", "nearest is 64"]),
    ],
)
def test_the_autoencoder_within_is_checked_as_early(change, words, tmp_path, capsys):
    code, line = refuse(arguments(tmp_path / "run", "latent", f"data.cache_dir={tmp_path / 'cache'}", change), capsys)
    assert code == 2 and all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_a_configuration_must_be_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "mel:256x256" in refuse([], capsys)[1]
    assert refuse(["--config=mell"], capsys)[0] == 2
    assert refuse([f"--workdir={tmp_path / 'none'}"], capsys)[0] == 3
    assert not list(tmp_path.iterdir())


def test_a_batch_that_devices_cannot_share(tmp_path):
    process = start(
        "../../run_train.py", *arguments(tmp_path / "run", "mel", "batch_size=3"),
        JAX_NUM_CPU_DEVICES="2",
    )  # fmt: skip
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and not (tmp_path / "run").exists()
    assert errors == "error: config.batch_size=3 does not divide by 2 devices; the next that does: 4\n"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/nonexistent", 3, ["/nonexistent is not a workdir"]),
        ("latent", 2, ["latent model, not an autoencoder"]),
    ],
)
def test_an_autoencoder_that_is_none(trained, path, code, words, tmp_path, capsys):
    given = trained if path == "latent" else path
    found, line = refuse(arguments(tmp_path / "run", "latent", f"vae.path={given}"), capsys)
    assert found == code and all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_an_autoencoder_that_does_not_fit(trained, tmp_path, capsys):
    changes = (f"vae.path={trained / 'autoencoder'}", "vae.network.latent_channels=3", "mel.n_fft=512")
    code, line = refuse(arguments(tmp_path / "run", "latent", *changes), capsys)
    assert code == 2 and "network.latent_channels: 2 there, 3 here" in line
    assert not list(tmp_path.iterdir())


def test_another_configuration_in_the_same_workdir(trained, cache_dir, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    code, line = refuse(arguments(trained, "latent", f"data.cache_dir={cache_dir}", "seed=1"), capsys)
    assert code == 2 and "seed: 0 there, 1 now" in line and "--workdir" in line
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_a_trained_run_has_what_it_needs(trained):
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    wanted = {"config.json", "versions.json", "facts.json", "log.txt", "listen.html", "MODEL_CARD.md", "curves.png"}
    wanted |= {"metrics/metrics.jsonl", "vae/vae.safetensors", "samples/real/grid.png", "samples/step_000006/grid.png"}
    wanted |= {f"milestones/step_{step:06d}.safetensors" for step in (3, 6)}
    assert wanted <= names
    assert {f"autoencoder/{name}" for name in wanted if "vae" not in name and "000003" not in name} <= names
    assert len([name for name in names if name.startswith("samples/step_000006/") and name.endswith(".wav")]) == 4
    records = read_metrics(trained)
    assert [record["step"] for record in records if "train/loss" in record] == [2, 3, 4, 6]
    assert [record["step"] for record in records if "test/loss" in record] == [3, 6]
    facts = json.loads((trained / "facts.json").read_text())
    assert facts["tracks"] == 3 and facts["licences"] == ["CC0-1.0 (generated)"] and facts["seconds"] > 0


def test_training_that_diverges_says_where(cache_dir, tmp_path, capsys, monkeypatch):
    """Here by NaN in the batch of step 1, told where losses are next looked at, after step 1 of 0 to 1."""
    batches, folder = data.batches, tmp_path / "run"

    def poisoned(*args, start_step, **kwargs):
        for step, batch in enumerate(batches(*args, start_step=start_step, **kwargs), start_step):
            yield batch | {"x_0": batch["x_0"] * (np.nan if step == 1 else 1)}

    monkeypatch.setattr(data, "batches", poisoned)
    with micro.without_sound(), pytest.raises(SystemExit) as caught:
        run_train.main(arguments(folder, "mel", f"data.cache_dir={cache_dir}"))
    line = capsys.readouterr().err.splitlines()[-1]  # after progress, where the cache was built
    assert caught.value.code == 4
    assert line.startswith("error: loss or gradient is not finite at step 1") and "steps 0 to 1" in line
    assert "learning_rate" in line
    (path,) = (folder / "diverged").iterdir()
    assert path.name == "step_000000_000001.json" and str(path) in line
    bundle = json.loads(path.read_text())
    assert bundle["first_bad_step"] == 1 and [step["step"] for step in bundle["steps"]] == [0, 1]
    assert np.isfinite(float(bundle["steps"][0]["loss"])) and np.isnan(float(bundle["steps"][1]["loss"]))
    assert all(len(step["index"]) == 4 for step in bundle["steps"])
    assert Checkpoints(folder / "checkpoints").latest_valid_step() is None


@pytest.mark.parametrize("engine", ["pmap", pytest.param("jit", marks=pytest.mark.slow)])  # each compiles anew
def test_two_devices_train_as_one(cache_dir, tmp_path, engine):
    """The whole job on two devices, faked: the same losses and gradient norms as on one."""
    clock = ("num_steps=3", "log_every=1", f"data.cache_dir={cache_dir}", f"parallel.engine={engine}")
    with micro.without_sound():
        run_train.main(arguments(tmp_path / "one", "mel", *clock))
    process = start(
        "train.py", "SIGTERM", 0, *arguments(tmp_path / "two", "mel", *clock),
        JAX_NUM_CPU_DEVICES="2",
    )  # fmt: skip
    assert "2 x CPU" in finish(process, seconds=300)
    for key in ("train/loss", "train/grad_norm", "test/loss"):
        one, two = (
            [record[key] for record in read_metrics(tmp_path / name) if key in record] for name in ("one", "two")
        )
        assert len(one) == (1 if key == "test/loss" else 3)
        np.testing.assert_allclose(two, one, rtol=1e-5)


def test_without_a_config_a_workdir_goes_on(trained_copy, capsys):
    """A trained run, called again, prints what to do with its model; its data are not needed any more than its old place."""
    run_train.main([f"--workdir={trained_copy}"])
    said = capsys.readouterr().out
    assert "is trained already, 6 steps" in said
    assert f"listen: {trained_copy / 'listen.html'}" in said and f"musicdiff sample --workdir {trained_copy}" in said


def test_asked_to_stop_in_the_first_phase_it_does_not_begin_the_next(cache_dir, tmp_path):
    folder = tmp_path / "run"
    process = start("train.py", "SIGTERM", 2, *arguments(folder, "latent", f"data.cache_dir={cache_dir}"))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "stopped by SIGTERM after step 2, saved" in output
    assert Checkpoints(folder / "autoencoder" / "checkpoints").latest_valid_step() == 2
    assert not (folder / "vae").exists() and not (folder / "checkpoints").exists()


def test_it_is_short():
    lines = pathlib.Path(run_train.__file__).read_text().splitlines()
    assert len(lines) <= 60
