"""Options by signature: what a callable does not take is named, with what it takes."""

import dataclasses

import pytest

from musicdiff import choice
from musicdiff.errors import UsageError

WHAT = "config.network"


def refusal(function, *args, **kwargs):
    with pytest.raises(UsageError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def build(*, size: int, depth: int = 2, **given):
    return size, depth, given


def fixed(*, size: int, depth: int = 2):
    return size, depth


def test_a_section_is_the_arguments_of_a_callable():
    assert choice.call(WHAT, fixed, {"size": 3}) == (3, 2)
    assert choice.call(WHAT, fixed, {"depth": 5}, size=1) == (1, 5)
    assert choice.call(WHAT, build, {"size": 3, "other": 1}) == (3, 2, {"other": 1})


def test_a_key_that_nothing_reads_is_named():
    message = refusal(choice.call, WHAT, fixed, {"size": 3, "dept": 1})
    assert message == "config.network has no option 'dept'; did you mean 'depth'?"
    message = refusal(choice.call, WHAT, fixed, {"size": 3, "colour": 1})
    assert message == "config.network has no option 'colour'; there are: size, depth"


def test_a_key_that_is_given_cannot_be_set():
    assert "has no option 'size'" in refusal(choice.call, WHAT, fixed, {"size": 3}, size=1)


def test_a_missing_key_is_named():
    assert refusal(choice.call, WHAT, fixed, {"depth": 1}) == "config.network lacks the option 'size'"


@dataclasses.dataclass(frozen=True)
class Module:
    """As Flax's modules: fields without defaults are positional or keyword."""

    width: int
    depth: int = 2


def test_a_missing_field_of_a_dataclass_is_named():
    assert refusal(choice.call, WHAT, Module, {"depth": 1}) == "config.network lacks the option 'width'"


@pytest.mark.parametrize("value", ["wide", None, (1, 2), {"a": 1}])
def test_where_the_signature_has_a_number_a_number_is_asked_for(value):
    assert (
        refusal(choice.call, WHAT, fixed, {"depth": value}, size=1)
        == f"config.network: depth must be a number, not {value!r}"
    )


def test_what_is_given_cannot_be_an_option_of_an_open_signature_either():
    assert refusal(choice.call, WHAT, build, {"size": 3}, size=1) == (
        "config.network has no option 'size'; there are: depth"
    )


def test_a_name_is_a_word():
    assert refusal(choice.check, "grid", {"a": 1}, ["even"]) == "no grid {'a': 1}; there are: even"


def test_what_an_annotation_allows_and_a_flag_are_no_numbers():
    def build(*, width: int | None = 8, zero: bool = True): ...

    choice.call(WHAT, build, {"width": None, "zero": None})
    assert refusal(choice.call, WHAT, build, {"width": "x"}) == "config.network: width must be a number, not 'x'"
