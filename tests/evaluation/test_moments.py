"""Means and covariances: equal to numpy's, however they are cut and merged, and in the published layout."""

import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.evaluation import frechet, moments
from musicdiff.evaluation.embedded import BLOCK, Embedded
from musicdiff.evaluation.moments import Moments


def windows(count, width=6, seed=0):
    """float32, and far from 0: what sums of squares would lose digits of."""
    return (1000 + np.random.default_rng(seed).normal(size=(count, width)) * np.arange(1, width + 1)).astype(np.float32)


def assert_equal(found, x, tolerance=1e-12):
    x = x.astype(np.float64)
    assert found.windows == len(x)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=tolerance)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=0, atol=tolerance * np.var(x, 0).max())


@pytest.mark.parametrize("count", [2, 100, 2 * BLOCK + 17])
def test_equal_to_numpys(count):
    assert_equal(moments.of(windows(count)), windows(count))


@pytest.mark.parametrize("seed", range(3))
def test_parts_are_merged_in_any_order(seed):
    x, rng = windows(500), np.random.default_rng(seed)
    parts = [moments.of(part) for part in np.split(x, [1, *np.sort(rng.choice(np.arange(2, 500), 30, replace=False))])]
    assert min(part.windows for part in parts) == 1  # a covariance of one window is none, and merges all the same
    assert_equal(moments.merge(parts[i] for i in rng.permutation(len(parts))), x)


def test_counts_are_repeated_windows():
    x, counts = windows(BLOCK + 50), np.random.default_rng(1).integers(0, 4, BLOCK + 50)
    assert_equal(moments.of(x, counts), np.repeat(x, counts, axis=0))


def test_the_moments_of_groups_of_clips():
    x, clip, group = windows(90), np.arange(90) % 30, np.arange(30) % 4
    for number, found in enumerate(moments.of_groups(Embedded(clip, x), group)):
        assert_equal(found, x[group[clip] == number])


def test_windows_may_lie_in_a_file(tmp_path):
    x = windows(300)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(moments.of(mapped).covariance, moments.of(x).covariance)


def test_nothing_has_no_moments():
    with pytest.raises(DataError, match="no windows"):
        moments.of(windows(3), np.zeros(3, int))


def test_what_is_no_number_is_refused():
    x = windows(3)
    x[1, 2] = np.nan
    with pytest.raises(DataError, match="NaN or infinity"):
        moments.of(x)


def test_written_and_read(tmp_path):
    first, second = moments.of(windows(40)), Moments(np.zeros(2), np.eye(2))
    moments.write(tmp_path / "reference.npz", {"musicnn": first, "clap-laion-audio": second})
    for name, wanted in (("musicnn", first), ("clap-laion-audio", second)):
        found = moments.read(tmp_path / "reference.npz", name)
        np.testing.assert_array_equal(found.mean, wanted.mean)
        np.testing.assert_array_equal(found.covariance, wanted.covariance)
        assert found.windows == wanted.windows  # None stays None


def test_the_layout_is_the_published_one(tmp_path):
    moments.write(tmp_path / "ours.npz", {"vggish": moments.of(windows(40))})
    with np.load(tmp_path / "ours.npz") as ours:
        np.testing.assert_allclose(ours["vggish.cov"], np.cov(windows(40).astype(np.float64), rowvar=False), rtol=1e-10)
        np.savez(tmp_path / "theirs.npz", **{"vggish.mu": ours["vggish.mu"], "vggish.cov": ours["vggish.cov"]})
    theirs = moments.read(tmp_path / "theirs.npz", "vggish")
    assert theirs.windows is None
    assert frechet.distance(theirs, moments.read(tmp_path / "ours.npz", "vggish")) < 1e-12
    with pytest.raises(DataError, match="do not tell of how many windows"):
        moments.merge([theirs, theirs])


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "statistics.npz"
    with pytest.raises(DataError, match="does not exist"):
        moments.read(path, "vggish")
    moments.write(path, {"vggish": moments.of(windows(40))})
    with pytest.raises(DataError, match=r"no statistics of 'musicnn'; it holds: vggish$"):
        moments.read(path, "musicnn")
    whole = path.read_bytes()
    for damaged in (whole[:200], b"", b"text", bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"statistics\.npz is damaged, or no \.npz"):
            moments.read(path, "vggish")
    np.save(path.with_suffix(".npy"), np.eye(3))
    with pytest.raises(DataError, match=r"statistics\.npy is damaged, or no \.npz"):
        moments.read(path.with_suffix(".npy"), "vggish")
    np.savez(path, **{"vggish.mu": np.zeros(3)})
    with pytest.raises(DataError, match="damaged"):
        moments.read(path, "vggish")
    for covariance in (np.eye(4), np.full((3, 3), np.nan)):
        np.savez(path, **{"vggish.mu": np.zeros(3), "vggish.cov": covariance})
        with pytest.raises(DataError, match=r"vggish\.mu \[3\] and vggish\.cov \[., .\] are no finite mean"):
            moments.read(path, "vggish")


def test_words_are_kept_beside_them(tmp_path):
    path, found = tmp_path / "statistics.npz", moments.of(windows(40))
    words = {"protocol": "16 kHz, Köln", "weights": "", "clips": 40, "seconds": 0.1}
    moments.write(path, {"clap:music": found, "vggish": found}, {"clap:music": words})
    assert moments.read_words(path) == {"clap:music": words, "vggish": {}}
    np.testing.assert_array_equal(moments.read(path, "clap:music").covariance, found.covariance)


def test_words_of_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "statistics.npz"
    with pytest.raises(DataError, match="does not exist"):
        moments.read_words(path)
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="is damaged, or no"):
        moments.read_words(path)


def test_damage_changes_nothing_that_is_read(tmp_path):
    """Wherever a byte is another: what is read is what was written, or there is a DataError."""
    path, found = tmp_path / "statistics.npz", Moments(np.array([0.25]), np.array([[2.0]]), 3)
    moments.write(path, {"a": found}, {"a": {"weights": "w"}})
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (0xFF, 0x08, 0x01)[at % 9 // 3]]) + whole[at + 1 :])
        try:
            read, words = moments.read(path, "a"), moments.read_words(path)["a"]
        except DataError:
            continue
        assert (read.mean, read.covariance) == (found.mean, found.covariance)
        # Where the table of contents is damaged, zipfile may find fewer entries.
        assert read.windows in (3, None) and words.get("weights") in ("w", None)
