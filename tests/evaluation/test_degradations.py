"""Each degradation does exactly what it says, by exactly as much."""

import itertools

import numpy as np
import pytest

from musicdiff.audio import io
from musicdiff.evaluation import degradations
from musicdiff.evaluation.degradations import DEGRADATIONS

RATE = 8000


@pytest.fixture
def audio():
    return np.random.default_rng(0).uniform(-0.6, 0.6, (4001, 2)).astype(np.float32)


@pytest.mark.parametrize("snr", [40, 20, 0, -6])
def test_noise_has_the_ratio_exactly(audio, snr):
    added = degradations.noise(audio, snr, 1).astype(np.float64) - audio
    assert 10 * np.log10(np.mean(audio.astype(np.float64) ** 2) / np.mean(added**2)) == pytest.approx(snr, abs=1e-3)


def test_noise_is_the_same_at_every_level_and_another_of_another_seed(audio):
    quiet, loud, other = (degradations.noise(audio, *how) - audio for how in ((20, 1), (0, 1), (0, 2)))
    np.testing.assert_allclose(10 * quiet, loud, atol=1e-5)
    assert abs(np.corrcoef(loud.ravel(), other.ravel())[0, 1]) < 0.1


def test_noise_of_silence_is_silence():
    assert not degradations.noise(np.zeros((100, 1), np.float32), 10, 0).any()


def test_low_pass_keeps_what_is_below_and_nothing_above():
    time = np.arange(RATE)[:, None] / RATE
    low, high = np.sin(2 * np.pi * 900 * time), np.sin(2 * np.pi * 1100 * time)
    passed = degradations.low_pass((low + high).astype(np.float32), 2)  # 1000 Hz
    np.testing.assert_allclose(passed, low, atol=1e-5)


def test_low_pass_twice_is_the_stronger_one(audio):
    strong = degradations.low_pass(audio, 3)
    np.testing.assert_allclose(degradations.low_pass(degradations.low_pass(audio, 1), 3), strong, atol=1e-6)
    np.testing.assert_allclose(degradations.low_pass(audio, 0), audio, atol=1e-6)


def test_gain_is_in_decibels_and_clips_nothing(audio):
    np.testing.assert_allclose(degradations.gain(audio, 20), 10 * audio, rtol=1e-6)
    np.testing.assert_allclose(degradations.gain(audio, -6.0206), audio / 2, rtol=1e-5)


def test_clipping_is_relative_to_the_peak(audio):
    clipped, limit = degradations.clipping(audio, 20), np.abs(audio).max() / 10
    assert np.abs(clipped).max() == pytest.approx(limit, rel=1e-6)
    below = np.abs(audio) < limit
    np.testing.assert_array_equal(clipped[below], audio[below])
    assert below.mean() < 0.2


def test_gaps_are_as_long_as_asked_and_grow(audio):
    audio += np.where(audio == 0, 0.1, 0).astype(np.float32)
    gaps = [(degradations.silence(audio, share, 3) == 0).all(axis=1) for share in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert [gap.sum() for gap in gaps] == [0, 400, 2000, 3601, 4001]
    assert all((longer >= shorter).all() for shorter, longer in itertools.pairwise(gaps))
    assert (np.abs(np.diff(gaps[2].astype(int))).sum()) <= 2  # one piece


@pytest.mark.parametrize("bits", [16, 24])
def test_quantised_audio_is_what_a_file_gives_back(tmp_path, audio, bits):
    quantised = degradations.quantise(audio, bits)
    io.write(tmp_path / "quantised.wav", quantised, RATE, subtype=f"PCM_{bits}")
    np.testing.assert_array_equal(io.read(tmp_path / "quantised.wav")[0], quantised)
    assert np.abs(quantised - audio).max() <= 2.0**-bits + 2.0**-25
    assert degradations.quantise(np.array([[1.5], [-1.5]]), bits).ravel().tolist() == [1 - 2.0 ** (1 - bits), -1]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_all_are_reproducible_leave_their_input_alone_and_worsen(name, audio):
    kind, before, last = DEGRADATIONS[name], audio.copy(), 0.0
    for strength in kind.strengths:
        worse = kind.apply(audio, strength, (1, 2))
        np.testing.assert_array_equal(worse, kind.apply(audio, strength, (1, 2)))
        assert worse.dtype == np.float32 and worse.shape == audio.shape
        distance = np.linalg.norm(worse - audio)
        assert distance > last
        last = distance
    np.testing.assert_array_equal(audio, before)
