"""STFT and iSTFT: equal to librosa, inverse to each other, exact where the signal wraps."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from musicdiff.audio.stft import istft, num_frames, stft
from musicdiff.errors import UsageError

SIZES = [(1024, 256), (512, 170), (512, 100)]  # hops that divide n_fft, and that do not


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("num_samples", [2560, 3001])
def test_stft_is_librosas(n_fft, hop, num_samples):
    audio = noise(2, num_samples)
    ours = stft(audio, n_fft, hop)
    theirs = librosa.stft(audio, n_fft=n_fft, hop_length=hop).swapaxes(-1, -2)
    assert ours.shape[-2] == num_frames(num_samples, hop) == -(-num_samples // hop)
    np.testing.assert_allclose(ours, theirs[:, : ours.shape[-2]], atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("num_samples", [2560, 3001])
def test_istft_inverts_stft_up_to_the_last_sample(n_fft, hop, num_samples):
    audio = noise(2, num_samples)
    np.testing.assert_allclose(istft(stft(audio, n_fft, hop), n_fft, hop, num_samples), audio, atol=1e-5)


def test_istft_is_librosas_on_an_inconsistent_spectrum():
    rng = np.random.default_rng(1)
    spectrum = (rng.normal(size=(20, 513)) + 1j * rng.normal(size=(20, 513))).astype(np.complex64)
    ours = istft(spectrum, 1024, 256)
    theirs = librosa.istft(spectrum.T, hop_length=256)  # ends at the last frame's centre, one hop earlier
    np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("frames", [2, 24])  # shorter than a window: it wraps around more than once
def test_circular_inverse_is_exact_in_double_precision(n_fft, hop, frames):
    with jax.enable_x64(True):
        audio = np.random.default_rng(0).uniform(-1, 1, frames * hop)
        back = istft(stft(audio, n_fft, hop, "circular"), n_fft, hop, padding="circular")
        assert back.dtype == jnp.float64
        np.testing.assert_allclose(back, audio, rtol=0, atol=2e-15)


def test_circular_frames_roll_with_the_signal():
    audio = noise(24 * 256)
    rolled = stft(np.roll(audio, 5 * 256), 1024, 256, "circular")
    np.testing.assert_array_equal(rolled, np.roll(stft(audio, 1024, 256, "circular"), 5, axis=0))


def test_circular_inverse_rolls_with_the_frames():
    spectrum = stft(noise(24 * 256), 1024, 256)  # of a signal that does not wrap: inconsistent when read as circular
    rolled = istft(np.roll(spectrum, 5, axis=0), 1024, 256, padding="circular")
    expected = np.roll(istft(spectrum, 1024, 256, padding="circular"), 5 * 256)
    np.testing.assert_allclose(rolled, expected, atol=1e-6)


def test_refusals_name_the_numbers():
    with pytest.raises(UsageError, match="multiple of hop 256 samples; got 1000"):
        stft(noise(1000), 1024, 256, "circular")
    with pytest.raises(UsageError, match="'reflect'"):
        stft(noise(1024), 1024, 256, "reflect")
    with pytest.raises(UsageError, match="hop at most a third"):
        stft(noise(1024), 1024, 512)
