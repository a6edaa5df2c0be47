"""The command `musicdiff`: help for all, results on stdout, and bad input as one line on stderr with the right exit code and nothing written."""

import json
import os
import pathlib
import subprocess
import sys

import click
import micro
import numpy as np
import pytest
import soundfile

import musicdiff
from musicdiff import averages, cli, errors, milestones
from musicdiff.training import summary

HOUSE = pathlib.Path(musicdiff.__file__).parents[1]


def run(*arguments, folder):
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "musicdiff", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(HOUSE)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def commands(group=cli.cli, path=()):
    """The words of every command: ('data', 'doctor'), ..., the groups among them."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.fixture
def music(tmp_path):
    """A folder with one short tone."""
    folder = tmp_path / "music"
    folder.mkdir()
    audio = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 8000)
    soundfile.write(folder / "tone.wav", audio, 8000)
    return folder


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(call, words, option):
    code, output, errors = call(*words, option)
    assert code == 0 and not errors
    assert output.startswith("Usage: ") and " ".join(("musicdiff", *words)) in output.splitlines()[0]
    assert len(output.splitlines()) > 4


def test_the_commands_are_these():
    assert {" ".join(words) for words in commands() if words} >= {
        "train", "sample", "info", "convert", "data", "data build", "data doctor",
    }  # fmt: skip


def test_help_is_quick():
    """Nothing heavy is imported for it."""
    code = "import sys, musicdiff.cli; print([name for name in ('jax', 'numpy', 'tensorflow', 'librosa') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(HOUSE)}, capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


def test_the_version_is_told(call):
    assert call("--version")[:2] == (0, f"musicdiff, version {musicdiff.__version__}\n")


def test_as_a_module_it_is_the_same(tmp_path):
    done = run("--help", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("Usage: ") and not done.stderr


def test_info_as_json(call):
    code, output, errors = call("info", "--config", "mel:tiny", "--json")
    (row,) = json.loads(output)
    assert code == 0 and not errors
    assert row["config"] == "mel:tiny" and row["model"] == "mel" and row["shape"] == [512, 32, 1]
    assert row["parameters"] > 1e6 and row["clip_seconds"] == 5.944 and row["evaluation_gflop"] > 0


def test_info_of_a_changed_configuration(call):
    """The row says what was changed, and differs by it from that of the configuration as it is."""
    changes = ("--config.network.patch=2", "--config.network.zero_init=False")
    code, output, errors = call("info", "--json", "--config", "mel:tiny", *changes)
    (row,) = json.loads(output)
    assert code == 0 and not errors
    assert row == summary.describe("mel:tiny", changes) and row["config"] == " ".join(("mel:tiny", *changes))
    assert row["evaluation_gflop"] > 2 * summary.describe("mel:tiny")["evaluation_gflop"]


def test_info_as_a_table(call):
    code, output, _ = call("info", "--config", "vae:tiny")
    head, row = output.splitlines()
    assert code == 0 and head.split()[0] == "config" and row.split()[0] == "vae:tiny"


def test_clips_from_a_trained_model(call, trained, tmp_path):
    code, output, errors = call("sample", "--workdir", trained, "--seeds", "7,0,4294967295", "--out", tmp_path / "out")
    assert code == 0 and not errors
    lines = output.splitlines()
    assert len(list((tmp_path / "out").glob("*.wav"))) == 3
    assert lines[-1] == f"listen: {tmp_path / 'out' / 'listen.html'}"
    assert "44100 Hz, PCM_24" in lines[-3]


def test_clips_of_another_kind(call, trained, tmp_path):
    code, *_ = call(
        *("sample", "--workdir", trained, "--num", 3, "--seed", 5, "--option", "eta=0.5", "--milestone", "best"),
        *("--rate", 8000, "--subtype", "PCM_16", "--format", "flac", "--out", tmp_path),
    )
    assert code == 0
    files = sorted(tmp_path.glob("*.flac"))
    assert [path.stem[-6:] for path in files] == ["seed-5", "seed-6", "seed-7"]
    record = json.loads(files[0].with_suffix(".json").read_text())
    assert record["sampler"]["eta"] == 0.5 and record["seed"] == 5
    assert soundfile.info(files[0]).samplerate == 8000


def test_clips_guided_by_an_earlier_milestone(call, trained, tmp_path):
    code, output, errors = call(
        *("sample", "--workdir", trained, "--seeds", "7,0,4294967295", "--out", tmp_path),
        *("--autoguide", "3", "--guidance", 2, "--interval", "-3,3", "--rescale", 0.5),
    )
    assert code == 0 and not errors and "5 evaluations" in output
    record = json.loads(next(tmp_path.glob("*-guidance-2-from-3-within-3-to-+3-rescale-0.5-*.json")).read_text())
    assert record["guidance"] == {"scale": 2.0, "interval": [-3.0, 3.0], "rescale": 0.5, "autoguide": "3"}


def test_an_average_of_another_length(call, trained_copy):
    """Made of snapshots, named, and found by its name."""
    params = {"x": np.ones(2, np.float32)}
    for step in (2, 4, 6):
        averages.write(trained_copy, step, {0.05: params, 0.1: params})
    code, output, errors = call("ema", "--workdir", trained_copy, "--width", 0.09)
    assert code == 0 and not errors
    assert output.startswith("milestone 6-0.09: ")
    assert output.splitlines()[-1].strip() == f"musicdiff sample --workdir {trained_copy} --milestone 6-0.09"
    np.testing.assert_allclose(milestones.read(trained_copy, "6-0.09")[1]["x"], 1.0, rtol=1e-6)


def test_a_cache_is_built_once(call, music, tmp_path):
    cache = tmp_path / "cache"
    first, again = (call("data", "build", f"folder:{music}", cache, "--config", "mel:tiny") for _ in range(2))
    assert first[0] == again[0] == 0 and first[1] == again[1]
    assert "1 tracks to train on, 0 held out" in first[1]
    assert len(list(cache.glob("tracks-*"))) == 1


@pytest.mark.parametrize(
    ("config", "feature"), [("mel:tiny", "mel"), ("latent:tiny", "mel"), ("waveform:tiny", "audio")]
)
def test_a_cache_holds_what_the_model_of_the_configuration_reads(call, music, tmp_path, config, feature):
    assert call("data", "build", f"folder:{music}", tmp_path / "cache", "--config", config)[0] == 0
    (index,) = (tmp_path / "cache").glob("tracks-*/**/index.json")
    assert json.loads(index.read_text())["feature"] == feature


def test_the_doctor_sees_a_source(call, music):
    code, output, _ = call("data", "doctor", f"folder:{music}", "--json")
    assert code == 0 and isinstance(json.loads(output), dict)
    code, output, _ = call("data", "doctor", f"folder:{music}")
    assert code == 0 and len(output.splitlines()) > 3


def test_labels_that_cannot_be_read_are_told(call, music, tmp_path):
    (music / "tone.json").write_text('{"tempo": "fast"}')
    code, output, _ = call("data", "build", f"folder:{music}", tmp_path / "cache", "--config", "mel:tiny")
    fault = "tone.json: tempo should be a number of beats a minute, not 'fast'"
    assert code == 0 and output.splitlines()[1:] == [f"labels ignored in {fault}"]
    code, output, errors = call("data", "build", f"folder:{music}", tmp_path, "--config", "mel:tiny", "--strict")
    assert code == 3 and not output
    assert errors == f"error: {fault}; repair it or leave it out, or build without strict\n"


def test_names_that_are_no_text_are_told(call, music, tmp_path):
    (music / "tone.wav").rename(music / os.fsdecode(b"caf\xe9.wav"))
    told = r"caf\udce9.wav: the name is not UTF-8 or holds control characters; rename it"
    code, _, errors = call("data", "build", f"folder:{music}", tmp_path / "cache", "--config", "mel:tiny")
    assert code == 3 and told in errors.splitlines()[-1]
    code, output, _ = call("data", "doctor", f"folder:{music}")
    assert code == 0 and told in output
    code, output, _ = call("data", "doctor", f"folder:{music}", "--json")
    assert code == 0 and [track["name"] for track in json.loads(output)["broken"]] == [r"caf\udce9.wav"]


def test_training_by_the_command(call, trained_copy):
    """Overrides reach it, and it says what to do next."""
    code, output, _ = call("train", "--workdir", trained_copy, "--config.num_steps=6")
    assert code == 0
    assert "is trained already, 6 steps" in output and f"musicdiff sample --workdir {trained_copy}" in output


WORKDIR = "WORKDIR"  # stands for a trained one


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train"], 2, ["name a configuration", "latent:tiny"]),
        (["train", "mell:tiny"], 2, ["mell", "latent, mel, text, vae"]),
        (["train", "mel:tny"], 2, ["tny", "tiny"]),
        (["train", "mel:tiny", "--workdir", "run", "--config.optim.lr=1"], 2, ["lr"]),
        (["train", "mel:tiny", "latent:tiny"], 2, ["one configuration at a time", "mel:tiny, latent:tiny"]),
        (["train", "mel:tiny", "--workdir", "run", "--config.data.source=folder:none"], 3, ["none", "no such folder"]),
        (["train", "--workdir", "none"], 3, ["none is not a workdir"]),
        (["sample", "--workdir", "none"], 3, ["none is not a workdir"]),
        (["sample", "--workdir", "none", "--num", "0"], 2, ["--num must be 1 or more, not 0"]),
        (["sample", "--workdir", "none", "--seeds", "1,two"], 2, ["--seeds", "1,two"]),
        (["sample", "--workdir", "none", "--option", "eta"], 2, ["--option", "eta"]),
        (["sample", "--workdir", "none", "--option", "eta=high"], 2, ["--option", "eta=high"]),
        *(
            (["sample", "--workdir", "none", "--option", option], 2, ["use --sampler, --steps or --grid"])
            for option in ("name=ddim", "grid=1")
        ),
        (["sample", "--workdir", "none", "--autoguide", "3"], 2, ["--autoguide", "--guidance 2"]),
        (["sample", "--workdir", "none", "--interval", "-3,3"], 2, ["--interval", "--guidance 2"]),
        (["sample", "--workdir", "none", "--rescale", "0"], 2, ["--rescale", "--guidance 2"]),
        (["sample", "--workdir", "none", "--guidance", "-1"], 2, ["scale", "-1"]),
        (["sample", "--workdir", "none", "--guidance", "2", "--interval", "3"], 2, ["--interval", "LOW,HIGH", "'3'"]),
        (["sample", "--workdir", "none", "--guidance", "2", "--interval", "3,-3"], 2, ["lower one first", "3,-3"]),
        (["sample", "--workdir", "none", "--guidance", "2", "--rescale", "2"], 2, ["rescale", "2"]),
        (["sample", "--workdir", WORKDIR, "--guidance", "2"], 2, ["no conditions", "--autoguide MILESTONE"]),
        (["sample", "--workdir", WORKDIR, "--guidance", "2", "--autoguide", "6"], 2, ["earlier milestone than 6"]),
        (["sample", "--workdir", WORKDIR, "--guidance", "2", "--autoguide", "4"], 2, ["'4'", "latest, best, 3, 6"]),
        (["ema", "--workdir", WORKDIR, "--width", "0.07"], 3, ["no snapshots", "ema_profiles"]),
        (["ema", "--workdir", "none", "--width", "0.07"], 3, ["none is not a workdir"]),
        (["ema", "--workdir", WORKDIR, "--width", "1e-200"], 2, ["0.0001", "1e-200"]),
        (["plot", "--workdir", WORKDIR, "--out", f"{WORKDIR}/config.json/losses.png"], 3, ["config.json"]),
        (["sample", "--workdir", WORKDIR, "--option", "grid=3"], 2, ["--sampler, --steps or --grid"]),
        (["sample", "--workdir", WORKDIR, "--seconds", "1e18"], 2, ["3600 s at most"]),
        (["ema", "--workdir", WORKDIR, "--width", "0.5"], 2, ["0.28", "0.5"]),
        (["sample", "--workdir", WORKDIR, "--milestone", "5"], 2, ["'5'", "latest, best, 3, 6"]),
        (["sample", "--workdir", WORKDIR, "--sampler", "ddin"], 2, ["ddin", "ddim, ddpm, dpmpp_2m"]),
        (["sample", "--workdir", WORKDIR, "--grid", "even"], 2, ["even", "linspace"]),
        (["sample", "--workdir", WORKDIR, "--steps", "0"], 2, ["--steps must be 1 or more"]),
        (["sample", "--workdir", WORKDIR, "--option", "etta=1"], 2, ["etta", "eta"]),
        (["sample", "--workdir", WORKDIR, "--seed", "-1"], 2, ["--seed must be from 0 to 4294967295"]),
        (["sample", "--workdir", WORKDIR, "--seconds", "0"], 2, ["0.0 s"]),
        (["sample", "--workdir", WORKDIR, "--seconds", "nan"], 2, ["nan"]),
        *(
            (["sample", "--workdir", WORKDIR, "--seconds", seconds], 2, ["3600 s at most", seconds])
            for seconds in ("86401", "inf")
        ),
        (["plot", "--workdir", WORKDIR, "--out", "here/notes.txt/losses.png"], 3, ["here/notes.txt: File exists"]),
        (["sample", "--workdir", WORKDIR, "--batch-size", "-1"], 2, ["--batch-size must be 1 or more, not -1"]),
        (["sample", "--workdir", WORKDIR, "--seeds", "7,0,4294967295", "--rate", "1"], 2, ["8000", "192000", "1"]),
        (["sample", "--workdir", WORKDIR, "--seeds", "7,0,4294967295", "--subtype", "PCM_20"], 2, ["PCM_20", "PCM_24"]),
        (["sample", "--workdir", f"{WORKDIR}/autoencoder"], 2, ["autoencoder"]),
        (["info"], 2, ["--config", "--all"]),
        (["info", "--all", "--config", "mel:tiny"], 2, ["--config", "--all"]),
        (["info", "--config", "mel:tny"], 2, ["tny"]),
        (["info", "--all", "--config.seed=1"], 2, ["--config.seed=1 changes one configuration", "instead of --all"]),
        (["info", "--config", "mel:tiny", "--config.sed=1"], 2, ["config.sed does not exist", "config.seed"]),
        (["info", "--config", "mel:tiny", "--jsn"], 2, ["unknown argument '--jsn'"]),
        (["data", "build", "radio", "cache"], 2, ["radio", "builtin, drums, folder, tfds"]),
        (["data", "build", "folder:none", "cache"], 3, ["none"]),
        (["data", "build", "builtin:1", "cache", "--config", "mell"], 2, ["mell"]),
        (["data", "doctor", "folder:none"], 3, ["none"]),
        (["data", "doctor", "builtin:none"], 2, ["builtin:none"]),
        (["convert", "none", "target"], 3, ["none does not exist"]),
        (["convert", "none", "target", "--to", "diffusers"], 3, ["none does not exist"]),
        (["convert", "here", "target", "--to", "diffusers"], 3, ["here is not a workdir"]),
        (["convert", "here", "target"], 3, ["here"]),
        (["convert", "none", "here"], 2, ["here is there already"]),
        (["convert", WORKDIR, "target", "--to", "diffusers"], 2, ["schedule"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_writes_nothing(call, trained, tmp_path, monkeypatch, arguments, code, words):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.txt").write_text("not a model")
    monkeypatch.chdir(tmp_path)
    found, _, errors = call(*(text.replace(WORKDIR, str(trained)) for text in arguments))
    lines = errors.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), errors
    assert found == code and all(word in lines[0] for word in words), lines[0]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["here", "here/notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sing"], ["sing"]),
        (["data"], []),
        (["sample"], ["--workdir"]),
        (["sample", "--workdir", "none", "--num", "four"], ["--num", "four"]),
        (["sample", "--workdir", "none", "--format", "mp3"], ["mp3", "wav", "flac"]),
        (["data", "build", "builtin"], ["OUT"]),
        (["convert", "a", "b", "--to", "onnx"], ["onnx", "musicdiff", "diffusers"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_parsed_is_refused(call, arguments, words):
    code, _, errors = call(*arguments)
    assert code == 2 and "Traceback" not in errors
    assert all(word in errors.splitlines()[-1] for word in words), errors


@pytest.mark.parametrize(("source", "code"), [("folder:none", 3), ("radio", 2)])
def test_exit_codes_reach_the_shell(tmp_path, source, code):
    done = run("data", "doctor", source, folder=tmp_path)
    assert done.returncode == code and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_micro_overrides_are_understood(call, tmp_path, monkeypatch):
    """The command takes what configurations take: here a source that is not there, after everything else was accepted."""
    monkeypatch.chdir(tmp_path)
    code, _, errors = call("train", "latent:tiny", *micro.overrides("latent", "data.source=folder:none"))
    assert code == 3 and "no such folder" in errors and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "clip.wav"), "error: clip.wav: No space left on device\n"),
        (OSError("two\nlines"), "error: two lines\n"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line(capsys, error, line):
    with pytest.raises(SystemExit) as caught, errors.exit_codes():
        raise error
    assert caught.value.code == 3 and capsys.readouterr().err == line


def test_a_reader_that_has_gone_is_no_file():
    with pytest.raises(BrokenPipeError), errors.exit_codes():
        raise BrokenPipeError
