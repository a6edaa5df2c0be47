"""What is planted is found, and nothing is found in music that is whole, in drums, or in silence."""

import numpy as np
import pytest
import scipy.signal

from musicdiff.creative import damage
from musicdiff.creative.prediction import regions_of
from musicdiff.data import songs
from musicdiff.data.songs import drums

RATE = 22_050
DETECTORS = (damage.dropouts, damage.clicks, damage.clipped)


@pytest.fixture(scope="module")
def music():
    """4 s of each of three songs, mono."""
    found = []
    for index in (0, 3, 11):  # ambient, folk, rock
        audio = songs.render(songs.compose(songs.plan_song(index)), RATE, 1)
        found.append(np.float64(audio[6 * RATE : 10 * RATE]))
    return found


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_found_in_whole_music(detector, music):
    for audio in music:
        assert not detector(audio, RATE).any()
        faded = audio * np.linspace(1, 0, len(audio))[:, None] ** 3
        assert not detector(np.pad(faded, ((3000, 3000), (0, 0))), RATE).any()


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_found_in_drums_and_their_rests(detector):
    kit = [
        np.float64(drums.strike("acoustic", piece, sample_rate=RATE)) for piece in ("kick", "snare", "rim", "cowbell")
    ]
    beat = np.concatenate([np.pad(hit, (0, 2000)) for hit in kit])[:, None]
    assert not detector(beat, RATE).any()
    assert damage.cut_off(beat, RATE) is None


@pytest.mark.parametrize("num", [1, 100, RATE])
def test_nothing_is_found_in_silence_and_in_little(num):
    for audio in (np.zeros((num, 2)), np.full((num, 2), 0.25)):
        assert not any(detector(audio, RATE).any() for detector in (damage.dropouts, damage.clicks))
        assert damage.cut_off(audio, RATE) is None
    assert not damage.clipped(np.zeros((num, 2)), RATE).any()


@pytest.mark.parametrize("level", [0.0, 1e-4])
@pytest.mark.parametrize("ms", [2, 20, 200])
def test_dropouts_are_found_to_the_sample(music, ms, level):
    audio, size = np.repeat(music[0], 2, axis=1), ms * RATE // 1000
    lost = np.zeros(audio.shape, bool)
    for start in (20_000, 40_000, 60_000):
        lost[start : start + size, 1] = True  # of one channel alone
    found = damage.dropouts(np.where(lost, level * audio, audio), RATE)
    assert not found[:, 0].any()
    assert found[lost].all()
    assert (found & ~lost).sum() <= 6  # samples beside a gap that were as quiet


def test_a_rest_between_notes_is_no_dropout():
    t = np.arange(RATE) / RATE
    note = np.sin(2 * np.pi * 440 * t) * np.exp(-t * 40)
    assert not damage.dropouts(np.concatenate([np.pad(note[:4000], (0, 2000))] * 4)[:, None], RATE).any()


def test_clicks_are_found(music):
    """At least 9 in 10 of those of 0.5 of full scale, and little beside them."""
    audio, rng = music[0].copy(), np.random.default_rng(0)
    places = 2000 + 4000 * np.arange(20)
    lost = np.zeros(len(audio), bool)
    for place in places:
        size = rng.integers(1, 8)
        audio[place : place + size, 0] += rng.choice([-0.5, 0.5], size)
        lost[place : place + size] = True
    found = damage.clicks(audio, RATE)[:, 0]
    assert np.mean([found[place : place + 8].any() for place in places]) >= 0.9
    near = np.convolve(lost, np.ones(17), "same") > 0
    assert not (found & ~near).any()


def test_clipped_samples_are_found_each(music):
    for audio in music:
        peak = np.abs(audio).max()
        for low, high in ((-0.5, 0.5), (-2.0, 0.6)):  # both signs, and one
            limited = np.clip(audio, low * peak, high * peak)
            ceiling, floor = limited.max() - damage.STEP, low * peak + damage.STEP
            np.testing.assert_array_equal(damage.clipped(limited, RATE), (limited >= ceiling) | (limited <= floor))


def test_the_round_top_of_a_low_tone_is_not_clipped():
    t = np.arange(RATE) / RATE
    tone = np.round(0.9 * np.sin(2 * np.pi * 30 * t) * 2**15) / 2**15
    assert not damage.clipped(tone[:, None], RATE).any()


@pytest.mark.parametrize("cutoff", [3000.0, 5000.0, 8000.0])
def test_a_cut_off_is_found_within_a_tenth(cutoff):
    noise = np.random.default_rng(0).normal(size=(2 * RATE, 1))
    pink = scipy.signal.lfilter([1], [1, -0.7], noise, axis=0)
    assert damage.cut_off(pink, RATE) is None
    taps = scipy.signal.firwin(255, cutoff, fs=RATE)
    assert damage.cut_off(scipy.signal.lfilter(taps, 1, pink, axis=0), RATE) == pytest.approx(cutoff, rel=0.1)


def test_whole_music_has_no_cut_off(music):
    assert [damage.cut_off(audio, RATE) for audio in music] == [None] * 3
    assert regions_of(np.array([True, False, True, True])) == [(0, 1), (2, 4)]


def test_tones_with_nothing_above_them_are_no_cut_off():
    t = np.arange(2 * RATE) / RATE
    tones = np.sin(2 * np.pi * np.array([220.0, 440, 880, 1320]) * t[:, None]).sum(axis=1, keepdims=True)
    assert damage.cut_off(0.1 * tones, RATE) is None
