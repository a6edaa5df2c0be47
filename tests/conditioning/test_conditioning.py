"""What every condition has in common: it is told or it is not, it is dropped by chance, and a bad value is one line that names it."""

import jax
import numpy as np
import pytest

from musicdiff import conditioning
from musicdiff.errors import UsageError

SECTION = {
    "tempo": {"name": "numeric", "dropout": 0.2, "low": 30.0, "high": 300.0, "unit": "bpm"},
    "style": {"name": "label", "dropout": 0.5, "classes": ("folk", "techno")},
    "key": {"name": "key", "dropout": 0.0},
}
CONDITIONS, DROPOUT = conditioning.build(SECTION, "config.conditions")


def refusal(function, *args):
    with pytest.raises(UsageError) as caught:
        function(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_section_of_conditions():
    assert list(CONDITIONS) == ["key", "style", "tempo"]
    assert DROPOUT == {"key": 0.0, "style": 0.5, "tempo": 0.2}
    assert conditioning.build({}, "config.conditions") == ({}, {})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"tempi": {}}, "config.conditions has no option 'tempi'; did you mean 'tempo'?"),
        ({"mood": {}}, "config.conditions has no option 'mood'; there are: key, length, style, tempo, text"),
        ({"key": {"dropout": 0.1}}, "config.conditions.key lacks the option 'name'"),
        ({"key": {"name": "key"}}, "config.conditions.key lacks the option 'dropout'"),
        ({"key": {"name": "key", "dropout": 1.5}}, "config.conditions.key.dropout must be a share from 0 to 1, not 1.5"),
        ({"key": {"name": "key", "dropout": "x"}}, "config.conditions.key.dropout must be a share from 0 to 1, not 'x'"),
        ({"key": {"name": "key", "dropout": 0, "low": 1}}, "config.conditions.key has no option 'low'; there are: none"),
        ({"tempo": {"name": "numeric", "dropout": 0, "low": 1.0}}, "config.conditions.tempo lacks the option 'high'"),
        ({"text": {"name": "bytes", "dropout": 0, "wdth": 8}}, "config.conditions.text has no option 'wdth'; did you mean 'width'?"),
    ],
)  # fmt: skip
def test_a_bad_section_is_named(section, message):
    assert refusal(conditioning.build, section, "config.conditions") == message


def test_an_unknown_plugin_is_refused_with_what_there_is():
    message = refusal(conditioning.build, {"text": {"name": "byte", "dropout": 0.1}}, "config.conditions")
    assert message.startswith("no 'byte' in musicdiff/conditioning; there are: bytes, key, label, ")


def test_what_clips_are_told():
    cond = conditioning.tell(CONDITIONS, [{"tempo": 300, "style": "Techno"}, {"key": "Am", "tempo": None}, {}])
    np.testing.assert_array_equal(cond["tempo"]["value"], np.float32([1, 0, 0]))
    np.testing.assert_array_equal(cond["tempo"]["present"], [True, False, False])
    np.testing.assert_array_equal(cond["style"]["value"], [1, 0, 0])
    np.testing.assert_array_equal(cond["key"]["value"], [0, 21, 0])
    np.testing.assert_array_equal(cond["key"]["present"], [False, True, False])


@pytest.mark.parametrize("nothing", [None, "", "  ", float("nan"), np.float32("nan")])
def test_a_label_that_says_nothing_is_absent(nothing):
    assert not conditioning.is_known(nothing)
    assert not any(
        entry["present"][0] for entry in conditioning.tell(CONDITIONS, [dict.fromkeys(SECTION, nothing)]).values()
    )


def test_a_label_that_says_something_is_known():
    assert all(map(conditioning.is_known, ["C", 0, 0.0, False, np.float32(94)]))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"tempo": 400}, "tempo must be a number from 30 to 300 bpm, not 400"),
        ({"style": "tekno"}, "style has no 'tekno'; there are: techno, folk"),
        ({"key": "H"}, "key must be a major or minor key, written as 'C minor', 'F# major', 'Bb' or 'Am', not 'H'"),
        ({"text": "calm"}, "this model was not trained with the condition 'text'; it was with key, style, tempo"),
    ],
)
def test_what_cannot_be_said_is_refused(told, message):
    assert refusal(conditioning.tell, CONDITIONS, [{}, told]) == message


def test_a_model_without_conditions_can_be_told_nothing():
    message = "this model was not trained with the condition 'text', nor with any other"
    assert refusal(conditioning.tell, {}, [{}, {"text": "calm"}]) == message
    assert conditioning.tell({}, [{"text": " "}, {"tempo": None}]) == conditioning.tell_nothing({}, 2) == {}


def test_told_nothing_is_what_an_empty_row_is():
    nothing, rows = conditioning.tell_nothing(CONDITIONS, 3), conditioning.tell(CONDITIONS, [{}] * 3)
    assert jax.tree.structure(nothing) == jax.tree.structure(rows)
    jax.tree.map(np.testing.assert_array_equal, nothing, rows)
    assert jax.tree.map(lambda leaf: leaf.dtype, nothing) == jax.tree.map(lambda leaf: leaf.dtype, rows)


def test_silence_leaves_the_values():
    cond = conditioning.tell(CONDITIONS, [{"tempo": 300, "style": "techno", "key": "C"}])
    silent = conditioning.silence(cond)
    for name, entry in silent.items():
        np.testing.assert_array_equal(entry["value"], cond[name]["value"])
        assert not entry["present"].any()


SHARES = {"a": 0.1, "b": 0.3, "c": 0.0, "d": 1.0}


def dropped(unconditional, size=20_000, seed=0, told=True):
    """Which of `size` examples still know what, after `drop`."""
    keys = jax.random.split(jax.random.key(seed), size)
    cond = {name: {"value": np.zeros(size), "present": np.full(size, told)} for name in SHARES}
    after = jax.jit(lambda cond, keys: conditioning.drop(cond, keys, SHARES, unconditional))(cond, keys)
    return {name: np.asarray(entry["present"]) for name, entry in after.items()}


@pytest.mark.parametrize("unconditional", [0.0, 0.2])
def test_shares_are_as_asked(unconditional):
    known = dropped(unconditional)
    for name, share in SHARES.items():
        expected = (1 - share) * (1 - unconditional)
        assert abs(known[name].mean() - expected) <= 4 * np.sqrt(expected * (1 - expected) / 20_000)
    both = (known["a"] & known["b"]).mean()
    assert abs(both - 0.9 * 0.7 * (1 - unconditional)) < 0.02  # each by itself
    assert abs((~known["c"]).mean() - unconditional) < 0.02 and not known["a"][~known["c"]].any()  # and all at once


def test_what_is_forgotten_depends_on_the_key_alone():
    keys = jax.random.split(jax.random.key(0), 50)
    cond = {name: {"value": np.zeros(50), "present": np.ones(50, bool)} for name in SHARES}
    together = conditioning.drop(cond, keys, SHARES, 0.2)
    for row in (0, 7, 49):
        one = jax.tree.map(lambda leaf, row=row: leaf[[row]], cond)
        alone = conditioning.drop(one, keys[row : row + 1], SHARES, 0.2)
        assert all(alone[name]["present"][0] == together[name]["present"][row] for name in SHARES)
    other = dropped(0.2, size=50, seed=1)
    assert any((other[name] != together[name]["present"]).any() for name in SHARES)


def test_what_is_unknown_stays_so():
    assert not any(known.any() for known in dropped(0.0, size=100, told=False).values())
