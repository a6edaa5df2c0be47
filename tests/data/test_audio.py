"""A cache of audio: what it stores, and what batches are cut from it."""

import numpy as np
import pytest

from musicdiff.data import Track, TrackSource, batches, build, build_audio, build_tracks, held_out, records
from musicdiff.errors import DataError, UsageError

RATE = 8000


@pytest.fixture(scope="module")
def cached(source, tmp_path_factory):
    """The noises of the fixture `source`, 0.1 to 4 s, as audio in records of 1000 samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(records.BLOCKS, "audio", 1000)
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


def test_a_clip_is_a_piece_of_its_track_and_of_silence_behind_it(source, cached):
    split, whole = cached.split("train"), {}
    for example in split[range(len(split))]:
        whole[example["name"]] = np.float32(example["audio"][:, 0]) / 32768
    padded = 0
    for batch in held_out(split, feature="audio", frames=1700, batch_size=4):
        for clip, weight in zip(batch["x_0"][..., 0], batch["weight"]):
            if weight:
                sound = clip[: 1700 - np.argmax(clip[::-1] != 0)]
                assert any(
                    np.array_equal(sound, piece[i : i + len(sound)])
                    for piece in whole.values()
                    for i in range(max(1, len(piece) - 1699))
                )
                padded += len(sound) < 1600
    assert padded


def test_a_clip_of_a_long_track_reads_the_records_it_touches(cached):
    split = cached.split("train")
    longest = int(np.argmax(split.frames))
    assert [len(split.records.serialized(longest, *span)) for span in ((0, 1000), (999, 1001), (500, 2500))] == [
        1,
        2,
        3,
    ]


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
