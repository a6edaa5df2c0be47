import numpy as np
import pytest

from musicdiff.data import open_source
from musicdiff.data.songs import drums
from musicdiff.errors import UsageError

PIECES = {piece.replace("_", " ") for piece in drums.PIECES} - {"vinyl"}


def test_any_number_holds_pieces_and_kits_evenly():
    tracks = open_source("drums:340").tracks
    styles = [track.style for track in tracks]
    assert set(styles) == PIECES
    assert {styles.count(piece) for piece in PIECES} == {340 // len(PIECES)}
    kits = [track.caption.split(", ")[1] for track in tracks]
    assert set(kits) == {f"{kit} kit" for kit in drums.KITS}
    assert {track.caption.split(", ")[2] for track in tracks} == {"soft", "medium", "hard"}
    assert all(track.caption.startswith(f"{track.style}, ") and np.isnan(track.tempo) for track in tracks)


def test_a_one_shot_is_the_same_whatever_their_number():
    few, many = open_source("drums:3"), open_source("drums:5")
    assert few.fingerprint != many.fingerprint
    for a, b in zip(few.tracks, many.tracks):
        np.testing.assert_array_equal(a.read()[0], b.read()[0])
        assert (a.name, a.caption) == (b.name, b.caption)


def test_strokes_differ_and_stay_below_full_scale():
    """Of one piece of one kit, no two are alike; the loudest of all is near full scale and not above it."""
    tracks = open_source("drums:1200").tracks
    kicks = [track.read(sample_rate=8000)[0] for track in tracks if track.caption.startswith("kick, club")]
    assert len(kicks) > 5 and len({sound.tobytes() for sound in kicks}) == len(kicks)
    hard = [
        track.read(sample_rate=22_050)[0]
        for track in tracks
        if track.caption.startswith(("snare, ", "ride")) and "hard" in track.caption
    ]
    peaks = [np.abs(sound).max() for sound in hard]
    assert 0.7 < max(peaks) < 1.0


def test_rate_and_width_are_as_asked():
    (track,) = open_source("drums:1").tracks
    for rate, channels in ((None, None), (8000, 2)):
        audio, got = track.read(sample_rate=rate, channels=channels)
        assert got == (rate or 44_100) and audio.dtype == np.float32 and audio.shape[1] == (channels or 1)
        assert 0.05 < len(audio) / got < 3.1
    np.testing.assert_array_equal(audio[:, 0], audio[:, 1])


@pytest.mark.parametrize("argument", ["0", "many", "-3", "1.5"])
def test_a_number_that_is_none_is_refused(argument):
    with pytest.raises(UsageError, match=f"drums:{argument}: the number of one-shots must be a whole number"):
        open_source(f"drums:{argument}")
