"""Each defect is made with a known size and must be found with that size; sound signals must pass."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.audio import quality

RATE = 22050


def tone(amplitude=0.5, hertz=220.0, seconds=1.0, channels=1):
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)  # [N, C]


def test_roughness_is_the_mean_absolute_difference_in_time():
    mel = jnp.zeros((2, 4, 3, 1)).at[1, ::2].set(1.0)  # the second clip jumps by 1 at every frame
    np.testing.assert_array_equal(quality.roughness(mel), [0.0, 1.0])


def test_roughness_of_a_ramp_is_its_slope():
    mel = jnp.arange(8.0)[None, :, None, None] * 0.25 + jnp.zeros((1, 8, 5, 2))
    np.testing.assert_allclose(quality.roughness(mel), [0.25], rtol=1e-6)


@pytest.mark.parametrize("hertz", [20.0, 55.0, 220.0, 5000.0])
@pytest.mark.parametrize("amplitude", [0.01, 0.5, 1.0])
def test_tones_are_sound(hertz, amplitude):
    assert quality.examine(tone(amplitude, hertz), RATE) == []


def test_waves_with_edges_are_not_clicks():
    time = np.arange(RATE) / RATE
    sawtooth = 0.8 * (2 * (110 * time % 1) - 1)
    assert quality.examine(sawtooth[:, None], RATE) == []


def test_drum_strokes_are_not_clicks():
    random = np.random.default_rng(0)
    stroke = random.standard_normal(2000) * np.exp(-np.arange(2000) / 400)
    audio = np.zeros(RATE)
    for start in (0, 5000, 10000, 15000, 20000):
        audio[start : start + 2000] = 0.2 * stroke
    assert quality.examine(audio[:, None], RATE) == []


def test_silence():
    assert quality.examine(np.zeros((100, 2)), RATE) == ["silent: peak -inf dB of full scale"]
    assert quality.examine(tone(1e-5), RATE) == ["silent: peak -100.0 dB of full scale"]


def test_near_silence():
    assert quality.examine(tone(1e-3 / np.sqrt(2)), RATE) == ["nearly silent: RMS -66.0 dB of full scale, below -60"]


def test_no_samples():
    assert quality.examine(np.zeros((0, 1)), RATE) == ["empty: no samples"]


def test_not_finite():
    audio = tone(channels=2)
    audio[3, 0], audio[4, 1], audio[5, 1] = np.nan, np.inf, -np.inf
    assert quality.examine(audio, RATE) == ["not finite: 3 of 44100 samples are NaN or infinite"]


def test_clipping_counts_the_samples_at_full_scale():
    audio = np.zeros((1000, 1))
    audio[::2] = 0.1
    audio[100:110] = 1.0
    audio[200:202] = 1.0  # too short to be a run
    audio[300:306, 0] = [1.0, 1.1, 1.2, 1.2, 1.1, 1.0]  # beyond full scale, yet round: the writer turns it down
    findings = quality.examine(audio, RATE)
    assert "clipped: 1.00% of the samples stand in flat runs at full scale" in findings


def test_clipping_of_an_overdriven_tone():
    audio = np.clip(tone(2.0), -1, 1)  # |sin| > 1/2 two thirds of the time
    (finding,) = quality.examine(audio, RATE)
    assert finding.startswith("clipped: 66.")


def test_dc_names_the_channel():
    audio = tone(channels=2)
    audio[:, 1] -= 0.1
    assert quality.examine(audio, RATE) == ["DC: channel 2 is off zero by -0.100 of full scale"]


def test_clicks_are_counted_and_placed():
    audio = tone()
    audio[5000] += 0.4
    audio[11025:] *= -1  # a bad splice ...
    audio[11025:] += 0.2 - audio[11025] + audio[11024]  # ... of 0.2
    findings = quality.examine(audio, RATE)
    assert findings[-1] == "click-like: 2 jumps, the largest at 0.227 s"


def test_noise_is_judged_against_the_reference():
    audio = tone()
    assert quality.examine(audio, RATE, roughness=0.3, reference_roughness=0.1) == [
        "noise-like: its mel is 3.0 times as rough in time as real music, above 1.6"
    ]
    assert quality.examine(audio, RATE, roughness=0.15, reference_roughness=0.1) == []
    assert quality.examine(audio, RATE, roughness=0.3) == []


@pytest.mark.parametrize("num_samples", [1, 2, 3])
def test_the_shortest_audio(num_samples):
    assert quality.examine(np.full((num_samples, 1), 0.01), RATE) == []
