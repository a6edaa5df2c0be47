"""The cache of vectors: what is read back is what was kept, or nothing."""

import dataclasses

import loudness
import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.evaluation.vectors import Clip, Kept

EMBEDDING, SHA256 = loudness.make(), "ab" * 32


def clip(windows=3, name="a.wav"):
    rng = np.random.default_rng(windows)
    padding, x = rng.random(windows, np.float32), rng.normal(size=(windows, 4)).astype(np.float32)
    return Clip(name, SHA256, seconds=0.1 + windows / 3, rate=22050, channels=2, padding=padding, x=x)


def file(folder):
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def assert_equal(found, kept):
    for field in dataclasses.fields(Clip):
        ours, theirs = getattr(found, field.name), getattr(kept, field.name)
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("windows", [0, 1, 3])
def test_what_is_kept_is_found_under_the_name_of_today(tmp_path, windows):
    kept = Kept(EMBEDDING, tmp_path / "cache")
    assert kept.find("a.wav", SHA256) is None
    kept.keep(clip(windows))
    assert_equal(kept.find("elsewhere/b.wav", SHA256), clip(windows, "elsewhere/b.wav"))
    assert kept.find("a.wav", "cd" * 32) is None


def test_another_embedding_finds_nothing(tmp_path):
    Kept(EMBEDDING, tmp_path).keep(clip())
    for changed in ({"weights": "1" * 64}, {"protocol": "another"}, {"hop": 512}, {"name": "other"}):
        assert Kept(dataclasses.replace(EMBEDDING, **changed), tmp_path).find("a.wav", SHA256) is None


def test_whatever_is_damaged_is_not_there(tmp_path):
    kept = Kept(EMBEDDING, tmp_path)
    kept.keep(clip())
    whole = file(tmp_path).read_bytes()
    for length in range(0, len(whole), 17):
        file(tmp_path).write_bytes(whole[:length])
        assert kept.find("a.wav", SHA256) is None
    for at in range(0, len(whole), 31):
        file(tmp_path).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept.find("a.wav", SHA256) is None
    kept.keep(clip())
    assert_equal(kept.find("a.wav", SHA256), clip())


def test_the_same_clip_makes_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        Kept(EMBEDDING, tmp_path / folder).keep(clip())
    assert file(tmp_path / "one").read_bytes() == file(tmp_path / "two").read_bytes()


def test_the_users_cache_folder_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Kept(EMBEDDING).keep(clip())
    assert file(tmp_path).parent.parent == tmp_path / "musicdiff" / "embeddings"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Kept(EMBEDDING).keep(clip())
    assert file(tmp_path / "home").is_relative_to(tmp_path / "home" / ".cache" / "musicdiff" / "embeddings")


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    kept = Kept(EMBEDDING, tmp_path / "file")
    assert kept.find("a.wav", SHA256) is None
    with pytest.raises(
        DataError, match=r"cannot be written \(Not a directory\): let XDG_CACHE_HOME be a folder that can"
    ):
        kept.keep(clip())
