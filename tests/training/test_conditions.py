"""From labels to the 'cond' of batches: each different value read once, what a condition refuses told, classes filled from the data."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from musicdiff import conditioning
from musicdiff.data import Track, TrackSource
from musicdiff.training import conditions
from musicdiff.typing import Condition

NAMES = np.array([f"track {i}" for i in range(6)])
SPLIT = SimpleNamespace(
    labels={
        "name": NAMES,
        "caption": np.array(["slow", "fast and loud", "", "slow", " ", "fast and loud"]),
        "style": np.array(["Lo-Fi", "waltz", "", "lofi", "polka", "waltz"]),
        "key": np.array(["C minor", "", "Am", "A minor", "H", "C minor"]),
        "tempo": np.float32([94.1, np.nan, 400, 120, 94.1, 3]),
        "seconds": np.float32([10, 20, 30, 10, 20, 30.5]),
    }
)
SECTION = {
    "text": {"name": "bytes", "dropout": 0.1, "length": 8, "width": 8, "layers": 1, "heads": 1},
    "style": {"name": "label", "dropout": 0.1, "classes": ("lo-fi", "waltz"), "capacity": 4},
    "key": {"name": "key", "dropout": 0.1},
    "tempo": {"name": "numeric", "dropout": 0.1, "low": 40.0, "high": 240.0, "unit": "bpm"},
    "length": {"name": "numeric", "dropout": 0.1, "low": 1.0, "high": 600.0, "unit": "seconds"},
}


@pytest.fixture(scope="module")
def built():
    return conditioning.build(SECTION, "config.conditions")[0]


@pytest.fixture(scope="module")
def told(built, tmp_path_factory):
    return conditions.of_tracks(built, SPLIT, tmp_path_factory.mktemp("cache"))


def test_clips_are_told_what_their_tracks_tell(built, told):
    """As if each clip were told by name what is known of its track."""
    tracks = np.array([5, 0, 0, 3, 2, 1, 4])
    found = told.describe(tracks)["cond"]
    expected = conditioning.tell(built, [told.values(track) for track in tracks])
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name]["present"], expected[name]["present"])
        for a, b in zip(np.atleast_1d(found[name]["value"]), np.atleast_1d(expected[name]["value"]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_values_are_those_of_the_labels(told):
    assert told.values(0) == {"text": "slow", "style": "Lo-Fi", "key": "C minor", "tempo": 94.1, "length": 10.0}
    assert told.values(2) == {"key": "Am", "length": 30.0}
    assert told.values(4) == {"tempo": 94.1, "length": 20.0}


def test_what_a_condition_refuses_is_unknown_and_told(told):
    lines = conditions.report(told).splitlines()
    assert lines == [
        "key: told by 4 of 6 tracks; 1 labels ignored, the first of track 4: key must be a major or minor key, written as "
        "'C minor', 'F# major', 'Bb' or 'Am', not 'H'",
        "length: told by 6 of 6 tracks",
        "style: told by 4 of 6 tracks; 1 labels ignored, the first of track 4: style has no 'polka'; there are: lo-fi, waltz",
        "tempo: told by 3 of 6 tracks; 2 labels ignored, the first of track 2: tempo must be a number from 40 to 240 bpm, not 400.0",
        "text: told by 4 of 6 tracks",
    ]
    assert conditions.report(told, told).splitlines()[1] == "length: told by 12 of 12 tracks"
    assert told.columns["tempo"].share == 0.5


def test_each_different_value_is_read_once(tmp_path):
    read = []

    def condition(fingerprint):
        def read_texts(values):
            read.extend(value for value in values if value is not None)
            return np.array([[0 if value is None else len(value)] for value in values], np.int32)

        return Condition(lambda value: None, read_texts, None, fingerprint)

    for fingerprint in ("", "of an encoder"):
        read.clear()
        column = conditions.of_tracks({"text": condition(fingerprint)}, SPLIT, tmp_path).columns["text"]
        assert sorted(read) == ["fast and loud", "slow"] and len(column.rows) == 3
        entry = column.entry(np.arange(6))
        assert entry["value"][:, 0].tolist() == [4, 13, 0, 4, 0, 13]
        assert entry["present"].tolist() == [True, True, False, True, False, True]
    read.clear()
    conditions.of_tracks({"text": condition("of an encoder")}, SPLIT, tmp_path)
    assert not read  # from the cache


def test_without_conditions_batches_stay_as_they_are(tmp_path):
    nothing = conditions.of_tracks({}, SPLIT, tmp_path)
    assert nothing.describe(np.arange(6)) == {} and nothing.values(0) == {} and conditions.report(nothing) == ""


def source_of(*styles):
    return TrackSource("some", tuple(Track(f"track {i}", None, style=style) for i, style in enumerate(styles)), "some")


def config_of(**style):
    return {
        "conditions": {"style": {"name": "label", "dropout": 0.1, "capacity": 4, **style}, "tempo": SECTION["tempo"]}
    }


def test_classes_are_filled_from_the_data(tmp_path):
    source = source_of("waltz", "lo-fi", "", "Bossa Nova", "Lo-Fi", "waltz")
    config = config_of(classes=())
    filled = conditions.fill_classes(config, tmp_path, source)
    assert filled["conditions"]["style"]["classes"] == ("Bossa Nova", "Lo-Fi", "waltz")
    assert filled["conditions"]["tempo"] == SECTION["tempo"] and config["conditions"]["style"]["classes"] == ()
    same = conditions.fill_classes(config, tmp_path, source_of("Lo-Fi", "waltz", "Bossa Nova"))
    assert same == filled


def test_a_workdir_keeps_its_own_classes(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config_of(classes=("polka", "waltz"))))
    filled = conditions.fill_classes(config_of(classes=()), tmp_path, source_of("tango"))
    assert filled["conditions"]["style"]["classes"] == ("polka", "waltz")


def test_a_workdir_that_began_without_classes_goes_on_so(tmp_path):
    """Styles that the data have got since would be another configuration."""
    (tmp_path / "config.json").write_text(json.dumps(config_of(classes=())))
    assert conditions.fill_classes(config_of(classes=()), tmp_path, source_of("tango")) == config_of(classes=())


@pytest.mark.parametrize(
    "config", [{}, {"conditions": {}}, config_of(classes=("a",)), {"conditions": {"tempo": SECTION["tempo"]}}]
)
def test_what_is_said_is_left(tmp_path, config):
    assert conditions.fill_classes(config, tmp_path, source_of("tango")) == config
