"""Precision, recall, density and coverage: equal to the package prdc (recorded), and right where the answer is plain."""

import pathlib

import numpy as np
import pytest

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import distances, prdc
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.prdc import Prdc

RECORDED = pathlib.Path(__file__).parent.parent / "fixtures" / "prdc.npz"


def embed(x, clip=None):
    return Embedded(np.arange(len(x)) if clip is None else clip, np.asarray(x, np.float32))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("k", [1, 5])
def test_equal_to_the_package_whatever_the_blocks(k, monkeypatch):
    with np.load(RECORDED) as recorded:
        expected = {name: float(recorded[f"{name}_{k}"]) for name in ("precision", "recall", "density", "coverage")}
        sets = [embed(recorded[name]) for name in ("generated", "reference")]
    for block in (distances.BLOCK, 100):
        monkeypatch.setattr(distances, "BLOCK", block)
        found = prdc.measure(*sets, k=k)
        assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-14)


def test_a_set_and_itself():
    x = embed(normal(50, 3))
    found = prdc.measure(x, x)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_sets_far_apart():
    x, y = normal(2, 30, 3)
    assert prdc.measure(embed(x), embed(y + 100)) == Prdc(0, 0, 0, 0)


def test_one_good_sound_for_ever():
    """Precise, but of the reference it covers next to nothing."""
    reference = normal(200, 2)
    found = prdc.measure(embed(np.tile(reference[:1], (200, 1))), embed(reference))
    assert (found.precision, found.recall) == (1, 0)
    assert found.coverage < 0.1


def test_by_hand_on_a_line():
    """k = 1: the reference's balls reach 1 each, those of the generated .25, .25, 3.25 and 5; 4 is on the edge of the ball around 3."""
    found = prdc.measure(embed([[0.5], [0.75], [4.0], [9.0]]), embed([[0.0], [1.0], [2.0], [3.0]]), k=1)
    assert found == Prdc(precision=0.5, recall=0.75, density=1.0, coverage=0.5)


def test_a_clip_is_the_mean_of_its_windows():
    sets = normal(2, 40, 3)
    clip = np.random.default_rng(1).permutation(np.repeat(np.arange(40), 4))
    around = normal(2, 160, 3, seed=2)
    for each, number in ((each, number) for each in around for number in range(40)):
        each[clip == number] -= each[clip == number].mean(axis=0)
    several = prdc.measure(*(embed(each[clip] + 9 * noise, clip) for each, noise in zip(sets, around)), k=3)
    assert several == prdc.measure(*map(embed, sets), k=3)


def test_copies_of_neighbours_are_on_the_edge():
    """A ball reaches to the copied clip exactly, so that rounding must not decide."""
    reference = 100 + normal(40, 300)
    copies = embed(reference[:20])
    whole = ((reference[:, None] - reference.astype(np.float32)[:20]) ** 2).sum(-1)
    whole[np.arange(20), np.arange(20)] = 0
    nearest = ((reference[:, None] - reference) ** 2).sum(-1) + 1e9 * np.eye(40)
    inside = whole < 0.999999 * nearest.min(axis=1)[:, None]
    found = prdc.measure(copies, embed(reference), k=1)
    assert (found.density, found.coverage) == (inside.sum(0).mean(), inside.any(1).mean())


def test_what_is_refused():
    x = embed(normal(20, 3))
    with pytest.raises(UsageError, match="k must be 1 or more, not 0"):
        prdc.measure(x, x, k=0)
    with pytest.raises(DataError, match="6 clips are needed at least, and here is 5"):
        prdc.measure(x, embed(normal(20, 3), np.arange(20) % 5))
    with pytest.raises(UsageError, match="vectors of 3 and 2 numbers"):
        prdc.measure(embed(normal(20, 2)), x)
