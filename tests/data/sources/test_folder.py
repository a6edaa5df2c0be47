import json
import os
import pathlib
import shutil
from functools import partial

import numpy as np
import pytest
import soundfile

from musicdiff.data import build_latents, build_tracks, builders, open_source
from musicdiff.data.records import SPLITS
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


def fingerprints(root):
    source = open_source(f"folder:{root}")
    return source.fingerprint, source.label_fingerprint


def test_a_moved_or_touched_tree_keeps_its_fingerprints(folder, tmp_path):
    before = fingerprints(folder)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved, copy_function=shutil.copyfile)  # with other times
    (moved / "notes.md").unlink()
    assert fingerprints(moved) == before


def change_audio(root):
    audio = np.random.default_rng(9).normal(0, 0.1, (4000, 2))
    soundfile.write(root / "a/one.wav", audio, 8000)


@pytest.mark.parametrize(
    "change",
    [
        change_audio,
        lambda root: (root / "a/one.wav").rename(root / "a/uno.wav"),
        lambda root: (root / "four.aiff").unlink(),
        lambda root: (root / "b").rename(root / "c"),
    ],
)
def test_every_change_of_audio_or_names_changes_its_fingerprint(folder, change):
    before = fingerprints(folder)
    change(folder)
    assert fingerprints(folder)[0] != before[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a/one.txt").write_text("another"),
        lambda root: (root / "a/one.json").write_text('{"tempo": 90}'),
        lambda root: (root / "a/one.txt").unlink(),
        lambda root: (root / "metadata.csv").write_text("file,key\nfour.aiff,C\n"),
        lambda root: (root / "a/two.txt").write_bytes(b"\xff"),  # says nothing, but the report says so
    ],
)
def test_every_change_of_labels_changes_theirs_alone(folder, change):
    audio, labels = fingerprints(folder)
    change(folder)
    assert fingerprints(folder)[0] == audio and fingerprints(folder)[1] != labels


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


def refusal(track):
    with pytest.raises(DataError) as caught:
        track.read()
    return str(caught.value)


def test_labels_that_cannot_be_read(folder, spec, tmp_path):
    (folder / "a/one.txt").write_bytes(b"caf\xe9")
    (folder / "a/two.json").write_text('{"tempo": "94 bpm", "key": 7}')
    source = open_source(f"folder:{folder}")
    assert source.unread_labels == (
        {"name": "a/one.txt", "reason": "caption is not UTF-8 text: save it as UTF-8"},
        {"name": "a/two.json", "reason": "key should be text, not 7"},
    )
    assert [track.caption for track in source.tracks] == ["a", "a, 94 bpm", "b", ""]
    build = partial(build_tracks, source, spec, tmp_path / "cache", progress=False)
    with pytest.raises(
        DataError,
        match=r"^a/one\.txt: caption is not UTF-8 text.*; repair it or leave it out, or build without strict$",
    ):
        build(strict=True)
    assert not (tmp_path / "cache").exists()
    made, found = build(), build()
    assert made.path == found.path and made.skipped == []
    for tracks in (made, found):
        assert tracks.unread_labels == list(source.unread_labels)
    assert json.loads((made.path / "report.json").read_text())["unread_labels"] == list(source.unread_labels)
    with pytest.raises(DataError, match=r"^a/one\.txt: "):
        build(strict=True)  # from the cache


def test_edited_labels_cost_no_mel(folder, spec, tmp_path, monkeypatch):
    """The cache is found, with the labels of now; the latents made of it are too."""
    options = {"cache_dir": tmp_path / "cache", "progress": False}

    def build():
        return build_tracks(open_source(f"folder:{folder}"), spec, **options)

    encode = partial(build_latents, encode=lambda mel: mel[::2], fingerprint="half", **options)
    before = build()
    latents = encode(before)
    (folder / "a/one.txt").write_text("another caption")
    (folder / "a/two.json").write_text('{"tempo": 90, "style": 7}')
    monkeypatch.setattr(builders, "whole_mel", None)
    after = build()
    assert (after.path, after.fingerprint) == (before.path, before.fingerprint)
    assert after.label_fingerprint != before.label_fingerprint
    assert after.unread_labels == [{"name": "a/two.json", "reason": "style should be text, not 7"}]
    relabelled = encode(after)
    assert relabelled.path == latents.path and relabelled.unread_labels == after.unread_labels
    for tracks in (after, relabelled):
        found = {}
        for split in map(tracks.split, SPLITS):
            for i, record in enumerate(split[range(len(split))]):
                found[record["name"]] = record["caption"], record["tempo"]
                np.testing.assert_equal(found[record["name"]], (split.labels["caption"][i], split.labels["tempo"][i]))
        assert found["a/one.wav"][0] == "another caption" and np.isnan(found["a/one.wav"][1])
        assert found["a/two.FLAC"] == ("a, 90 bpm", 90)


def test_reasons_do_not_repeat_the_path(folder):
    (folder / "four.aiff").write_bytes(b"")
    assert refusal(open_source(f"folder:{folder}").tracks[3]) == "an empty file (0 bytes); copy or download it again"


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text(folder, spec, tmp_path):
    audio = (folder / "four.aiff").read_bytes()
    undecodable = os.fsencode(folder) + b"/caf\xe9"
    os.mkdir(undecodable)
    for name in (
        undecodable + b"/ok.wav",
        undecodable + b".wav",
        undecodable + b".txt",
        os.fsencode(folder) + b"/two\nlines.wav",
    ):
        pathlib.Path(os.fsdecode(name)).write_bytes(audio)
    (folder / "日本 é.wav").write_bytes(audio)
    source = open_source(f"folder:{folder}")
    names = [track.name for track in source.tracks]
    assert names[4:] == ["日本 é.wav", r"caf\udce9.wav", r"caf\udce9/ok.wav", r"two\nlines.wav"]
    assert len(source.tracks[4].read()[0]) == 4000
    cache = build_tracks(source, spec, tmp_path / "cache", progress=False)
    reason = "the name is not UTF-8 or holds control characters; rename it"
    assert {track["name"]: track["reason"] for track in cache.skipped} == dict.fromkeys(names[5:], reason)
    os.rename(undecodable + b".wav", os.fsencode(folder) + b"/five.wav")
    assert open_source(f"folder:{folder}").fingerprint != source.fingerprint
    with pytest.raises(DataError, match=r"caf\\udce9: the path is not UTF-8.*rename the folder$"):
        open_source(f"folder:{os.fsdecode(undecodable)}")


def test_links_to_nothing_and_to_themselves(folder):
    (folder / "gone.wav").symlink_to("nowhere.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "again").symlink_to(".")
    source = open_source(f"folder:{folder}")
    reasons = {track.name: refusal(track) for track in source.tracks[4:]}
    assert reasons == {
        "gone.wav": "no such file; check the path",
        "loop.wav": "cannot be opened (Too many levels of symbolic links); check the path and its permissions",
    }


def test_folders_that_cannot_be_opened(folder, tmp_path, monkeypatch):
    """Said by the system, because tests may run as root, who can open everything."""
    closed, scandir = {folder / "b", folder / ".cache"}, os.scandir

    def refuse(path):
        if pathlib.Path(path) in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    whole = open_source(f"folder:{folder}")
    monkeypatch.setattr(os, "scandir", refuse)
    source = open_source(f"folder:{folder}")
    assert [track.name for track in source.tracks] == ["a/one.wav", "a/two.FLAC", "four.aiff", "b"]
    assert refusal(source.tracks[3]) == "the folder cannot be opened; check its permissions"
    assert source.fingerprint != whole.fingerprint
    closed.add(folder)
    assert [track.name for track in open_source(f"folder:{folder}").tracks] == ["."]


def test_files_of_every_width_and_rate(tmp_path):
    rng = np.random.default_rng(0)
    for name, rate, channels, subtype in (
        ("eight bits.wav", 8000, 1, "PCM_U8"), ("fast.wav", 96000, 2, "PCM_24"), ("six.wav", 48000, 6, "FLOAT"), ("slow.wav", 8000, 1, "PCM_16"),
    ):  # fmt: skip
        soundfile.write(tmp_path / name, rng.normal(0, 0.1, (rate // 10, channels)), rate, subtype=subtype)
    soundfile.write(tmp_path / "sample.wav", [[0.5]], 8000)
    for track in open_source(f"folder:{tmp_path}").tracks:
        audio, rate = track.read(sample_rate=22050, channels=2)
        assert rate == 22050 and audio.shape == ((3 if track.name == "sample.wav" else 2205), 2)
