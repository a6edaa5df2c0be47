"""The Fréchet distance against closed forms, of full and of low rank; and of FMA-Pop's published statistics."""

import numpy as np
import pytest

from musicdiff import pretrained
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import frechet, moments
from musicdiff.evaluation.moments import Moments

RNG = np.random.default_rng(0)
WIDTH = 40
ROOT = RNG.normal(size=(WIDTH, WIDTH)) * 0.8 ** np.arange(WIDTH)
COVARIANCE = ROOT.T @ ROOT
MEAN, OTHER_MEAN = RNG.normal(size=(2, WIDTH))
TRACE = np.trace(COVARIANCE)


def close(found, expected, tolerance=1e-12):
    """To rounding: relative to the terms, which cancel."""
    assert abs(found - expected) <= tolerance * max(1.0, TRACE)


def test_of_a_set_and_itself_it_is_0():
    own = Moments(MEAN, COVARIANCE)
    close(frechet.distance(own, own), 0.0, 1e-13)
    assert frechet.distance(own, own) >= 0.0


def test_equal_covariances():
    found = frechet.distance(Moments(MEAN, COVARIANCE), Moments(OTHER_MEAN, COVARIANCE))
    close(found, ((MEAN - OTHER_MEAN) ** 2).sum())


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_scaled_deviations(scale):
    found = frechet.distance(Moments(MEAN, scale**2 * COVARIANCE), Moments(MEAN, COVARIANCE))
    close(found, (1 - scale) ** 2 * TRACE)


def test_diagonal_covariances():
    a, b = RNG.uniform(0, 3, size=(2, WIDTH))
    found = frechet.distance(Moments(MEAN, np.diag(a)), Moments(OTHER_MEAN, np.diag(b)))
    close(found, ((MEAN - OTHER_MEAN) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_covariances_that_do_not_commute():
    a, b = Moments(np.zeros(2), np.array([[2.0, 1.0], [1.0, 2.0]])), Moments(np.zeros(2), np.diag([1.0, 4.0]))
    for found in (frechet.distance(a, b), frechet.distance(b, a)):
        assert found == pytest.approx(0.7712204476543416, abs=1e-14)


def test_a_rotation_of_both_changes_nothing():
    turn, _ = np.linalg.qr(RNG.normal(size=(WIDTH, WIDTH)))
    spread = np.diag(RNG.uniform(0, 3, WIDTH))
    turned = [Moments(turn @ mean, turn @ S @ turn.T) for mean, S in ((MEAN, COVARIANCE), (OTHER_MEAN, spread))]
    close(frechet.distance(*turned), frechet.distance(Moments(MEAN, COVARIANCE), Moments(OTHER_MEAN, spread)))


def test_covariances_of_rank_one():
    a, b = RNG.normal(size=(2, WIDTH))
    found = frechet.distance(Moments(MEAN, np.outer(a, a)), Moments(MEAN, np.outer(b, b)))
    close(found, a @ a + b @ b - 2 * abs(a @ b))


def test_covariances_without_a_common_direction():
    a, b = (np.diag(np.where(np.arange(WIDTH) % 2 == side, COVARIANCE.diagonal(), 0.0)) for side in (0, 1))
    close(frechet.distance(Moments(MEAN, a), Moments(MEAN, b)), TRACE)


@pytest.mark.parametrize("count", [2, 7, WIDTH])
def test_fewer_windows_than_numbers(count):
    """Against the same windows in the coordinates of the few directions that they span, where the rank is full."""
    basis, _ = np.linalg.qr(RNG.normal(size=(WIDTH, count - 1)))
    x, y = RNG.normal(size=(2, count, count - 1))
    few, all_ = ((moments.of(a), moments.of(b)) for a, b in ((x, y), (x @ basis.T, y @ basis.T)))
    close(frechet.distance(*all_), frechet.distance(*few))
    assert len(all_[0].spectrum[0]) == count - 1
    close(frechet.distance(all_[0], all_[0]), 0.0, 1e-13)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_any_size(scale):
    """An added epsilon would be all of a small covariance."""
    sets = [Moments(scale * MEAN, scale**2 * COVARIANCE), Moments(scale * OTHER_MEAN, 4 * scale**2 * COVARIANCE)]
    expected = ((MEAN - OTHER_MEAN) ** 2).sum() + TRACE
    assert frechet.distance(*sets) == pytest.approx(scale**2 * expected, rel=1e-12)


def test_a_set_of_one_vector():
    still = Moments(MEAN, np.zeros((WIDTH, WIDTH)))
    assert frechet.distance(still, still) == 0.0
    close(frechet.distance(still, Moments(MEAN, COVARIANCE)), frechet.point_mass(Moments(MEAN, COVARIANCE)))
    assert frechet.point_mass(Moments(MEAN, COVARIANCE)) == TRACE


def test_what_is_refused():
    with pytest.raises(UsageError, match="vectors of 2 and 3 numbers"):
        frechet.distance(Moments(np.zeros(2), np.eye(2)), Moments(np.zeros(3), np.eye(3)))
    with pytest.raises(DataError, match="2 windows or more, not 1"):
        frechet.distance(moments.of(np.ones((1, 2))), Moments(np.zeros(2), np.eye(2)))


@pytest.mark.parametrize("width", [1, 5, 64])
def test_the_floor_of_the_identity(width):
    assert frechet.floor(Moments(np.zeros(width), np.eye(width)), 100) == pytest.approx(width * (width + 5) / 400)


def test_the_floor_by_hand_and_whatever_has_no_variance():
    values = np.array([3.0, 0.5, 0.0])
    by_hand = 3.5 + 0.5 * (2 * 9 / 6 + 2 * 0.25 / 1 + 2 * 1.5 / 3.5)
    assert frechet.floor(Moments(np.zeros(3), np.diag(values)), 10) == pytest.approx(by_hand / 10, rel=1e-14)


def test_the_floor_is_what_the_reference_scores_against_itself():
    width, count, repetitions = 5, 400, 300
    reference = Moments(np.zeros(width), np.diag(0.7 ** np.arange(width)))
    x = np.random.default_rng(1).normal(size=(repetitions, count, width)) * np.sqrt(reference.covariance.diagonal())
    scores = [frechet.distance(moments.of(each), reference) for each in x]
    error = np.std(scores) / np.sqrt(repetitions)
    assert np.mean(scores) == pytest.approx(frechet.floor(reference, count), abs=4 * error)
    assert error < 0.03 * frechet.floor(reference, count)


# |mu|^2, tr, C, distance to N(0, I)
FMA_POP = {
    "vggish": (11.3988660207, 12.7961981073, 160.33, 93.8361997071),
    "clap-laion-audio": (0.270078287657, 0.729926585845, 15.902, 492.672844211),
    "clap-laion-music": (0.220929193395, 0.779077012578, 15.681, 492.741020486),
}


@pytest.mark.network
def test_the_published_statistics_of_fma_pop(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    list(pretrained.fetch("fadtk"))
    path = pretrained.find("fadtk") / "fma_pop.npz"
    for name, (square, trace, constant, to_normal) in FMA_POP.items():
        found = moments.read(path, name)
        normal = Moments(np.zeros_like(found.mean), np.eye(len(found.mean)))
        assert found.mean @ found.mean == pytest.approx(square, rel=1e-11)
        assert frechet.point_mass(found) == pytest.approx(trace, rel=1e-11)
        assert frechet.floor(found, 1) == pytest.approx(constant, rel=1e-4)
        assert frechet.distance(found, normal) == pytest.approx(to_normal, rel=1e-11)
        assert frechet.distance(found, found) < 1e-13
        assert found.windows is None
