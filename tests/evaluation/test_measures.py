"""Measures of sounds whose measure is known, from standards and by theory."""

import numpy as np
import pytest

from musicdiff.evaluation import measures


def sine(hertz, rate, seconds, dbfs=0.0):
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seed=0, samples=200_000, scale=0.1):
    return (scale * np.random.default_rng(seed).standard_normal((samples, 1))).astype(np.float32)


@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050])
def test_the_standards_sine_in_one_channel(rate):
    """BS.1770-4: 0 dBFS at 997 Hz in left, right or centre reads -3.01 LKFS; in both channels 3.01 dB more."""
    tone = sine(997, rate, 20)
    left = np.stack([tone, np.zeros_like(tone)], axis=1)
    assert measures.lufs(left, rate) == pytest.approx(-3.01, abs=0.001)
    assert measures.lufs(tone[:, None], rate) == pytest.approx(-3.01, abs=0.001)
    assert measures.lufs(np.stack([tone, tone], axis=1), rate) == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize(
    "parts",
    [
        [(-23, 20)],
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
    ids=["plain", "relative gate", "both gates", "no gate"],
)
def test_the_sequences_of_ebu_tech_3341(parts):
    """1 kHz in both channels, dBFS and seconds: -23.0 LUFS within 0.1."""
    tone = np.concatenate([sine(1000, 48_000, seconds, level) for level, seconds in parts])
    assert measures.lufs(np.stack([tone, tone], axis=1), 48_000) == pytest.approx(-23, abs=0.1)


def test_loudness_follows_the_level_and_hears_lows_less():
    sound = noise()
    assert measures.lufs(sound / 2, 22_050) == pytest.approx(measures.lufs(sound, 22_050) - 6.0206, abs=1e-4)
    low, middle = (measures.lufs(sine(hertz, 48_000, 2)[:, None], 48_000) for hertz in (30, 1000))
    assert low < middle - 5


def test_an_unfinished_block_is_left_out():
    """1.05 s have 7 whole blocks of 400 ms, every 100 ms; what is behind them is not heard."""
    tone = sine(997, 48_000, 1.05)[:, None]
    shorter = tone[:48_000]
    assert measures.lufs(tone, 48_000) == measures.lufs(shorter, 48_000)


def test_a_clip_below_a_block_is_filled():
    short = sine(997, 48_000, 0.2)[:, None]
    filled = np.concatenate([short, np.zeros_like(short)])
    assert measures.lufs(short, 48_000) == measures.lufs(filled, 48_000)


def test_rms_is_of_all_channels():
    assert measures.rms(sine(100, 8000, 1)[:, None], 8000) == pytest.approx(-3.0103, abs=1e-4)
    assert measures.rms(np.array([[0.1, 0.3]]), 8000) == pytest.approx(10 * np.log10(0.05), abs=1e-9)


def test_silence_is_a_number():
    silent = np.zeros((30_000, 1), np.float32)
    found = {name: measure(silent, 22_050) for name, measure in measures.MEASURES.items()}
    assert found == {"mean_db": -80.0, "rms": -200.0, "lufs": -70.0, "flatness": 0.0}


def test_mean_db_is_high_of_noise_at_any_level():
    loud, quiet = measures.mean_db(noise(), 22_050), measures.mean_db(noise(scale=1e-4), 22_050)
    assert loud == pytest.approx(quiet, abs=1e-3)
    assert -14 < loud < -8
    assert measures.mean_db(sine(1000, 22_050, 3)[:, None], 22_050) < -60


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_flatness_of_filtered_noise_is_known(memory):
    """x[n] = w[n] + a w[n - 1]: the geometric mean of |1 + a e^(-iw)|^2 is 1 for a < 1, the arithmetic one 1 + a^2."""
    drawn = noise()
    filtered = drawn[1:] + np.float32(memory) * drawn[:-1]
    assert measures.flatness(filtered, 22_050) == pytest.approx(1 / (1 + memory**2), rel=0.02)


def test_flatness_of_a_tone_is_none():
    assert measures.flatness(sine(1000, 22_050, 3)[:, None], 22_050) < 1e-4


@pytest.mark.parametrize("measure", measures.MEASURES)
def test_clips_of_any_length_and_channels_are_measured(measure):
    for shape in ((1, 1), (100, 2), (5000, 1)):
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
        assert np.isfinite(measures.MEASURES[measure](sound, 22_050))
