import dataclasses
import json
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import soundfile

from musicdiff.data import Track, TrackSource, build_latents, build_tracks, builders, open_source
from musicdiff.data.mels import whole_mel
from musicdiff.data.records import SPLITS
from musicdiff.errors import DataError


def with_tracks(source, *tracks):
    return TrackSource("some", tuple(tracks), f"{source.fingerprint}+{len(tracks)}")


def unreadable(name):
    def read(**_):
        raise DataError(f"{name}: truncated")

    return Track(name, read)


def constant(name, value):
    return Track(name, lambda sample_rate, channels: (np.full((4000, 1), value, np.float32), sample_rate))


def test_records_hold_the_whole_track(source, tracks, spec):
    by_name = {track.name: track for track in source.tracks}
    seen = []
    for name in SPLITS:
        split = tracks.split(name)
        for i in range(len(split)):
            (record,) = split[[i]]
            track = by_name[record["name"]]
            audio, _ = track.read(sample_rate=8000, channels=1)
            assert record["mel"].dtype == np.float16
            np.testing.assert_array_equal(record["mel"], whole_mel(audio, spec).astype(np.float16))
            assert split.frames[i] == len(record["mel"])
            assert record["samples"] == len(audio)
            np.testing.assert_array_equal(record["bar_times"], np.float32(track.bar_times))
            for label in ("name", "caption", "style", "key", "licence"):
                assert record[label] == split.labels[label][i] == getattr(track, label)
            np.testing.assert_equal(record["tempo"], np.float32(track.tempo))
            np.testing.assert_equal(split.labels["tempo"][i], np.float32(track.tempo))
            seen.append(record["name"])
    assert sorted(seen) == sorted(by_name)
    assert tracks.hours == pytest.approx(sum(0.1 + 0.17 * i for i in range(24)) / 3600, abs=1e-5)
    assert tracks.licences == {"CC0": 24}


def test_a_second_build_reads_nothing(source, tracks, spec):
    untouchable = TrackSource(source.name, (unreadable("x"),), source.fingerprint)
    again = build_tracks(untouchable, spec, tracks.path.parent.parent, strict=True)
    assert again.path == tracks.path and again.index == tracks.index


def test_what_shapes_the_records_shapes_the_fingerprint(make_source, tracks, spec, tmp_path, monkeypatch):
    other_spec = build_tracks(make_source(2), dataclasses.replace(spec, num_mels=4), tmp_path, progress=False)
    same = build_tracks(make_source(2), spec, tmp_path, progress=False)
    other_source = build_tracks(make_source(3), spec, tmp_path, progress=False)
    monkeypatch.setattr(builders, "FORMAT", -1)
    other_code = build_tracks(make_source(2), spec, tmp_path, progress=False)
    made = [other_spec, same, other_source, other_code]
    assert len({cache.fingerprint for cache in made} | {cache.path.parent for cache in made}) == 8


def test_splits_are_of_tracks_and_do_not_move_when_others_come(make_source, spec, tmp_path):
    few = build_tracks(make_source(20), spec, tmp_path, progress=False)
    many = build_tracks(make_source(60), spec, tmp_path, progress=False)
    few, many = ({name: set(cache.split(name).labels["name"]) for name in SPLITS} for cache in (few, many))
    assert not many["train"] & many["test"]
    assert 1 <= len(many["test"]) <= 10
    assert all(builders._position(name) < builders.TEST_SHARE for name in many["test"])
    assert few["train"] <= many["train"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_both_splits_have_a_track_where_there_are_two(make_source, spec, tmp_path, count):
    source = make_source(count)
    for bad in range(4):  # whichever split the unreadable ones would have been in
        mixed = TrackSource("mixed", (*source.tracks, *(unreadable(f"bad {i}") for i in range(bad))), f"{count} {bad}")
        cache = build_tracks(mixed, spec, tmp_path, progress=False)
        sizes = [len(cache.split(name)) for name in SPLITS]
        assert sizes == ([1, 0] if count == 1 else [count - 1, 1])
        assert len(cache.skipped) == bad


def test_test_share():
    positions = [builders._position(f"track {i}") for i in range(20_000)]
    assert np.mean(np.less(positions, builders.TEST_SHARE)) == pytest.approx(0.08, abs=0.006)  # three standard errors


def test_unusable_tracks_are_skipped_and_listed(source, spec, tmp_path):
    bad = (unreadable("bad"), constant("silent", 9e-4), constant("quiet", 2e-3), constant("nan", np.nan))
    cache = build_tracks(with_tracks(source, *bad, *source.tracks), spec, tmp_path, progress=False)
    reasons = {track["name"]: track["reason"] for track in cache.skipped}
    assert reasons.keys() == {"bad", "silent", "nan"}
    assert "truncated" in reasons["bad"] and "-60 dB" in reasons["silent"] and "NaN" in reasons["nan"]
    report = json.loads((cache.path / "report.json").read_text())
    assert report["skipped"] == cache.skipped
    assert sum(report["tracks"].values()) == 25

    with pytest.raises(DataError, match=r"(?s)^(bad|silent|nan): .*strict"):
        build_tracks(with_tracks(source, *bad, *source.tracks), spec, tmp_path, strict=True)  # from the cache
    with pytest.raises(DataError, match=r"^(bad|silent|nan): .*strict"):
        build_tracks(with_tracks(source, *bad, *source.tracks), spec, tmp_path / "new", strict=True, progress=False)
    assert not list((tmp_path / "new").glob("*/*"))


def test_no_usable_track(source, spec, tmp_path):
    with pytest.raises(DataError, match=r"some: none of its 2 tracks can be used: .*truncated"):
        build_tracks(with_tracks(source, unreadable("a"), unreadable("b")), spec, tmp_path, progress=False)
    assert not list(tmp_path.glob("*/*"))


def test_bad_files_of_a_folder(spec, tmp_path):
    audio = np.random.default_rng(0).normal(0, 0.1, 8000)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("good.wav", "cut.wav", "cut.flac"):
        soundfile.write(folder / name, audio, 8000)
    for name in ("cut.wav", "cut.flac"):
        (folder / name).write_bytes((folder / name).read_bytes()[:5000])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("not music")
    soundfile.write(folder / "nan.wav", np.full(100, np.nan), 8000, subtype="FLOAT")
    soundfile.write(folder / "silent.ogg", np.zeros(8000), 8000)
    cache = build_tracks(open_source(f"folder:{folder}"), spec, tmp_path / "cache", progress=False)
    assert cache.split("train").labels["name"].tolist() == ["good.wav"]
    assert {track["name"] for track in cache.skipped} == {
        "cut.wav", "cut.flac", "empty.wav", "text.mp3", "nan.wav", "silent.ogg",
    }  # fmt: skip


def test_an_interrupted_build_leaves_nothing_and_starts_anew(make_source, spec, tmp_path):
    def interrupt(**_):
        raise KeyboardInterrupt

    source = make_source(6)
    stopped = TrackSource("noises", (*source.tracks[:3], Track("stop", interrupt), *source.tracks[3:]), "same")
    with pytest.raises(KeyboardInterrupt):
        build_tracks(stopped, spec, tmp_path, progress=False)
    assert not list(tmp_path.glob("*/*"))
    whole = TrackSource("noises", source.tracks, "same")
    assert len(build_tracks(whole, spec, tmp_path, progress=False).split("train")) == 5


def test_what_a_killed_build_left_is_not_taken_and_is_removed(make_source, spec, tmp_path):
    source = make_source(3)
    first = build_tracks(source, spec, tmp_path, progress=False)
    host, _, token = first.path.name.split("~")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = first.path.rename(first.path.with_name(f"{host}~{dead.pid}~{token}"))
    index = (left / "index.json").read_text()
    (left / "index.json").write_text(index[: len(index) // 2])
    elsewhere = left.with_name("other-host~1~00000000")  # perhaps still at work
    elsewhere.mkdir()
    (left.parent / ".DS_Store").write_text("")
    again = build_tracks(source, spec, tmp_path, progress=False)
    assert again.index == first.index
    assert {path.name for path in again.path.parent.iterdir()} == {again.path.name, elsewhere.name, ".DS_Store"}


def test_builders_at_once_do_not_disturb_each_other(make_source, spec, tmp_path):
    source, barrier, made = make_source(6), threading.Barrier(3), []

    def build():
        barrier.wait()
        made.append(build_tracks(source, spec, tmp_path, progress=False))

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    for cache in made:
        assert cache.index == made[0].index
        for a, b in zip(cache.split("train")[range(5)], made[0].split("train")[range(5)], strict=True):
            np.testing.assert_array_equal(a["mel"], b["mel"])


def encode(mel):
    """Half the frames, two channels: mean of neighbours, and the length of what was given."""
    pairs = mel[: len(mel) // 2 * 2].reshape(-1, 2, 8).mean(axis=1)
    return np.stack([pairs, np.full_like(pairs, len(mel))], axis=-1)


def test_latents(tracks, tmp_path):
    latents = build_latents(tracks, encode, "half", tmp_path, progress=False)
    assert latents.feature == "latent" and latents.unread_labels == tracks.unread_labels
    for name in SPLITS:
        split, mels = latents.split(name), tracks.split(name)
        assert len(split) == len(mels)
        for z, mel in zip(split[range(len(split))], mels[range(len(mels))]):
            assert z["latent"].dtype == np.float32
            np.testing.assert_array_equal(z["latent"], encode(mel["mel"].astype(np.float32)))
            assert z.keys() - {"latent"} == mel.keys() - {"mel"}
            assert all(np.array_equal(z[key], mel[key], equal_nan=key == "tempo") for key in z.keys() - {"latent"})
        np.testing.assert_array_equal(split.silence, np.stack([np.full(8, -1), np.full(8, 512)], -1).astype(np.float32))

    def never(mel):
        raise AssertionError("should have come from the cache")

    assert build_latents(tracks, never, "half", tmp_path).path == latents.path
    assert build_latents(tracks, encode, "other", tmp_path, progress=False).fingerprint != latents.fingerprint


def test_neither_building_nor_reading_imports_tensorflow(tmp_path):
    script = """
        import importlib.machinery
        import sys

        finder = importlib.machinery.PathFinder
        find = finder.find_spec
        finder.find_spec = lambda name, *rest: None if name == "tensorflow" else find(name, *rest)  # not installed

        import numpy as np
        from musicdiff import data
        from musicdiff.audio.mel import MelSpec
        from musicdiff.errors import UsageError

        noise = np.random.default_rng(0).normal(0, .1, (9000, 1)).astype(np.float32)
        read = lambda sample_rate, channels: (noise, sample_rate)
        source = data.TrackSource("x", tuple(data.Track(str(i), read) for i in range(3)), "x")
        tracks = data.build_tracks(source, MelSpec(num_mels=8), sys.argv[1], progress=False)
        shape = dict(feature="mel", frames=16, batch_size=2, seed=0)
        assert next(data.batches(tracks.split("train"), loader="numpy", **shape))["x_0"].shape == (2, 16, 8, 1)
        try:
            next(data.batches(tracks.split("train"), loader="tf", **shape))
        except UsageError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "loader=numpy" in done.stdout
