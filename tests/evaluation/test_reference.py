"""References: a folder, statistics that were saved of it, published ones; and the refusal of those that do not fit."""

import dataclasses

import loudness
import numpy as np
import pytest

from musicdiff import pretrained, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import fad, frechet, listening, moments, reference
from musicdiff.evaluation.moments import Moments

EMBEDDING = loudness.make()
THEIRS = Moments(np.zeros(4), np.eye(4))


@pytest.fixture
def clips(tmp_path):
    return loudness.write(tmp_path / "clips", loudness.clips(12, seed=0))


@pytest.fixture
def load(tmp_path):
    def load(text, embedding=EMBEDDING):
        return reference.load(embedding, str(text), cache_dir=tmp_path / "cache")

    return load


@pytest.fixture
def saved(clips, tmp_path):
    path = tmp_path / "mine.npz"
    reference.save(path, EMBEDDING, listening.folder(EMBEDDING, clips, cache_dir=tmp_path / "cache", progress=False))
    return path


def test_a_folder_is_a_reference(load, clips, tmp_path):
    found = load(clips)
    heard = listening.folder(EMBEDDING, clips, cache_dir=tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(found.heard.embedded.x, heard.embedded.x)
    np.testing.assert_array_equal(found.moments.covariance, moments.of(heard.embedded.x).covariance)
    assert (found.name, found.sha256, found.padded) == (str(clips), heard.sha256, heard.padded)


def test_saved_statistics_stand_for_their_folder(load, clips, saved):
    ours, theirs = load(saved), load(clips)
    np.testing.assert_array_equal(ours.moments.mean, theirs.moments.mean)
    np.testing.assert_array_equal(ours.moments.covariance, theirs.moments.covariance)
    assert ours.moments.windows == theirs.moments.windows
    assert (ours.sha256, ours.padded, ours.heard) == (theirs.sha256, theirs.padded, None)
    generated = listening.arrays(EMBEDDING, loudness.clips(8, seed=1), loudness.RATE).embedded
    assert fad.measure(generated, ours.moments) == fad.measure(generated, theirs.moments)


def test_a_file_tells_what_it_is_of(saved, clips):
    with np.load(saved) as arrays:
        told = {key.removeprefix("loudness."): arrays[key].item() for key in arrays.files if not arrays[key].ndim}
    assert told == {
        "windows": 48,
        "protocol": EMBEDDING.protocol,
        "weights": EMBEDDING.weights,
        "clips": 12,
        "seconds": pytest.approx(12 * 4 * 1024 / 8000),
        "sha256": listening.folder(EMBEDDING, clips, cache_dir=saved.parent / "cache", progress=False).sha256,
        "padded": 0.0,
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"weights": "1" * 64}, r"is by loudness with other weights, 000000000000 where here it is 111111111111"),
        ({"protocol": "new"}, r"is by loudness with other protocol, 'RMS of .*' where here it is 'new': save it again"),
        ({"name": "quiet"}, r"mine\.npz has no statistics by quiet; it holds: loudness$"),
    ],
)
def test_statistics_of_another_embedding_are_refused(load, saved, changed, told):
    with pytest.raises(DataError, match=told):
        load(saved, dataclasses.replace(EMBEDDING, **changed))


def test_files_that_are_no_reference(load, saved, tmp_path):
    with pytest.raises(DataError, match=r"none\.npz does not exist"):
        load(tmp_path / "none.npz")
    with pytest.raises(DataError, match="2 clips are needed"):
        load(loudness.write(tmp_path / "one", loudness.clips(1, seed=0)))
    found = load(saved).moments
    moments.write(saved, {"loudness": found}, {"loudness": {"protocol": EMBEDDING.protocol, "weights": "0" * 64}})
    with pytest.raises(DataError, match="does not tell clips, seconds, sha256, padded of its statistics"):
        load(saved)
    moments.write(saved, {"loudness": Moments(np.zeros(3), np.eye(3))})
    with pytest.raises(DataError, match="loudness has vectors of 3 numbers, loudness makes 4"):
        load(saved)
    saved.write_bytes(saved.read_bytes()[:300])
    with pytest.raises(DataError, match="is damaged"):
        load(saved)
    np.savez(saved, x=np.zeros(3))
    with pytest.raises(DataError, match="it holds: none"):
        load(saved)


def test_what_is_not_saved(clips, tmp_path):
    heard = listening.folder(EMBEDDING, clips, cache_dir=tmp_path / "cache", progress=False)
    with pytest.raises(UsageError, match=r"call it .*mine\.json\.npz"):
        reference.save(tmp_path / "mine.json", EMBEDDING, heard)
    one = listening.arrays(EMBEDDING, loudness.clips(1, seed=0), loudness.RATE)
    with pytest.raises(DataError, match="2 clips are needed"):
        reference.save(tmp_path / "one.npz", EMBEDDING, one)


def test_published_files_go_by_name(load, tmp_path):
    path = tmp_path / "theirs.npz"
    moments.write(path, {"clap-laion-audio": THEIRS, "vggish": THEIRS})
    told = f"published {weights.sha256(path)}"
    for name in ("vggish", "clap:audio-fadtk"):
        found = load(path, loudness.make(name))
        assert (found.sha256, found.heard, found.padded, found.name) == (told, None, None, str(path))
    for name in ("musicnn", "clap:audio", "clap:music-fadtk"):
        with pytest.raises(
            DataError, match=r"no statistics by .*: clap-laion-audio, which is clap:audio-fadtk, vggish$"
        ):
            load(path, loudness.make(name))


def test_a_folder_may_be_called_like_a_file(load, tmp_path):
    assert load(loudness.write(tmp_path / "clips.npz", loudness.clips(3, seed=0))).heard.embedded.clips == 3


def test_fma_pop_is_read_from_where_it_was_fetched(load, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "find", {"fadtk": tmp_path}.__getitem__)
    moments.write(tmp_path / "fma_pop.npz", {"clap-laion-music": THEIRS, "vggish": THEIRS})
    found = load("fma_pop", loudness.make("clap:music-fadtk"))
    assert (found.name, found.heard) == ("fma_pop", None)
    assert found.sha256 == f"published {weights.sha256(tmp_path / 'fma_pop.npz')}"
    np.testing.assert_array_equal(found.moments.covariance, np.eye(4))


@pytest.mark.parametrize("name", ["musicnn", "clap:music", "melstats"])
def test_fma_pop_knows_three_embeddings(load, name):
    with pytest.raises(
        UsageError, match=f"by vggish, clap:audio-fadtk, clap:music-fadtk, and none by {name}: ask for one"
    ):
        load("fma_pop", loudness.make(name))


@pytest.mark.network
def test_fma_pop_as_it_was_published(load, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    list(pretrained.fetch("fadtk"))
    for name, width, trace in (
        ("vggish", 128, 12.7961981073),
        ("clap:audio-fadtk", 512, 0.729926585845),
        ("clap:music-fadtk", 512, 0.779077012578),
    ):
        found = load("fma_pop", dataclasses.replace(loudness.make(name), width=width))
        assert frechet.point_mass(found.moments) == pytest.approx(trace, rel=1e-11)
        assert found.sha256.startswith("published 74746819873d")
