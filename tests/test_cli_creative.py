"""The creative commands: what they leave, and what they say of arguments that cannot be."""

import json

import click
import numpy as np
import pytest
import soundfile

from musicdiff import cli_creative
from musicdiff.audio import io, loop_chunks

RATE = 8000
TONES = 0.3 * np.sin(2 * np.pi * np.array([[220.0, 330.0]]) * np.arange(4000)[:, None] / RATE)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Half a second in stereo, 16 bits."""
    path = tmp_path_factory.mktemp("given") / "clip.wav"
    io.write(path, TONES, RATE, subtype="PCM_16")
    return path


def sidecars(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def test_inpaint_leaves_files_of_the_given_format(call, trained, file, tmp_path):
    code, said, _ = call(
        "inpaint", file, "--workdir", trained, "--region", "0.1-0.2", "--region", "0.3-", "--num", 2, "--out", tmp_path
    )
    assert code == 0
    assert io.probe(tmp_path / "clip-inpainted-seed-0.wav").subtype == "PCM_16"
    before, made = io.read(file)[0], io.read(tmp_path / "clip-inpainted-seed-1.wav")[0]
    outside = np.r_[0:800, 1600:2400]
    np.testing.assert_array_equal(made[outside], before[outside])
    assert np.abs(made[800:1600] - before[800:1600]).max() > 1e-3
    first, _ = sidecars(tmp_path)
    assert first["tool"] == "inpaint" and first["regions"] == [[0.1, 0.2], [0.3, 0.5]] and first["seed"] == 0
    assert first["given"][0]["name"] == "clip" and len(first["given"][0]["sha256"]) == 64
    assert "is mono" in said and (tmp_path / "samples" / "given" / "clip.wav").exists()
    assert (tmp_path / "clip-inpainted-seed-0.png").exists() and "listen" in said.splitlines()[-1]


def test_vary_leaves_a_ladder(call, trained, file, tmp_path):
    code, said, _ = call("vary", file, "--workdir", trained, "--steps", 6, "--out", tmp_path)
    assert code == 0 and "strength 0.95 (start step 950 of 1000)" in said.splitlines()[0]
    made = sidecars(tmp_path)
    assert {one["strength"] for one in made} == {0.95, 0.75, 0.5, 0.25, 0} and (tmp_path / "ladder.png").exists()
    assert all(io.read(path)[0].shape == (4000, 2) for path in tmp_path.glob("*.wav"))
    assert "ladder.png" in (tmp_path / "listen.html").read_text()


def test_interpolate_goes_from_clip_to_clip(call, trained, file, tmp_path):
    io.write(tmp_path / "other.wav", 0.2 * TONES[:2000, :1], 11_025)  # of another rate, mono and shorter
    code, _, errors = call(
        *("interpolate", file, tmp_path / "other.wav", "--workdir", trained, "--weights", "0,0.5"),
        *("--steps", 4, "--out", tmp_path / "out"),
    )
    assert code == 0, errors
    made = sidecars(tmp_path / "out")
    assert {one["weight"] for one in made} == {0, 0.5} and [one["name"] for one in made[0]["given"]] == [
        "clip",
        "other",
    ]
    assert io.read(tmp_path / "out" / "clip-to-other-0.5.wav")[0].shape == (4000, 2)
    assert (tmp_path / "out" / "listen.html").exists()


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_extend_goes_on_from_the_clip(call, trained, file, tmp_path, stream):
    """To the same samples, written at once or as they are made."""
    code, _, errors = call(
        *("extend", file, "--workdir", trained, "--seconds", 1.2, "--steps", 2, "--out", tmp_path, *stream)
    )
    assert code == 0, errors
    path = tmp_path / "clip-extended-seed-0.wav"
    made = io.read(path)[0]
    assert made.shape == (9600, 2) and io.probe(path).subtype == "PCM_16"
    np.testing.assert_array_equal(made[:4000], io.read(file)[0])
    assert np.abs(made[4400:]).max() > 1e-3
    (record,) = sidecars(tmp_path)
    assert record["tool"] == "extend" and record["seed"] == 0 and record["given"][0]["name"] == "clip"
    assert record["sampler"]["num_steps"] == 2 and record["step"] == 6 and record["config"] and record["overlap"] == 0.5
    with soundfile.SoundFile(path) as file:
        assert json.loads(file.comment)["seed"] == 0


def test_extend_begins_from_nothing(call, trained, tmp_path):
    code, said, errors = call(
        *("extend", "--workdir", trained, "--seconds", 1.001, "--rate", 48_000, "--steps", 2, "--out", tmp_path)
    )
    assert code == 0, errors
    (path,) = tmp_path.glob("*.wav")
    assert io.probe(path).num_frames == 48_048 and path.with_suffix(".json").exists()
    assert str(path) in said and (tmp_path / "listen.html").exists()


def test_sleep_writes_a_night(call, trained, tmp_path):
    """Of four seconds, by the preset for speed; asked for again, it is there already."""
    night = ("sleep", "--workdir", trained, "--hours", 4 / 3600, "--fade-in", 1, "--fade-out", 1)
    code, said, errors = call(*night, "--low-pass", 2000, "--rate", 8000, "--out", tmp_path / "night.wav")
    assert code == 0, errors
    assert "to compute" in said.splitlines()[0] and io.probe(tmp_path / "night.wav").num_frames == 32_000
    code, _, errors = call(*night, "--rate", 8000, "--out", tmp_path / "night.wav")
    assert code == 2 and "is there already" in errors and errors.count("\n") == 1


def test_loop_leaves_bars(call, trained, tmp_path):
    code, said, _ = call(
        "loop", "--workdir", trained, "--bars", 1, "--bpm", 240, "--num", 1, "--rate", 48_000, "--out", tmp_path
    )
    assert code == 0
    path = tmp_path / "240bpm_0.wav"
    assert io.probe(path).num_frames == 48_000 and io.probe(path).subtype == "PCM_24"
    assert loop_chunks.read(path.read_bytes()) == {"loop": (0, 48_000), "bpm": 240, "beats": 4, "beats_per_bar": 4}
    assert "cannot be told a tempo" in said


def test_loopify_changes_the_seam(call, trained, file, tmp_path):
    tempo = ("--bpm", 240, "--beats-per-bar", 2)  # of which this model knows nothing
    code, *_ = call("loopify", file, "--workdir", trained, "--seam", 0.1, *tempo, "--num", 1, "--out", tmp_path)
    assert code == 0
    known = loop_chunks.read((tmp_path / "clip-looped-seed-0.wav").read_bytes())
    assert known == {"loop": (0, 4000), "bpm": 240, "beats": 2, "beats_per_bar": 2}
    assert sidecars(tmp_path)[0]["seam"] == 0.1
    made, before = io.read(tmp_path / "clip-looped-seed-0.wav")[0], io.read(file)[0]
    np.testing.assert_array_equal(made[400:-400], before[400:-400])
    assert np.abs(made[:400] - before[:400]).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inpaint", "FILE", "--workdir", "W", "--region", "soon"], "region 'soon' is none"),
        (["inpaint", "FILE", "--workdir", "W", "--region", "0.4-0.6"], "is not within the clip of 0.5 s"),
        (["inpaint", "FILE", "--workdir", "W", "--region", "bar 1"], "--bpm 120"),
        (
            ["inpaint", "FILE", "--workdir", "W", "--region", "0-1", "--num", "0"],
            "--num must be 1 or more, not 0",
        ),
        (["restore", "FILE", "--workdir", "W", "--fix", "click"], "no click found in the clip"),
        (["restore", "FILE", "--workdir", "W", "--fix", "dropout", "--region", "0-9"], "is not within the clip"),
        (
            ["restore", "FILE", "--workdir", "W", "--fix", "click", "--cutoff", "3000"],
            "a cut-off is of --fix bandwidth",
        ),
        (["vary", "FILE", "--workdir", "W", "--strength", "0.5", "--start-step", "5"], "say the same"),
        (["vary", "FILE", "--workdir", "W", "--strength", "half"], "--strength takes numbers"),
        (["vary", "FILE", "--workdir", "W", "--strength", "1.5"], "not 1.5"),
        (["vary", "FILE", "--workdir", "W", "--start-step", "1001"], "to 1000"),
        (
            ["vary", "FILE", "--workdir", "W", "--strength", "1", "--style", "lofi"],
            "was not trained with the condition 'style'",
        ),
        (
            ["vary", "FILE", "--workdir", "W", "--strength", "1", "--bpm", "120"],
            "was not trained with the condition 'tempo'",
        ),
        (["interpolate", "FILE", "--workdir", "W"], "two files are interpolated, or two prompts"),
        (["interpolate", "FILE", "FILE", "--workdir", "W", "--weights", "2"], "weights are from 0"),
        (["interpolate", "FILE", "FILE", "--workdir", "W", "--guidance", "2"], "without guidance"),
        (["interpolate", "FILE", "FILE", "--workdir", "W", "--seeds", "1,2"], "--seed, not --seeds"),
        (["interpolate", "--workdir", "W", "--prompt", "a", "--to", "a"], "prompts that are the same"),
        (["interpolate", "--workdir", "W", "--prompt", "a", "--to", "b"], "was not trained with the condition 'text'"),
        (["extend", "FILE", "--workdir", "W", "--seconds", "0.25"], "the clip alone is 0.5 s"),
        (["extend", "FILE", "--workdir", "W", "--seconds", "0.25", "--stream"], "the clip alone is 0.5 s"),
        (["extend", "FILE", "--workdir", "W", "--seconds", "1", "--rate", "44100"], "leave out --rate"),
        (["extend", "--workdir", "W", "--seconds", "nan"], "less than one sample"),
        (["extend", "--workdir", "W", "--seconds", "1", "--overlap", "1.5"], "1.5"),
        (["sleep", "--workdir", "W", "--hours", "0"], "less than one sample"),
        (["sleep", "--workdir", "W", "--hours", "1", "--seeds", "1,2"], "--seed, not --seeds"),
        (["sleep", "--workdir", "W", "--hours", "1", "--preset", "siesta"], "overnight, studio"),
        (["sleep", "--workdir", "W", "--hours", "0.001"], "do not fit"),
        (["sleep", "--workdir", "W", "--hours", "1", "--low-pass", "5"], "a low-pass lies between"),
        (["sleep", "--workdir", "W", "--hours", "1", "--lufs", "12"], "between -70 and 0 LUFS"),
        (["sleep", "--workdir", "W", "--hours", "1", "--fade-in", "-1"], "fades are of 0 s or more"),
        (["extend", "FILE", "--workdir", "W", "--seconds", "1e6"], "stream them (--stream)"),
        (["vary", "FILE", "--workdir", "W", "--seed", "-1"], "--seed must be from 0 to 4294967295"),
        (
            ["vary", "FILE", "--workdir", "W", "--strength", "1", "--seeds", "3,-1"],
            "whole numbers from 0 to 4294967295",
        ),
        (["loop", "--workdir", "W", "--bpm", "60000", "--bars", "70000"], "65535 beats at most"),
        (["loop", "--workdir", "W"], "a loop has a tempo"),
        (["loop", "--workdir", "W", "--bpm", "-3"], "--bpm must be a number above 0"),
        (["loop", "--workdir", "W", "--bpm", "120", "--bars", "0"], "--bars must be 1 or more"),
        (["loop", "--workdir", "W", "--bpm", "120", "--rate", "5"], "a file's rate lies between"),
        (["loopify", "FILE", "--workdir", "W", "--seam", "0.4"], "more than half"),
        (["pack", "--workdir", "W", "--bpm", "120", "--seeds", "1,2"], "--seeds does not go with it"),
        (["pack", "--workdir", "W"], "a pack has a tempo"),
    ],
)
def test_bad_arguments_are_one_line(call, trained, file, tmp_path, arguments, words):
    given = [{"FILE": file, "W": trained}.get(text, text) for text in arguments]
    code, _, error = call(*given, "--out", tmp_path / "out.wav")
    assert code == 2 and words in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


LEAST = {  # of each tool, all that it needs
    "inpaint": ["FILE", "--region", "0.1-0.2"],
    "vary": ["FILE", "--strength", "0.5"],
    "interpolate": ["FILE", "FILE"],
    "loop": ["--bpm", "240", "--bars", "1"],
    "loopify": ["FILE", "--seam", "0.1"],
    "pack": ["--bpm", "240", "--bars", "1"],
    "extend": ["--seconds", "1"],
    "sleep": ["--hours", "0.001", "--fade-in", "0", "--fade-out", "0"],
    "restore": ["FILE", "--fix", "bandwidth", "--cutoff", "2000"],
}


@pytest.mark.parametrize(
    ("tool", "option"),
    [
        (tool.name, option.opts[0])
        for tool in cli_creative.COMMANDS
        for option in tool.params
        if isinstance(option.type, click.types.FloatParamType)
    ],
)
def test_no_number_is_nan(call, trained, file, tmp_path, tool, option):
    given = [{"FILE": file}.get(text, text) for text in LEAST[tool]]
    code, _, error = call(tool, *given, "--workdir", trained, "--out", tmp_path / "out.wav", option, "nan")
    assert code == 2 and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_disk_too_small_is_said_before_anything_is_written(call, trained, tmp_path):
    for tool in (["extend", "--seconds", "1e15"], ["sleep", "--hours", "1e15"]):
        code, _, error = call(*tool, "--workdir", trained, "--out", tmp_path / "out.wav")
        assert code == 3 and "GB of disk are needed" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_read_are_named(call, trained, tmp_path):
    code, _, error = call("inpaint", tmp_path / "none.wav", "--workdir", trained, "--region", "0-1")
    assert code == 3 and "none.wav: no such file" in error and error.count("\n") == 1
    (tmp_path / "text.wav").write_text("no audio")
    code, _, error = call("vary", tmp_path / "text.wav", "--workdir", trained)
    assert code == 3 and "not readable as audio" in error


def test_restore_mends_what_is_damaged_and_nothing_else(call, trained, tmp_path):
    """A gap of 5 ms, found, is interpolated; clipped peaks need floats."""
    whole, damaged = TONES.copy(), TONES.copy()
    damaged[2000:2040] = 0
    io.write(tmp_path / "gap.wav", damaged, RATE, subtype="PCM_24")
    code, said, _ = call(
        "restore", tmp_path / "gap.wav", "--workdir", trained, "--fix", "dropout", "--out", tmp_path / "out"
    )
    assert code == 0 and "without the model" in said
    made, before = (
        io.read(path)[0] for path in (tmp_path / "out" / "gap-restored-dropout-seed-0.wav", tmp_path / "gap.wav")
    )
    outside = np.r_[0:2000, 2040:4000]
    np.testing.assert_array_equal(made[outside], before[outside])
    assert np.abs(made[2000:2040] - whole[2000:2040]).max() < 0.05
    assert json.loads((tmp_path / "out" / "gap-restored-dropout-seed-0.json").read_text())["fix"] == "dropout"
    io.write(tmp_path / "loud.wav", np.clip(3 * whole, -0.6, 0.6), RATE, subtype="PCM_16")
    code, said, _ = call(
        "restore", tmp_path / "loud.wav", "--workdir", trained, "--fix", "clip", "--out", tmp_path / "out"
    )
    assert code == 0 and io.probe(tmp_path / "out" / "loud-restored-clip-seed-0.wav").subtype == "FLOAT"
