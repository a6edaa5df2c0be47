"""The source `drums`: strokes of the songs' drums as tracks."""

import pickle
from collections import Counter

import numpy as np
import pytest

from musicdiff.data.songs import drums
from musicdiff.data.sources import drums as source
from musicdiff.errors import UsageError


def test_any_number_holds_pieces_and_kits_evenly():
    for count in (30, 119, 500):
        captions = [track.caption.split(", ") for track in source.build(str(count)).tracks]
        for column, known in ((0, len(source.PIECES)), (1, len(source.KITS))):
            held = Counter(caption[column] for caption in captions).values()
            assert len(held) == known and max(held) - min(held) <= 1
    assert len({tuple(caption[:2]) for caption in captions}) == 119
    assert {caption[2] for caption in captions} == {"soft", "medium", "hard"}


def test_tracks_carry_what_is_known_and_guess_nothing():
    tracks = source.build("119").tracks
    assert {track.style.replace(" ", "_") for track in tracks} == set(drums.PIECES) - {"vinyl"}
    for track in tracks:
        assert (
            track.caption.startswith(f"{track.style}, ") and track.caption.split(" kit")[0].split(", ")[1] in drums.KITS
        )
        assert np.isnan(track.tempo) and (track.key, track.bar_times, track.licence) == ("", (), source.LICENCE)
    assert tracks[12].name == "drums-000012"


def test_default_count_and_the_same_strokes_whatever_the_count():
    assert len(source.build().tracks) == source.DEFAULT_COUNT
    few, many = source.build("3"), source.build("20")
    assert few.fingerprint != many.fingerprint and few.label_fingerprint == many.label_fingerprint
    for a, b in zip(few.tracks, many.tracks):
        assert (a.name, a.caption) == (b.name, b.caption)
        np.testing.assert_array_equal(a.read()[0], pickle.loads(pickle.dumps(b)).read()[0])


@pytest.mark.parametrize("rate", [22050, 44100])
def test_every_stroke_is_clean_and_as_loud_as_it_is_hard(rate):
    peaks = {}
    for track in source.build("119").tracks:
        audio, got = track.read(sample_rate=rate, channels=1)
        assert got == rate and audio.dtype == np.float32 and audio.shape[1] == 1
        assert 0.1 < len(audio) / rate <= 1.48
        assert np.isfinite(audio).all() and np.abs(audio[[0, -1]]).max() < 1e-3  # no click at either end
        peaks.setdefault(track.caption.split(", ")[2], []).append(np.abs(audio).max())
    assert min(peaks["soft"]) > 0.17 and max(peaks["soft"]) < min(peaks["medium"])
    assert max(peaks["medium"]) < min(peaks["hard"]) and 0.68 < max(peaks["hard"]) < 0.708


def test_no_two_strokes_of_a_drum_are_alike():
    tracks = source.build("1200").tracks
    kicks = [track.read(sample_rate=8000)[0] for track in tracks if track.caption.startswith("kick, club")]
    assert len(kicks) >= 10 and len({sound.tobytes() for sound in kicks}) == len(kicks)


def test_channels_are_the_same():
    audio, rate = source.build("1").tracks[0].read(channels=2)
    assert rate == 44100 and audio.shape[1] == 2
    np.testing.assert_array_equal(audio[:, 0], audio[:, 1])


@pytest.mark.parametrize("argument", ["0", "-3", "many", "1.5", "²"])
def test_unusable_counts_are_refused(argument):
    with pytest.raises(UsageError, match=f"drums:{argument}: the number of one-shots"):
        source.build(argument)
