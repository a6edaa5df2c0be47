"""The circle: exact at any number of samples, with no place that differs from the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.audio import circular
from musicdiff.audio.stft import istft, stft
from musicdiff.errors import UsageError

N_FFT, HOP = 256, 64
CASES = [(40, 40 * HOP), (40, 40 * HOP - 97), (40, 40 * HOP + 101), (7, 431)]


def noise(num_samples, channels=1):
    return np.random.default_rng(0).normal(size=(channels, num_samples))


@pytest.mark.parametrize(("num_frames", "num_samples"), CASES)
def test_the_inverse_is_exact(num_frames, num_samples):
    with jax.enable_x64(True):
        audio, centres = noise(num_samples), circular.places(num_frames, num_samples)
        back = circular.istft(circular.stft(jnp.asarray(audio), N_FFT, centres), N_FFT, centres, num_samples)
        np.testing.assert_allclose(back, audio, atol=1e-14)


def test_a_hop_apart_it_is_the_circular_stft():
    with jax.enable_x64(True):
        audio, centres = jnp.asarray(noise(40 * HOP)), circular.places(40, 40 * HOP)
        spectrum = stft(audio, N_FFT, HOP, "circular")
        np.testing.assert_allclose(circular.stft(audio, N_FFT, centres), spectrum, atol=1e-12)
        back = circular.istft(spectrum, N_FFT, centres, 40 * HOP)
        np.testing.assert_allclose(back, istft(spectrum, N_FFT, HOP, padding="circular"), atol=1e-14)


def test_places_are_within_half_a_sample_and_the_wrap_is_like_any_other():
    centres = circular.places(48, 3001)
    assert np.abs(centres - np.arange(48) * 3001 / 48).max() <= 0.5
    steps = np.diff(centres, append=3001)
    assert set(steps) <= {62, 63}


@pytest.mark.parametrize("num_frames", [1, 29])
def test_frames_too_far_apart_are_refused(num_frames):
    with pytest.raises(UsageError, match="at most a third of that apart"):
        circular.stft(jnp.zeros(40 * HOP), N_FFT, circular.places(num_frames, 40 * HOP))


@pytest.mark.parametrize(("given", "asked"), [(1000, 1999), (1999, 1000), (441, 882), (1000, 999), (999, 1000)])
def test_tones_that_both_hold_are_resampled_exactly(given, asked):
    def tones(num):
        phase = 2 * np.pi * np.arange(num)[:, None] / num
        return 0.3 + np.sin(7 * phase + [[0.1, 1.0]]) + 0.5 * np.cos(min(given, asked) // 3 * phase)

    np.testing.assert_allclose(circular.resample(tones(given), asked), tones(asked), atol=1e-12)


def test_resampling_turns_with_the_circle():
    """Turned by as much of the circle before or after: no place is a seam."""
    audio = np.random.default_rng(1).normal(size=(1000, 1))
    turned = circular.resample(np.roll(audio, 250, axis=0), 1500)
    np.testing.assert_allclose(turned, np.roll(circular.resample(audio, 1500), 375, axis=0), atol=1e-12)


def test_frequencies_that_the_fewer_samples_cannot_hold_are_left_out():
    high = np.sin(2 * np.pi * 400 * np.arange(1000) / 1000)[:, None]
    assert np.abs(circular.resample(high, 600)).max() < 1e-12


def test_compiled_it_is_the_same():
    audio = np.random.default_rng(2).normal(size=(3, 100, 2)).astype(np.float32)
    compiled = jax.jit(circular.resample, static_argnums=1)(jnp.asarray(audio), 130)
    np.testing.assert_allclose(compiled, np.stack([circular.resample(row, 130) for row in audio]), atol=1e-5)


@pytest.mark.parametrize(("given", "asked"), [(0, 5), (5, 0), (5, -1)])
def test_a_circle_of_nothing_is_refused(given, asked):
    with pytest.raises(UsageError, match="at least one sample"):
        circular.resample(np.zeros((given, 1)), asked)
