import numpy as np
import pytest
from scipy.spatial import distance

from musicdiff.errors import UsageError
from musicdiff.evaluation import distances


def vectors(count, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width))


def whole(x, y):
    return np.concatenate([squares for _, squares in distances.blocks(x, y)])


def test_equal_to_scipys_whatever_the_blocks(monkeypatch):
    x, y = distances.centre(vectors(37) + 1000, vectors(23, seed=1) + 1000)
    expected = distance.cdist(x, y, "sqeuclidean")
    np.testing.assert_allclose(whole(x, y), expected, rtol=1e-12)
    monkeypatch.setattr(distances, "BLOCK", 100)
    assert len(list(distances.blocks(x, y))) == 10
    np.testing.assert_allclose(whole(x, y), expected, rtol=1e-12)


def test_copies_are_at_no_distance():
    x = vectors(30, 300) * np.geomspace(1, 1e5, 30)[:, None]
    (x,) = distances.centre(np.concatenate([x, x]))
    squares = whole(x, x)
    assert (squares[:30, 30:].diagonal() == 0).all() and (squares.diagonal() == 0).all()
    assert (squares[:30, :30] == 0).sum() == 30


@pytest.mark.parametrize("count", [3, 4, 50])
def test_the_median_is_the_lower_middle_one(count, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 64)
    x = vectors(count)
    pairs = np.sort(distance.pdist(x))
    assert distances.median(x) == pytest.approx(pairs[(len(pairs) - 1) // 2], rel=1e-9)


def test_the_median_of_copies():
    x = np.concatenate([vectors(4), np.tile(vectors(1, seed=1), (20, 1))])
    assert distances.median(x) == 0.0
    assert distances.median(np.zeros((4, 3))) == 0.0


def test_lengths_must_agree():
    with pytest.raises(UsageError, match="vectors of 5 and 4 numbers"):
        distances.centre(vectors(3), vectors(3, 4))
