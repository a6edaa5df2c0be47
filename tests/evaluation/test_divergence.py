import math

import numpy as np
import pytest
from scipy import stats

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import divergence


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([0.05, 0.1, 0.2, 0.05, 0.15, 0.25, 0.08, 0.12], [0.3, 0.1, 0.2, 0.1, 0.1, 0.02, 0.08, 0.1], 0.589885181619163),
        ([0.1, 0.4, 0.5], [0.8, 0.15, 0.05], 1.3356800935337299),
        ([0.2, 0.8], [0.2, 0.8], 0.0),
        ([0.0, 1.0], [0.5, 0.5], math.log(2)),
        ([0.5, 0.5], [0.0, 1.0], math.inf),
    ],
)
def test_known_answers(p, q, expected):
    assert float(divergence.kl(p, q)) == pytest.approx(expected, abs=1e-15)


def test_a_row_a_clip():
    p, q = np.random.default_rng(0).dirichlet(np.ones(6), size=(2, 9)).astype(np.float32)
    assert divergence.kl(p, q).dtype == np.float64
    np.testing.assert_allclose(divergence.kl(p, q), [stats.entropy(a, b) for a, b in zip(p, q)], rtol=1e-5)


def test_independent_tags_are_the_divergence_of_all_their_combinations():
    p, q = np.random.default_rng(0).uniform(size=(2, 3))
    on = np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1)
    joint = [np.prod(np.where(on, each[:, None], 1 - each[:, None]), axis=0) for each in (p, q)]
    assert divergence.kl_tags(p, q) == pytest.approx(divergence.kl(*joint), rel=1e-12)


def test_the_mean_over_clips():
    found = divergence.mean(np.array([1.0, 2.0, 3.0, 6.0]))
    assert (found.value, found.error) == (3.0, pytest.approx(stats.sem([1, 2, 3, 6])))


@pytest.mark.parametrize(
    ("measure", "p", "q", "error", "words"),
    [
        (divergence.kl, [0.5, 0.5], [1.0], UsageError, "2 probabilities and 1"),
        (divergence.kl, [0.5, 0.6], [0.5, 0.5], DataError, "add up to 1"),
        (divergence.kl, [0.5, 0.5], [1.5, -0.5], DataError, "0 or more"),
        (divergence.kl, [0.5, np.nan], [0.5, 0.5], DataError, "add up to 1"),
        (divergence.kl_tags, [0.5, 1.1], [0.5, 0.5], DataError, "be 1 or less"),
    ],
)
def test_what_is_refused(measure, p, q, error, words):
    with pytest.raises(error, match=words):
        measure(p, q)


def test_one_pair_has_no_error():
    with pytest.raises(DataError, match="2 pairs of clips are needed at least, and here is 1"):
        divergence.mean(np.array([1.0]))
