"""KAD against the closed form of two Gaussians, against sums written out, and its error against its deviation."""

import numpy as np
import pytest
from scipy.spatial import distance

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import kad
from musicdiff.evaluation.embedded import Embedded


def embed(count, width, seed, shift=0.0, clip=None):
    x = np.random.default_rng(seed).normal(size=(count, width))
    x[:, 0] += shift
    return Embedded(np.arange(count) if clip is None else clip, x.astype(np.float32))


def by_hand(generated, reference, bandwidth):
    """Means over pairs of windows of different clips, written out."""

    def mean(a, b, same):
        kernel = np.exp(-distance.cdist(a.x.astype(float), b.x.astype(float), "sqeuclidean") / (2 * bandwidth**2))
        pairs = a.clip[:, None] != b.clip if same else np.ones(kernel.shape, bool)
        return kernel[pairs].mean()

    return 100 * (
        mean(generated, generated, True) + mean(reference, reference, True) - 2 * mean(generated, reference, False)
    )


@pytest.mark.parametrize(
    ("width", "bandwidth", "square", "expected"),
    [(2, 1, 1, 0.10234551673959058), (8, 2, 4, 0.11198763039060175), (128, 16, 9, 0.021015390045258833)],
)
def test_two_gaussians(width, bandwidth, square, expected):
    """Within 4 of its own errors, which are a tenth of it at most."""
    generated, reference = embed(1500, width, 1, np.sqrt(square)), embed(1500, width, 2)
    found = kad.measure(generated, reference, bandwidth=bandwidth)
    assert found.value == pytest.approx(100 * expected, abs=4 * found.error)
    assert found.error < 9 * expected


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.0, 1.0)])
def test_few_clips_have_no_bias_and_the_error_is_the_deviation(first, second):
    """Where two sets are of one law, half of all scores are negative."""
    bandwidth = 2.0
    shrunk = (bandwidth**2 / (bandwidth**2 + 2)) ** 2
    truth = 200 * shrunk * (1 - np.exp(-((first - second) ** 2) / (2 * (bandwidth**2 + 2))))
    found = [
        kad.measure(embed(20, 4, (0, i), first), embed(20, 4, (1, i), second), bandwidth=bandwidth) for i in range(200)
    ]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(truth, abs=3.5 * values.std() / np.sqrt(200))
    errors = np.sqrt(np.mean([one.error**2 for one in found]))
    # where nothing but noise is seen, a jackknife sees too much of it
    assert 0.9 * values.std() < errors < (1.15 if second else 1.8) * values.std()
    assert np.mean([one.interval[0] <= truth <= one.interval[1] for one in found]) >= 0.9


def test_windows_of_a_clip_are_no_pair():
    generated, reference = (
        embed(30, 3, seed, shift=seed, clip=np.random.default_rng(seed).permutation(np.arange(30) % 7))
        for seed in (0, 1)
    )
    found = kad.measure(generated, reference, bandwidth=1.5)
    assert found.value == pytest.approx(by_hand(generated, reference, 1.5), rel=1e-10)


def without(embedded, clip):
    left = embedded.clip != clip
    return Embedded(np.unique(embedded.clip[left], return_inverse=True)[1], embedded.x[left])


def test_the_error_is_a_jackknife_over_clips():
    clip = np.arange(24) % 6
    generated, reference = embed(24, 3, 0, clip=clip), embed(24, 3, 1, 0.7, clip=clip)
    squares = 0.0
    for left_out in (
        [by_hand(without(generated, i), reference, 1.5) for i in range(6)],
        [by_hand(generated, without(reference, i), 1.5) for i in range(6)],
    ):
        squares += 5 * np.var(left_out)
    assert kad.measure(generated, reference, bandwidth=1.5).error == pytest.approx(np.sqrt(squares), rel=1e-9)


def test_the_bandwidth_is_the_references():
    reference = embed(41, 3, 0)
    pairs = np.sort(distance.pdist(reference.x.astype(float)))
    for shift in (0.0, 50.0):
        found = kad.measure(embed(20, 3, 1, shift), reference)
        assert found.bandwidth == pytest.approx(pairs[(len(pairs) - 1) // 2], rel=1e-9)
    assert found.value > 100  # far off, k(x, y) is 0


def test_what_is_refused():
    a = embed(20, 3, 0)
    with pytest.raises(DataError, match="3 clips are needed at least, and here is 2"):
        kad.measure(embed(20, 3, 0, clip=np.arange(20) % 2), a)
    with pytest.raises(UsageError, match="vectors of 3 and 4 numbers"):
        kad.measure(embed(20, 4, 0), a)
    with pytest.raises(UsageError, match="above 0, not -1"):
        kad.measure(a, a, bandwidth=-1.0)
    with pytest.raises(DataError, match="it is no reference"):
        kad.measure(a, Embedded(np.arange(9), np.ones((9, 3))))


@pytest.mark.parametrize("paired", [True, False])
def test_the_error_of_a_difference_is_its_deviation(paired):
    """Pairs that have half of their variance in common, or nothing: 200 repetitions, one true difference."""
    bandwidth, found = 2.0, []
    for i in range(200):
        common = np.random.default_rng((2, i)).normal(size=(40, 4)) * np.sqrt(0.5) if paired else 0.0
        own = [embed(40, 4, (side, i)).x * (np.sqrt(0.5) if paired else 1.0) + common for side in (0, 1)]
        a, b = (
            Embedded(np.arange(40), (x + np.eye(1, 4) * shift).astype(np.float32)) for x, shift in zip(own, (1.0, 0.6))
        )
        found.append(kad.compare(a, b, embed(60, 4, (3, i)), paired=paired, bandwidth=bandwidth))
    shrunk = (bandwidth**2 / (bandwidth**2 + 2)) ** 2
    truth = 200 * shrunk * (np.exp(-(0.6**2) / (2 * (bandwidth**2 + 2))) - np.exp(-1 / (2 * (bandwidth**2 + 2))))
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(truth, abs=3.5 * values.std() / np.sqrt(200))
    errors = np.sqrt(np.mean([one.error**2 for one in found]))
    assert 0.9 * values.std() < errors < 1.15 * values.std()
    assert 0.9 <= np.mean([one.interval[0] <= truth <= one.interval[1] for one in found]) <= 0.99


def test_a_set_against_itself_differs_by_nothing():
    a, reference = embed(20, 4, 0), embed(30, 4, 1)
    same = kad.compare(a, a, reference)
    assert same.value == 0.0 and same.error == 0.0
    apart = kad.compare(a, embed(20, 4, 2, 1.0), reference)
    one, other = (kad.measure(each, reference).value for each in (a, embed(20, 4, 2, 1.0)))
    assert apart.value == pytest.approx(one - other, abs=1e-9)


def test_pairs_of_unequal_numbers_are_refused():
    with pytest.raises(UsageError, match="20 clips and 21 are no pairs"):
        kad.compare(embed(20, 4, 0), embed(21, 4, 1), embed(30, 4, 2))
