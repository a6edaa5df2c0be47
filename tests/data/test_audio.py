"""A cache of audio: what it stores, and what batches are cut from it."""

import dataclasses

import numpy as np
import pytest

from musicdiff.data import Track, TrackSource, batches, build, build_audio, build_tracks, held_out, records
from musicdiff.data.clips import Clips
from musicdiff.errors import DataError, UsageError

RATE = 8000


@pytest.fixture(scope="module")
def cached(source, tmp_path_factory):
    """The noises of the fixture `source`, 0.1 to 4 s, as audio in records of 1000 samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(records.FEATURES, "audio", records.FEATURES["audio"]._replace(block=1000))
        return build_audio(source, RATE, 1, tmp_path_factory.mktemp("audio"), progress=False)


def take(number, split, **changes):
    options = {"feature": "audio", "frames": 1700, "batch_size": 5, "seed": 0, "loader": "numpy"} | changes
    made = batches(split, **options)
    return [next(made) for _ in range(number)]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes(), name


def read(source, name):
    return next(track for track in source.tracks if track.name == name).read(sample_rate=RATE, channels=1)[0]


def test_it_holds_the_audio_to_half_a_step_of_sixteen_bits(source, cached):
    split = cached.split("train")
    assert (split.feature, split.silence.tolist()) == ("audio", [0.0])
    for example in split[range(len(split))]:
        audio = read(source, example["name"])
        assert example["audio"].dtype == np.int16 and len(audio) == example["samples"]
        np.testing.assert_allclose(example["audio"] / 32768, audio, atol=0.5 / 32768 + 1e-9)


def test_what_is_beyond_full_scale_is_clipped(tmp_path):
    audio = np.float32([[1.5], [1.0], [-1.0], [-1.5], [0.25], [2**-17]])
    source = TrackSource("loud", (Track("loud", lambda **_: (audio, RATE)),), "loud")
    (track,) = build_audio(source, RATE, 1, tmp_path, progress=False).split("train")[[0]]
    assert track["audio"][:, 0].tolist() == [32767, 32767, -32768, -32768, 8192, 0]


@pytest.mark.parametrize("channels", [1, 2])
def test_loaders_are_byte_equal(source, tmp_path, cached, channels):
    split = (cached if channels == 1 else build_audio(source, RATE, 2, tmp_path, progress=False)).split("train")
    ours = take(8, split)
    assert ours[0]["x_0"].shape == (5, 1700, channels)
    assert_same(ours, take(8, split, loader="tf"))
    assert_same(ours[5:], take(3, split, loader="tf", start_step=5))


def test_a_clip_is_a_piece_of_its_track_and_of_silence_behind_it(cached):
    split = cached.split("train")
    chosen, short = Clips(split.frames, 1700).centred(), 0
    made = np.concatenate([batch["x_0"] for batch in held_out(split, feature="audio", frames=1700, batch_size=1)])
    for clip, track, start in zip(made, chosen.track, chosen.start, strict=True):
        piece = split[[track]][0]["audio"][start : start + 1700].astype(np.float32) / 32768
        np.testing.assert_array_equal(clip, np.pad(piece, ((0, 1700 - len(piece)), (0, 0))))
        short += len(piece) < 1700
    assert 0 < short < len(made)


def test_batches_are_the_stored_integers_exactly(tmp_path):
    """Each of the 65536 integers comes back as itself over 32768, by either loader."""
    integers = np.arange(-32768, 32768, dtype=np.int16)[:, None]
    source = TrackSource("ramp", (Track("ramp", lambda **_: (np.float32(integers) / 32768, RATE)),), "ramp")
    split = build_audio(source, RATE, 1, tmp_path, progress=False).split("train")
    np.testing.assert_array_equal(split[[0]][0]["audio"], integers)
    for loader in ("numpy", "tf"):
        (batch,) = take(1, split, frames=65536, batch_size=1, loader=loader)
        np.testing.assert_array_equal(batch["x_0"][0] * 32768, integers)


def test_a_clip_of_a_long_track_reads_the_records_it_touches(tmp_path, monkeypatch):
    """Ten minutes of 44.1 kHz in stereo are 1615 records; a clip of the waveform preset for it touches eight or nine."""
    audio = np.zeros((600 * 44100, 2), np.float32)
    audio[::997] = 0.5
    source = TrackSource("long", (Track("long", lambda **_: (audio, 44100)),), "long")
    split = build_audio(source, 44100, 2, tmp_path, progress=False).split("train")
    assert split.frames.tolist() == [len(audio)] and len(split.records._source) == 1615
    read, counted = [], split.records.serialized

    def count(*span):
        read.append(len(found := counted(*span)))
        return found

    monkeypatch.setattr(split.records, "serialized", count)
    batch = next(batches(split, feature="audio", frames=131072, batch_size=8, seed=0, loader="numpy"))
    assert batch["x_0"].shape == (8, 131072, 2) and len(read) >= 8
    assert set(read) <= {8, 9}


def test_labels_are_those_that_the_source_has_now(source, cached):
    tracks = [dataclasses.replace(track, caption=f"new {track.name}") for track in source.tracks]
    again = build_audio(TrackSource(source.name, tracks, source.fingerprint, "new"), RATE, 1, cached.path.parent.parent)
    assert again.path == cached.path
    split = again.split("train")
    assert split.labels["caption"].tolist() == [f"new {name}" for name in split.labels["name"]]


def test_caches_of_one_source_are_told_apart(source, spec, tmp_path, tracks):
    """By feature, rate and channels; and a cache of mels is known by what it was known by before there was another kind."""
    found = [
        build_audio(source, rate, channels, tmp_path, progress=False)
        for rate, channels in ((RATE, 1), (RATE, 2), (4000, 1))
    ]
    found += [build_tracks(source, spec, tmp_path, progress=False)]
    assert len({made.fingerprint for made in found}) == 4
    assert found[-1].fingerprint == tracks.fingerprint == "a7a83633a3c5a099"
    begun = [build(source, feature, spec, tmp_path, progress=False) for feature in ("audio", "mel", "latent")]
    assert [made.fingerprint for made in begun] == [found[0].fingerprint, *2 * [found[-1].fingerprint]]


def test_another_feature_is_refused(cached):
    with pytest.raises(UsageError, match="the cache holds 'audio', not 'mel'"):
        take(1, cached.split("train"), feature="mel")


def test_silent_tracks_are_left_out_and_listed(tmp_path):
    sound = np.full((100, 1), 0.5, np.float32)
    sounds = {"loud": sound, "silent": 0 * sound}
    source = TrackSource(
        "two", tuple(Track(name, lambda audio=audio, **_: (audio, RATE)) for name, audio in sounds.items()), "two"
    )
    cached = build_audio(source, RATE, 1, tmp_path / "a", progress=False)
    assert [track["name"] for track in cached.skipped] == ["silent"]
    with pytest.raises(DataError, match="silent: silent: its peak is below -60 dB"):
        build_audio(source, RATE, 1, tmp_path / "b", strict=True, progress=False)
