"""metrics.jsonl is read back exactly, survives kills and resumes, and stays valid JSON whatever is measured."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from musicdiff.training import writer as writer_module
from musicdiff.training.writer import METRICS, Writer, read_metrics


def record(workdir, steps, **options):
    with Writer(workdir, **options) as writer:
        for step in steps:
            writer.scalars(step, {"train/loss": step / 3})


def steps_of(workdir):
    return [record["step"] for record in read_metrics(workdir)]


def events(folder):
    """(step, tag, value) of every scalar, and the steps from which event files hide what came before them."""
    from tensorboardX.proto.event_pb2 import Event

    scalars, purges = [], []
    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]
            scalars += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            purges += [event.step] if event.HasField("session_log") else []
    return scalars, purges


def test_values_come_back_exactly(tmp_path):
    values = {"train/loss": np.float32(0.1), "test/loss_bucket/-10_-8": 1 / 3, "lr": 1e-30}
    with Writer(tmp_path) as writer:
        writer.scalars(7, values)
        (found,) = read_metrics(tmp_path)  # before it is closed
    assert found.pop("time") > 1e9
    assert found == {"step": 7, **{name: float(value) for name, value in values.items()}}


def test_nan_and_infinities_are_valid_json_and_come_back(tmp_path):
    with Writer(tmp_path) as writer:
        writer.scalars(1, {"a": float("nan"), "b": float("inf"), "c": -float("inf")})

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    line = json.loads((tmp_path / METRICS).read_text(), parse_constant=refuse)
    assert (line["a"], line["b"], line["c"]) == ("NaN", "Infinity", "-Infinity")
    (found,) = read_metrics(tmp_path)
    assert np.isnan(found["a"]) and found["b"] == np.inf and found["c"] == -np.inf


def test_resume_reads_as_one_uninterrupted_run(tmp_path):
    record(tmp_path, [1, 2, 3, 4, 5])
    record(tmp_path, [4, 5, 6], resume_step=3)
    assert steps_of(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_a_run_that_begins_anew_forgets_the_old_one(tmp_path):
    record(tmp_path, [0, 1, 2])
    record(tmp_path, [0, 1])
    assert steps_of(tmp_path) == [0, 1]


def test_a_half_written_line_is_repaired(tmp_path):
    record(tmp_path, [1, 2, 3])
    path = tmp_path / METRICS
    whole = path.read_text()
    for cut in range(1, len(whole.splitlines()[-1]) + 1):
        path.write_text(whole[:-cut])
        assert steps_of(tmp_path) == ([1, 2, 3] if cut == 1 else [1, 2])  # only the end of the line is missing, or more
        record(tmp_path, [4], resume_step=3)
        assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == steps_of(tmp_path)


@pytest.mark.parametrize("killed_at", ["copy", "file", "unlink"])
def test_a_kill_while_records_are_dropped_loses_none(tmp_path, killed_at):
    record(tmp_path, range(1, 8))
    path = tmp_path / METRICS
    kept = "".join(f"{line}\n" for line in path.read_text().splitlines()[:5])
    copy = path.parent / (path.name + ".copy")
    if killed_at == "copy":
        copy.write_text(kept[:100])
    elif killed_at == "file":
        copy.write_text(kept)
        path.write_text(kept[:100])
    else:
        copy.write_text(kept)
        path.write_text(kept)
    record(tmp_path, [6], resume_step=5)
    assert steps_of(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert not copy.exists()


def test_records_survive_a_killed_process(tmp_path):
    code = (
        "import os, sys; from musicdiff.training.writer import Writer\n"
        "writer = Writer(sys.argv[1])\n"
        "for step in (1, 2, 3): writer.scalars(step, {'loss': step})\n"
        "writer.log('last words'); os.kill(os.getpid(), 9)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=60)
    assert process.returncode == -9
    assert steps_of(tmp_path) == [1, 2, 3]
    assert (tmp_path / "log.txt").read_text().endswith("last words\n")


def test_tensorboard_holds_the_scalars_and_hides_what_was_resumed_over(tmp_path):
    record(tmp_path, [1, 2, 3])
    record(tmp_path, [3], resume_step=2)
    scalars, purges = events(tmp_path / "metrics")
    assert sorted(scalars) == [(step, "train/loss", np.float32(step / 3)) for step in (1, 2, 3, 3)]
    assert purges == [0, 3]


def test_only_the_primary_process_writes(tmp_path, capsys):
    with Writer(tmp_path, primary=False) as writer:
        writer.scalars(1, {"loss": 1.0})
        writer.log("hello")
        writer.progress(1, 2)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_messages_are_kept_over_a_resume(tmp_path, capsys):
    with Writer(tmp_path) as writer:
        writer.log("première")
    with Writer(tmp_path, resume_step=5) as writer:
        writer.log("second")
    assert capsys.readouterr().out == "première\nsecond\n"
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == ["première", "second"]


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: now[0])
    return now


def test_plain_progress_is_a_line_now_and_then(tmp_path, capsys, clock):
    with Writer(tmp_path) as writer:
        for step in range(1, 122):
            writer.progress(step, 7201, f"loss {step}")
            clock[0] += 0.5
    assert capsys.readouterr().out.splitlines() == [
        "step 1/7201  loss 1",
        "step 61/7201  loss 61",
        "step 121/7201  loss 121",
    ]


def test_plain_progress_always_ends_with_the_last_step(tmp_path, capsys, clock):
    with Writer(tmp_path, resume_step=90) as writer:
        for step in (91, 95, 100):
            writer.progress(step, 100)
            clock[0] += 1
    assert capsys.readouterr().out.splitlines() == ["step 91/100", "step 100/100"]


def test_a_terminal_gets_a_bar_and_the_log_its_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Writer(tmp_path) as writer:
        for step in (1, 2, 3):
            writer.progress(step, 3, "loss 0.5")
        writer.log("done")
    output = capsys.readouterr()
    assert output.out == "done\n"
    assert "3/3" in output.err and "loss 0.5" in output.err
    assert "step 3/3" in (tmp_path / "log.txt").read_text()


def test_remote_event_files_go_through_epath(tmp_path):
    from tensorboardX.record_writer import REGISTERED_FACTORIES

    Writer(tmp_path / "run").close()
    files = REGISTERED_FACTORIES["gs"]
    files.directory_check(str(tmp_path / "a" / "b"))
    with files.open(str(tmp_path / "a" / "b" / "events")) as file:
        file.write(b"event")
    assert (tmp_path / "a" / "b" / "events").read_bytes() == b"event"


def test_nothing_heavy_is_imported():
    code = (
        "import sys, musicdiff.training.writer, musicdiff.training.curves, musicdiff.training.card\n"
        "print([name for name in ('matplotlib', 'tensorboardX', 'tensorflow', 'tqdm', 'librosa') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[]\n"
