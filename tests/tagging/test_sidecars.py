import json

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


@pytest.mark.parametrize("content", ["{", "[1]", "3", "[" * 100_000])
def test_what_is_no_object_is_not_written_over(tmp_path, content):
    path = epath.Path(tmp_path) / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.json is no.* JSON.*left as it is"):
        sidecars.read(path)
