"""FAD on Gaussians whose distance is known: bias, error, pairs; that clips are what is resampled; and fadtk's way."""

import numpy as np
import pytest

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import fad, frechet, moments, resampling
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.moments import Moments

WIDTH = 8
REFERENCE = Moments(np.zeros(WIDTH), np.eye(WIDTH))


def embed(clips, windows, seed, shift=0.0, scale=1.0, alike=0.5, shared=None):
    """N(shift / sqrt(WIDTH), scale^2) with windows of a clip alike: a distance of shift^2 + WIDTH (scale - 1)^2."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(clips, 1, WIDTH)) if shared is None else shared
    z = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=(clips, windows, WIDTH))
    x = (shift / np.sqrt(WIDTH) + scale * z).reshape(-1, WIDTH).astype(np.float32)
    return Embedded(np.repeat(np.arange(clips), windows), x)


@pytest.fixture(scope="module")
def repeated():
    """Thirty sets of 150 clips of five windows, far from the reference."""
    return [embed(150, 5, (0, seed), shift=0.6, scale=1.2) for seed in range(30)]


TRUTH = 0.36 + WIDTH * 0.04


def test_the_raw_score_is_the_distance():
    generated = embed(50, 3, 0)
    found = fad.measure(generated, REFERENCE)
    assert found.raw == pytest.approx(frechet.distance(moments.of(generated.x), REFERENCE), rel=1e-12)
    assert found.windows == 150
    assert found.floor == pytest.approx(WIDTH * (WIDTH + 5) / 4 / 150)
    assert found.interval[0] < found.value < found.interval[1]


def test_the_value_has_no_bias_and_the_error_is_its_deviation(repeated):
    found = [fad.measure(generated, REFERENCE) for generated in repeated]
    values, raw = (np.array([getattr(one, name) for one in found]) for name in ("value", "raw"))
    error = values.std(ddof=1) / np.sqrt(len(found))
    assert raw.mean() > TRUTH + 4 * error
    assert values.mean() == pytest.approx(TRUTH, abs=3 * error)
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(ddof=1), rel=0.3)
    assert np.mean([one.interval[0] <= TRUTH <= one.interval[1] for one in found]) >= 0.85


def test_without_replacement_by_clips_leads_to_the_truth_and_by_windows_does_not(repeated):
    """Nor does fadtk's way, which leads to the raw score."""
    clips = np.mean([fad.infinity(generated, REFERENCE, repeats=2).value for generated in repeated])
    windows = np.mean([fad.infinity(Embedded(np.arange(750), each.x), REFERENCE, repeats=2).value for each in repeated])
    theirs = np.mean([fad.fadtk(generated, REFERENCE).value for generated in repeated])
    raw = np.mean([frechet.distance(moments.of(generated.x), REFERENCE) for generated in repeated])
    bias = raw - TRUTH
    assert abs(clips - TRUTH) < 0.4 * bias
    assert windows - TRUTH > 0.5 * bias
    assert abs(theirs - raw) < 0.3 * bias


def test_groups_of_moments_are_enough():
    """What processes that share the work send to one another."""
    generated = embed(60, 2, 1)
    groups = moments.of_groups(generated, resampling.groups(60, seed=5))
    assert fad.of_groups(groups, REFERENCE) == fad.measure(generated, REFERENCE, seed=5)


def test_the_order_of_windows_changes_nothing():
    generated = embed(60, 4, 1, shift=0.5)
    order = np.random.default_rng(0).permutation(240)
    found, other = (
        fad.measure(each, REFERENCE) for each in (generated, Embedded(generated.clip[order], generated.x[order]))
    )
    for name in ("raw", "value", "error"):
        assert getattr(other, name) == pytest.approx(getattr(found, name), abs=1e-11)


def test_a_line_through_its_points():
    points = [(n, 2.0 + 30.0 / n) for n in (50.0, 100.0, 200.0)]
    found = fad._fit(points, [1, 1, 1])
    assert (found.value, found.slope) == (pytest.approx(2, abs=1e-12), pytest.approx(30, abs=1e-9))
    assert found.error < 1e-12
    bent = fad._fit([*points, (25.0, 3.0)], [1, 1, 1, 1])
    expected = np.polyfit(1 / np.array([50, 100, 200, 25]), [2.6, 2.3, 2.15, 3.0], 1, cov=True)
    assert bent.value == pytest.approx(expected[0][1], abs=1e-12)
    assert bent.error == pytest.approx(np.sqrt(expected[1][1, 1]), rel=1e-9)


def test_each_size_uses_every_clip_once_and_all_sizes_weigh_the_same(monkeypatch):
    sizes, of_groups = [], moments.of_groups

    def watched(embedded, group):
        sizes.append(np.bincount(group).tolist())
        return of_groups(embedded, group)

    monkeypatch.setattr(moments, "of_groups", watched)
    found = fad.infinity(embed(60, 2, 1), REFERENCE, parts=3, repeats=2)
    n, scores = np.transpose(found.points)
    assert n.tolist() == [60, 30, 30, 20, 20]
    assert sizes == [[30, 30]] * 2 + [[20, 20, 20]] * 2
    each = [scores[n == size].mean() for size in (60, 30, 20)]
    assert (found.slope, found.value) == pytest.approx(tuple(np.polyfit([1 / 60, 1 / 30, 1 / 20], each, 1)))


def test_pairs_share_what_both_are_made_of():
    """Of one prompt's clips the noise is common: its difference is known far better than that of strangers."""
    shared = np.random.default_rng(3).normal(size=(100, 1, WIDTH))
    a, b = (embed(100, 3, seed, shift=shift, alike=0.9, shared=shared) for seed, shift in ((1, 1.0), (2, 0.6)))
    pairs, strangers = (fad.compare(a, b, REFERENCE, paired=paired, num_draws=40) for paired in (True, False))
    assert pairs.difference == pytest.approx(fad.measure(a, REFERENCE).value - fad.measure(b, REFERENCE).value)
    assert pairs.interval[0] < 0.64 < pairs.interval[1]
    assert pairs.error < 0.6 * strangers.error
    assert pairs.share == 1.0
    back = fad.compare(b, a, REFERENCE, num_draws=40)
    assert (back.difference, back.share) == (pytest.approx(-pairs.difference), pairs.share)


def test_a_set_against_itself_is_not_told_apart():
    a = embed(40, 2, 1)
    found = fad.compare(a, a, REFERENCE, num_draws=5)
    assert (found.difference, found.error, found.share) == (0.0, 0.0, 0.5)


def test_sets_of_one_law_are_not_told_apart_whatever_their_sizes():
    """The raw scores differ by much, and so do all draws; their bias is no difference."""
    few, many = embed(50, 2, 1), embed(400, 2, 2)
    found = fad.compare(few, many, REFERENCE, paired=False, num_draws=60)
    assert fad.measure(few, REFERENCE).raw - fad.measure(many, REFERENCE).raw > 2 * found.error
    assert found.interval[0] < 0 < found.interval[1]
    assert 0.5 < found.share < 0.97


@pytest.mark.parametrize("count", [30, 3])
def test_influences_are_the_slopes_of_the_score(count):
    """Also of fewer windows than numbers. Every window many times over: N and N - 1 are much the same then, and steps are small."""
    once, many, copies = embed(count, 2, 1, shift=0.5), 10**6, 60_000 // count
    generated = Embedded(np.tile(once.clip, copies), np.tile(once.x, (copies, 1)))
    found = fad.influences(generated, REFERENCE)
    assert found.sum() == pytest.approx(0, abs=1e-12 * np.abs(found).sum())
    for clip in (0, count - 1):
        step = many * (generated.clip == clip) // 1000
        high, low = (frechet.distance(moments.of(generated.x, many + sign * step), REFERENCE) for sign in (1, -1))
        assert (high - low) / 2 * 1000 * len(generated.x) == pytest.approx(found[clip], rel=1e-4)


def test_an_outlier_has_the_highest_influence():
    generated = embed(40, 2, 1)
    generated.x[generated.clip == 17] += 6.0
    assert fad.influences(generated, REFERENCE).argmax() == 17


def test_what_is_refused():
    a, one, wide = embed(40, 2, 1), embed(1, 40, 1), Moments(np.zeros(3), np.eye(3))
    for refused in (fad.measure, fad.infinity, lambda *sets: fad.compare(*sets[:1], *sets, paired=False)):
        with pytest.raises(DataError, match="clips are needed at least, and here is 1"):
            refused(one, REFERENCE)
    for refused in (fad.measure, fad.influences, fad.infinity):
        with pytest.raises(UsageError, match="vectors of 8 and 3 numbers"):
            refused(a, wide)
    with pytest.raises(DataError, match="2 windows or more, not 1"):
        fad.measure(embed(2, 1, 1), REFERENCE)
    with pytest.raises(UsageError, match="parts=1"):
        fad.infinity(a, REFERENCE, parts=1)
    with pytest.raises(DataError, match="more than 500 windows, and here are 80"):
        fad.fadtk(a, REFERENCE)
    with pytest.raises(UsageError, match="40 clips and 30 are no pairs"):
        fad.compare(a, embed(30, 2, 1), REFERENCE)
