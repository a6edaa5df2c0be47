import shutil

import numpy as np
import pytest
import soundfile

from musicdiff.data import open_source
from musicdiff.errors import DataError, UsageError


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "music"
    for i, name in enumerate(("a/one.wav", "a/two.FLAC", "b/three.ogg", "four.aiff")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(
            root / name, np.random.default_rng(i).normal(0, 0.1, (4000, 2)), 8000, format=name.split(".")[1].upper()
        )
    (root / "a/one.txt").write_text("the first")
    (root / "a/._one.wav").write_bytes(b"\0")
    (root / ".cache").mkdir()
    shutil.copy(root / "a/one.wav", root / ".cache/old.wav")
    (root / "notes.md").write_text("no audio")
    return root


def test_tracks(folder):
    source = open_source(f"folder:{folder}")
    assert [track.name for track in source.tracks] == ["a/one.wav", "a/two.FLAC", "b/three.ogg", "four.aiff"]
    assert [track.caption for track in source.tracks] == ["the first", "a", "b", ""]
    audio, rate = source.tracks[0].read()
    assert (audio.shape, rate) == ((4000, 2), 8000)
    audio, rate = source.tracks[0].read(sample_rate=16000, channels=1)
    assert (audio.shape, rate) == ((8000, 1), 16000)


def test_a_moved_or_touched_tree_keeps_its_fingerprint(folder, tmp_path):
    before = open_source(f"folder:{folder}").fingerprint
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved, copy_function=shutil.copyfile)  # with other times
    (moved / "notes.md").unlink()
    assert open_source(f"folder:{moved}").fingerprint == before


def change_audio(root):
    audio = np.random.default_rng(9).normal(0, 0.1, (4000, 2))
    soundfile.write(root / "a/one.wav", audio, 8000)


@pytest.mark.parametrize(
    "change",
    [
        change_audio,
        lambda root: (root / "a/one.txt").write_text("another"),
        lambda root: (root / "a/one.wav").rename(root / "a/uno.wav"),
        lambda root: (root / "four.aiff").unlink(),
        lambda root: (root / "b").rename(root / "c"),
    ],
)
def test_every_change_of_audio_or_labels_changes_it(folder, change):
    before = open_source(f"folder:{folder}").fingerprint
    change(folder)
    assert open_source(f"folder:{folder}").fingerprint != before


def test_the_ends_of_large_files_are_read(folder):
    path = folder / "a/long.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 200_000), 8000)
    before = open_source(f"folder:{folder}").fingerprint
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert open_source(f"folder:{folder}").fingerprint != before


def test_no_folder_or_nothing_in_it(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        open_source(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match=rf"{tmp_path}: holds no audio; .*\.wav"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(UsageError, match="folder:PATH"):
        open_source("folder")
    with pytest.raises(UsageError, match=r"no 'cloud' in musicdiff/data/sources; there are: .*folder"):
        open_source("cloud:x")
