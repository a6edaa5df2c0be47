import errno
import json

import numpy as np
import pytest
from etils import epath

from musicdiff.errors import DataError
from musicdiff.tagging import sidecars
from musicdiff.tagging.sidecars import Finding

TEMPO = Finding(94, 0.97, "beat tracker")


def test_what_is_joined_is_split_again():
    theirs = {"key": "C minor", "seed": 3}
    content = sidecars.join(theirs, {"tempo": TEMPO})
    assert content == {
        "key": "C minor", "seed": 3, "tempo": 94,
        "tagged": {"tempo": {"value": 94, "confidence": 0.97, "source": "beat tracker"}},
    }  # fmt: skip
    assert sidecars.split(content) == (theirs, {"tempo": TEMPO})
    assert sidecars.join(theirs, {}) == theirs


def test_what_a_person_changes_is_theirs():
    content = sidecars.join({}, {"tempo": TEMPO, "key": Finding("C minor", 0.8, "key finder")})
    theirs, ours = sidecars.split({**content, "tempo": 188})
    assert theirs == {"tempo": 188} and list(ours) == ["key"]
    theirs, ours = sidecars.split({name: value for name, value in content.items() if name != "tempo"})
    assert theirs == {} and list(ours) == ["key"]


@pytest.mark.parametrize("mark", [None, 3, [], {"tempo": 94}, {"tempo": {}}, {"tempo": {"value": "94"}}])
def test_marks_that_are_none_leave_all_to_the_person(mark):
    assert sidecars.split({"tempo": 94, "tagged": mark}) == ({"tempo": 94}, {})


@pytest.mark.parametrize(
    ("value", "is_open"), [(None, True), ("", True), (" ", True), (0, False), ("x", False), ([], False)]
)
def test_open_fields(value, is_open):
    assert sidecars.is_open({"key": value}, "key") is is_open
    assert sidecars.is_open({}, "key")


def test_files(tmp_path):
    path = epath.Path(tmp_path) / "folder" / "a.json"
    assert sidecars.read(path) == {}
    sidecars.write(path, {"caption": "Ångström ♯"})
    assert "Ångström ♯" in path.read_text() and path.read_text().endswith("}\n")
    assert sidecars.read(path) == {"caption": "Ångström ♯"}
    path.write_bytes(json.dumps({"key": "C"}).encode("utf-16"))
    assert sidecars.read(path) == {"key": "C"}
    path.write_text("")
    assert sidecars.read(path) == {}


MINE, FILLED = {"caption": "written by hand: Ångström"}, {"caption": "written by hand: Ångström", "tempo": 94}


def stop_after(monkeypatch, count):
    """Writing fails after so many bytes, of all files together, as on a full disk: what was written until then stays."""
    left = count

    def write_bytes(path, content):
        nonlocal left
        with open(path, "wb") as file:
            file.write(content[:left])
        left -= min(left, len(content))
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(epath.Path()), "write_bytes", write_bytes)


@pytest.mark.parametrize("before", [MINE, None])
@pytest.mark.parametrize("share", np.arange(20) / 20)
def test_wherever_writing_stops_the_labels_are_whole(tmp_path, monkeypatch, before, share):
    """The two files of one that is written twice."""
    path = epath.Path(tmp_path) / "a.json"
    sidecars.write(path, FILLED)
    count = int(2 * share * len(path.read_bytes()))
    path.unlink()
    if before:
        sidecars.write(path, before)
    with monkeypatch.context() as patch:
        stop_after(patch, count)
        with pytest.raises(DataError, match=r"a\.json: cannot be written \(No space left on device\); .*--out"):
            sidecars.write(path, FILLED)
    assert sidecars.read(path) in (before or {}, FILLED)
    assert [file.name for file in tmp_path.iterdir() if file.name != "a.json"] == []
    sidecars.write(path, FILLED)
    assert sidecars.read(path) == FILLED


def test_what_was_changed_since_is_not_taken_from_a_copy(tmp_path):
    path = epath.Path(tmp_path) / "a.json"
    (tmp_path / "a.json.musicdiff-copy").write_text('{"tempo": 94}\n')
    path.write_text('{"tempo": 95')
    with pytest.raises(DataError, match="left as it is"):
        sidecars.read(path)
    assert path.read_text() == '{"tempo": 95'


def test_where_nothing_can_be_written_another_folder_is_proposed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="--out"):
        sidecars.write(epath.Path(tmp_path) / "file" / "a.json", FILLED)


@pytest.mark.parametrize("content", ["{", "[1]", "3", "[" * 100_000])
def test_what_is_no_object_is_not_written_over(tmp_path, content):
    path = epath.Path(tmp_path) / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.json is no.* JSON.*left as it is"):
        sidecars.read(path)
