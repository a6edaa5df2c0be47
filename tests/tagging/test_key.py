import numpy as np
import pytest

from musicdiff.data.songs.harmony import key_name
from musicdiff.tagging import key
from musicdiff.tagging.estimate import RATE, UNKNOWN

CADENCES = {
    "major": ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)),
}


def cadence(tonic, mode, rate=RATE, cents=0.0):
    """I IV V I, a second a chord, of tones with four harmonics."""
    t = np.arange(rate) / rate
    chords = []
    for chord in CADENCES[mode]:
        pitches = [48 + tonic + chord[0], *(60 + tonic + note for note in chord)]
        tones = [440 * 2 ** ((pitch - 69 + cents / 100) / 12) for pitch in pitches]
        chords.append(sum(np.sin(2 * np.pi * f * n * t) / n for f in tones for n in (1, 2, 3, 4)) * np.exp(-t))
    return np.concatenate(chords).astype(np.float32)


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_cadence_in_every_key(mode):
    for tonic in range(12):
        heard = key.estimate(cadence(tonic, mode), RATE)
        assert heard.value == key_name(tonic, mode)
        assert heard.confidence > 0.5


def test_neither_tuning_nor_level_nor_rate_nor_width_matter():
    audio = cadence(2, "minor", 44_100, cents=30)
    heard = key.estimate(np.stack([audio, audio], axis=1) * 0.01, 44_100)
    assert heard.value == "D minor"
    assert heard.confidence == pytest.approx(key.estimate(cadence(2, "minor"), RATE).confidence, abs=0.05)


def test_of_silence_nothing_is_said():
    assert key.estimate(np.zeros(5 * RATE, np.float32), RATE) == UNKNOWN
    assert key.estimate(np.zeros((0, 1), np.float32), RATE) == UNKNOWN


def test_noise_and_all_twelve_notes_are_not_sure():
    noise = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    assert key.estimate(noise, RATE).confidence < 0.3
    assert key.from_pitch_classes(np.full(12, 1 / 12), 30.0).confidence < 0.3


def test_a_sine_is_one_pitch_class():
    t = np.arange(2 * RATE) / RATE
    classes = key.pitch_classes(np.sin(2 * np.pi * 440 * t).astype(np.float32))
    assert classes.argmax() == 9 and classes[9] > 0.99
    assert classes.sum() == pytest.approx(1)


def test_scores_turn_with_the_music():
    classes = np.random.default_rng(0).dirichlet(np.ones(12))
    scores = key.scores(classes).reshape(2, 12)
    np.testing.assert_allclose(key.scores(np.roll(classes, 5)).reshape(2, 12), np.roll(scores, 5, axis=1))
