"""The contract of every file of conditioning/: typing.Condition."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import conditioning, plugins
from musicdiff.errors import DataError
from musicdiff.typing import Condition

ENCODER = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers" / "t5"
TEXTS = ("calm piano", "Спокойная музыка")
SMALL = {"length": 16, "width": 8, "layers": 1, "heads": 2}
# {name: (options of its build, values that differ, one that it refuses)}: a new file belongs here
CASES = {
    "bytes": (SMALL, TEXTS, 3),
    "bytes, pooled": (SMALL | {"pooled": True}, TEXTS, 3),
    "key": ({}, ("C minor", "F# major"), "H"),
    "label": ({"classes": ("bossa nova", "waltz")}, ("waltz", "Bossa Nova"), "polka"),
    "minilm": ({"length": 16}, TEXTS, 3),
    "numeric": ({"low": 30.0, "high": 300.0, "unit": "bpm"}, (94, 120.5), 400),
    "t5": ({"path": str(ENCODER), "length": 16}, TEXTS, 3),
    "t5, pooled": ({"path": str(ENCODER), "length": 16, "pooled": True}, TEXTS, 3),
}
WIDTH = 12
PRESENT = np.array([True, True, False])
every_condition = pytest.mark.parametrize("name", CASES)


@functools.cache
def built(name):
    condition = plugins.load("conditioning", name.partition(",")[0]).build(**CASES[name][0])
    assert isinstance(condition, Condition)
    return condition


def read(name, values):
    """What the condition reads. Its tests are skipped where it needs weights that nobody fetched."""
    try:
        return built(name).read(values)
    except DataError as error:
        pytest.skip(str(error))


@functools.cache
def embed(name):
    """embedder(value, present) with random parameters."""
    module = built(name).embedder(WIDTH)
    params = micro.randomise(lambda key: module.init(key, built(name).read([None]), np.array([False])))
    return micro.jit(lambda value, present: module.apply(params, value, present))


def rows(tree, chosen):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], tree)


def equal(a, b):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def test_every_plugin_is_here():
    assert {name.partition(",")[0] for name in CASES} == set(plugins.names("conditioning"))


@every_condition
def test_without_a_value_there_are_zeros_and_no_weights_are_asked_for(name):
    empty = built(name).read([None, None])
    assert all(leaf.shape[0] == 2 and not np.any(leaf) for leaf in jax.tree.leaves(empty))
    value = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((5, *leaf.shape[1:]), leaf.dtype), empty)
    told = jax.eval_shape(
        built(name).embedder(WIDTH).init_with_output, jax.random.key(0), value, jax.ShapeDtypeStruct((5,), bool)
    )[0]
    assert told.vector.shape == (5, WIDTH)
    assert (told.tokens is not None) == (told.mask is not None) == (name in ("bytes", "t5", "minilm"))
    if told.tokens is not None:
        assert told.tokens.shape[:2] == told.mask.shape and told.tokens.shape[0] == 5 and told.mask.dtype == bool


@every_condition
def test_a_value_is_read_alone_as_among_others(name):
    first, second = CASES[name][1]
    together = read(name, [first, None, second])
    assert equal(rows(together, [1]), built(name).read([None]))
    for row, value in ((0, first), (2, second)):
        alone = built(name).read([value])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), alone, rows(together, [row]))
    assert not equal(rows(together, [0]), rows(together, [2]))


@every_condition
def test_it_refuses_what_it_cannot_say_as_the_end_of_a_sentence(name):
    _, values, wrong = CASES[name]
    assert all(built(name).refuse(value) is None for value in values)
    reason = built(name).refuse(wrong)
    assert repr(wrong) in reason and "\n" not in reason and reason[0].islower()
    assert isinstance(built(name).fingerprint, str)


@every_condition
def test_of_an_absent_one_the_value_changes_nothing(name):
    first, second = CASES[name][1]
    told = embed(name)(read(name, [first, second, first]), PRESENT)
    other = embed(name)(read(name, [first, second, second]), PRESENT)
    nothing = embed(name)(read(name, [first, second, None]), PRESENT)
    assert equal(told, other) and equal(told, nothing)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told))
    assert not np.allclose(*(rows(jax.tree.leaves(told)[0], i) for i in (0, 1)))
    assert not np.allclose(*(rows(jax.tree.leaves(told)[0], i) for i in (0, 2)))


@every_condition
def test_an_example_is_told_alone_as_in_a_batch(name):
    value = read(name, [*CASES[name][1], None])
    together = embed(name)(value, PRESENT)
    for row in range(3):
        alone = embed(name)(rows(value, [row]), PRESENT[[row]])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, rows(together, [row]))


@every_condition
def test_there_is_always_a_token_to_attend_to(name):
    told = embed(name)(read(name, [*CASES[name][1], None]), np.array([True, False, False]))
    if told.tokens is not None:
        np.testing.assert_array_equal(told.mask.sum(1)[1:], [1, 1])
        assert jnp.all(told.mask[:, 0])


@every_condition
def test_it_can_be_told_through_a_section_of_the_configuration(name):
    options, (value, _), _ = CASES[name]
    section = {"text": {"name": name.partition(",")[0], "dropout": 0.1, **options}}
    conditions, _ = conditioning.build(section, "config.conditions")
    read(name, [value])
    assert conditioning.tell(conditions, [{"text": value}, {}])["text"]["present"].tolist() == [True, False]
