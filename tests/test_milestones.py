"""Weights to sample with: which are kept, which are read, and that damage is noticed."""

import json

import numpy as np
import pytest

from musicdiff import milestones
from musicdiff.errors import DataError, UsageError


def params(value):
    return {"dense": {"kernel": np.full((2, 3), value, np.float32)}}


def write(workdir, *entries):
    for step, loss, keep in entries:
        milestones.write(workdir, step, params(step), keep=keep, held_out_loss=loss)


def steps(workdir):
    return [milestone.step for milestone in milestones.find(workdir)]


def test_weights_come_back(tmp_path):
    write(tmp_path, (10, 0.5, False))
    milestone, read = milestones.read(tmp_path)
    assert milestone[:3] == (10, False, 0.5)
    np.testing.assert_array_equal(read["dense"]["kernel"], params(10)["dense"]["kernel"])


def test_the_kept_the_best_and_the_newest_remain(tmp_path):
    write(tmp_path, (1, 0.9, True), (2, 0.3, False), (3, 0.2, False), (4, 0.4, False), (5, 0.5, False))
    assert steps(tmp_path) == [1, 3, 5]
    files = sorted(path.name for path in (tmp_path / "milestones").iterdir())
    assert files == [f"step_00000{i}{suffix}" for i in (1, 3, 5) for suffix in (".json", ".safetensors")]


def test_latest_best_or_a_number(tmp_path):
    write(tmp_path, (1, 0.9, True), (2, 0.3, True), (10, 0.4, True))
    assert [milestones.read(tmp_path, which)[0].step for which in ("latest", "best", "1")] == [10, 2, 1]


def test_without_a_loss_there_is_no_best(tmp_path):
    write(tmp_path, (0, None, True))
    assert milestones.read(tmp_path)[0] == (0, True, None, milestones.find(tmp_path)[0].sha256, None)
    with pytest.raises(UsageError, match=r"no milestone 'best' in .*; there are: latest, .*0$"):
        milestones.read(tmp_path, "best")


def test_a_loss_that_is_not_a_number_is_never_the_best(tmp_path):
    write(tmp_path, (1, 0.9, False), (2, float("nan"), False), (3, 0.95, False))
    assert milestones.read(tmp_path, "best")[0].step == 1


@pytest.mark.parametrize("which", ["7", "newest", "-1", "01", ""])
def test_an_unknown_one_lists_what_exists(tmp_path, which):
    write(tmp_path, (1, 0.9, True), (10, 0.4, True))
    with pytest.raises(UsageError, match=r"there are: latest, best, 1, 10$"):
        milestones.read(tmp_path, which)


@pytest.mark.parametrize("empty", [True, False])
def test_no_weights_yet(tmp_path, empty):
    if empty:
        (tmp_path / "milestones").mkdir()
    with pytest.raises(DataError, match=r"no weights in .*; train first"):
        milestones.read(tmp_path)


def test_a_flipped_byte_is_noticed(tmp_path):
    write(tmp_path, (1, 0.9, True))
    path = tmp_path / "milestones" / "step_000001.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"step_000001\.safetensors is damaged.*--milestone"):
        milestones.read(tmp_path)


def test_missing_weights_are_noticed(tmp_path):
    write(tmp_path, (1, 0.9, True))
    (tmp_path / "milestones" / "step_000001.safetensors").unlink()
    with pytest.raises(DataError, match="damaged"):
        milestones.read(tmp_path)


@pytest.mark.parametrize("text", ["", '{"step": 2, "keep"', "[]", '{"step": 2}', "null"])
def test_what_a_kill_left_half_written_does_not_count(tmp_path, text):
    write(tmp_path, (1, 0.9, True))
    (tmp_path / "milestones" / "step_000002.json").write_text(text)
    assert steps(tmp_path) == [1]
    assert milestones.read(tmp_path)[0].step == 1


def test_weights_without_their_record_do_not_count(tmp_path):
    write(tmp_path, (1, 0.9, True), (2, 0.8, True))
    (tmp_path / "milestones" / "step_000002.json").unlink()
    assert steps(tmp_path) == [1]


def test_a_resumed_run_has_no_future(tmp_path):
    write(tmp_path, (1, 0.9, True), (2, 0.8, True), (3, 0.7, True))
    milestones.drop_after(tmp_path, 2)
    assert steps(tmp_path) == [1, 2]
    assert not list((tmp_path / "milestones").glob("*3*"))
    milestones.drop_after(tmp_path / "none", 0)


def test_a_step_may_be_written_again(tmp_path):
    write(tmp_path, (1, 0.9, True))
    milestones.write(tmp_path, 1, params(7), keep=True, held_out_loss=0.1)
    assert milestones.read(tmp_path)[1]["dense"]["kernel"][0, 0] == 7


def test_records_are_plain_json(tmp_path):
    write(tmp_path, (1, 0.9, True))
    record = json.loads((tmp_path / "milestones" / "step_000001.json").read_text())
    assert sorted(record) == ["held_out_loss", "keep", "sha256", "step", "width"]
