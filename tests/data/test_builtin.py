"""The source `builtin`: the songs as tracks."""

import pickle

import numpy as np
import pytest

from musicdiff.data.sources import builtin
from musicdiff.errors import UsageError


def test_tracks_carry_all_that_is_known():
    source = builtin.build("30")
    assert source.name == "builtin" and len(source.tracks) == 30
    assert len({track.name for track in source.tracks}) == 30
    for track in source.tracks:
        tonic, mode = track.key.split()
        assert mode in ("major", "minor") and tonic[0] in "ABCDEFG"
        assert track.caption.startswith(f"{track.style}, {track.tempo:.0f} bpm, {track.key}, ")
        assert track.licence == "CC0-1.0 (generated)"
        beats = np.diff(track.bar_times) * track.tempo / 60
        np.testing.assert_allclose(beats, 3 if track.style == "waltz" else 4, rtol=1e-9)
    assert len({track.style for track in source.tracks}) >= 10


def test_default_count_and_the_same_songs_whatever_the_count():
    assert len(builtin.build().tracks) == builtin.DEFAULT_COUNT
    few, many = builtin.build("3"), builtin.build("20")
    assert [track.caption for track in few.tracks] == [track.caption for track in many.tracks[:3]]
    assert few.fingerprint != many.fingerprint
    assert few.fingerprint == builtin.build("3").fingerprint


def test_read_renders_at_the_rate_and_width_asked_for():
    track = pickle.loads(pickle.dumps(builtin.build("1").tracks[0]))
    audio, rate = track.read(sample_rate=22050, channels=1)
    assert rate == 22050 and audio.shape[1] == 1 and audio.dtype == np.float32
    again, _ = track.read(22050, 1)
    assert np.array_equal(audio, again)
    native, rate = track.read()
    assert rate == 44100 and native.shape[1] == 2
    assert abs(len(native) / 44100 - len(audio) / 22050) < 1e-3


@pytest.mark.parametrize("argument", ["0", "-3", "many", "1.5", "²"])
def test_unusable_counts_are_refused(argument):
    with pytest.raises(UsageError, match=f"builtin:{argument}: the number of songs"):
        builtin.build(argument)
