import numpy as np
import pytest

from musicdiff.data import songs
from musicdiff.tagging import tempo
from musicdiff.tagging.estimate import RATE, UNKNOWN


def beat(bpm, seconds=12.0, rate=RATE):
    """Kick on one and three, snare on two and four, hats on the eighths."""
    audio = np.zeros(round((seconds + 1) * rate), np.float32)
    for eighth in range(int(seconds * bpm / 30)):
        for piece in ["hat"] + [["kick"], [], ["snare"], []][eighth % 4]:
            sound = songs.strike("acoustic", piece, 0.9, rate)
            start = round(eighth * 30 / bpm * rate)
            audio[start : start + len(sound)] += sound[: len(audio) - start]
    return audio[: round(seconds * rate)]


@pytest.mark.parametrize("bpm", [72, 96, 120, 137])
def test_a_rock_beat(bpm):
    heard = tempo.estimate(beat(bpm), RATE)
    assert heard.value == pytest.approx(bpm, rel=0.01)
    assert 0.5 < heard.confidence <= 1


def test_neither_level_nor_rate_nor_width_matter():
    audio = beat(100, rate=44_100)
    value, confidence = tempo.estimate(audio, 44_100)
    assert tempo.estimate(audio[::2] * 0.1, RATE).value == pytest.approx(value, rel=0.005)
    wide = tempo.estimate(np.stack([audio, audio], axis=1), 44_100)
    assert wide == pytest.approx((value, confidence), rel=1e-4)


def test_of_silence_and_of_a_moment_nothing_is_said():
    assert tempo.estimate(np.zeros(10 * RATE, np.float32), RATE) == UNKNOWN
    assert tempo.estimate(beat(120)[:RATE], RATE) == UNKNOWN
    assert tempo.estimate(np.zeros((0, 2), np.float32), RATE) == UNKNOWN


def test_noise_is_not_sure():
    noise = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    assert tempo.estimate(noise, RATE).confidence < 0.5


def test_faster_frames_are_a_faster_tempo():
    """The features are of candidates, so that a rhythm played faster by 1.25 moves along them."""
    onsets = tempo.envelopes(beat(96))
    slow, fast = (
        tempo.CANDIDATES[(tempo.features(onsets, 100 * factor)[:, :-2] @ tempo.WEIGHTS[:-2]).argmax()]
        for factor in (1, 1.25)
    )
    assert fast / slow == pytest.approx(1.25, rel=0.01)
