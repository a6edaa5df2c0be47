"""What a run knows of itself, whole after a kill at any moment."""

import json

import pytest

from musicdiff import facts

FILES = ("facts.json", "facts.json.copy")


def test_facts_add_up(tmp_path):
    assert facts.read(tmp_path) == facts.read(tmp_path / "none") == {}
    facts.add(tmp_path, hours=1.5, tracks=3)
    facts.add(tmp_path, tracks=4, seconds=2.0)
    assert facts.read(tmp_path) == {"hours": 1.5, "tracks": 4, "seconds": 2.0}


@pytest.mark.parametrize("cut", FILES)
@pytest.mark.parametrize("length", [0, 1, 10, None])
def test_a_kill_in_mid_write_costs_nothing(tmp_path, cut, length):
    """One of two files is cut short or missing: the other one is whole, and facts go on from it."""
    facts.add(tmp_path, hours=1.5)
    if length is None:
        (tmp_path / cut).unlink()
    else:
        (tmp_path / cut).write_text((tmp_path / cut).read_text()[:length])
    assert facts.read(tmp_path) == {"hours": 1.5}
    facts.add(tmp_path, tracks=3)
    assert [json.loads((tmp_path / name).read_text()) for name in FILES] == [{"hours": 1.5, "tracks": 3}] * 2
