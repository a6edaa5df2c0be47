"""Griffin-Lim: the mel of what it makes is the mel it was given, in stereo, in a circle, and in silence."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from musicdiff.audio.mel import MelSpec, log_mel, mel_power, power_of
from musicdiff.errors import UsageError
from musicdiff.vocoders import griffin_lim

SPEC = MelSpec()
FRAMES = 48


def chord(spec=SPEC, peak=0.5, loop=False):
    """Four partials of a minor chord, [1, N, 1]; `loop` moves them to whole numbers of periods in N samples."""
    num_samples = FRAMES * spec.hop
    hertz = np.array([220.0, 261.6, 329.6, 1320.0])
    if loop:
        hertz = np.round(hertz * num_samples / spec.sample_rate) * spec.sample_rate / num_samples
    time = np.arange(num_samples) / spec.sample_rate
    waves = np.sin(2 * np.pi * hertz[:, None] * time).sum(0)
    return (peak / 4 * waves).astype(np.float32)[None, :, None]


def keys(num):
    return jax.random.split(jax.random.key(0), num)


def vocode(mel, spec=SPEC, padding="zeros", **options):
    vocoder = griffin_lim.build(spec, **options)
    return np.asarray(vocoder.to_audio(vocoder.load(), mel, keys(len(mel)), padding))


def test_inversion_finds_powers_of_the_same_mel():
    target = mel_power(chord(), SPEC)[..., 0][:, None]  # [B, C, T, F]
    frozen = griffin_lim.load(SPEC)
    start, end = (griffin_lim._invert(frozen, target, num_steps) for num_steps in (0, 50))
    error = [jnp.sum((power @ frozen["bank"] - target) ** 2) / jnp.sum(target**2) for power in (start, end)]
    assert end.min() >= 0
    assert error[1] < 1e-5 < 1e-3 < error[0]


def test_a_chord_comes_back_nearer_than_librosas():
    audio = chord()
    mel = log_mel(audio, SPEC)
    ours = vocode(mel)
    assert ours.shape == audio.shape
    theirs = librosa.feature.inverse.mel_to_audio(
        np.asarray(power_of(mel, SPEC))[0, ..., 0].T, sr=22050, n_fft=1024, hop_length=256, length=FRAMES * 256 - 1
    )
    error = np.abs(log_mel(ours, SPEC) - mel).mean()
    assert error < 0.02
    assert error < np.abs(log_mel(theirs[None, :, None], SPEC) - mel).mean()


def test_iterations_come_nearer():
    mel = log_mel(chord(), SPEC)
    errors = [np.abs(log_mel(vocode(mel, num_iterations=n), SPEC) - mel).mean() for n in (1, 32)]
    assert errors[0] > 2 * errors[1]


def test_a_loop_has_no_seam():
    mel = log_mel(chord(loop=True), SPEC, "circular")
    looped = vocode(mel, padding="circular")
    cut = vocode(mel)
    seam = np.r_[-2:2]  # frames that see both ends
    ours, hard = (np.abs(log_mel(audio, SPEC, "circular") - mel)[0, :, :, 0].mean(-1) for audio in (looped, cut))
    assert ours[seam].mean() < 1.5 * ours[8:-8].mean()
    assert hard[seam].mean() > 3 * ours[seam].mean()


def test_left_and_right_of_a_stereo_mel_begin_and_end_alike():
    spec = MelSpec(channels=2)
    middle, wide = chord(), 0.3 * chord(peak=0.5) ** 3  # the side holds the third harmonics
    mel = log_mel(np.concatenate([middle + wide, middle - wide], axis=-1), spec)
    audio = vocode(mel, spec)
    assert audio.shape == (1, FRAMES * 256, 2)
    assert np.abs(log_mel(audio, spec) - mel).mean() < 0.02
    left, right = 10 * np.log10(np.square(audio[0]).mean(0))
    assert abs(left - right) < 0.5


def test_a_mono_sound_in_stereo_stays_in_the_middle():
    spec = MelSpec(channels=2)
    audio = vocode(log_mel(np.repeat(chord(), 2, axis=-1), spec), spec)
    np.testing.assert_allclose(audio[..., 0], audio[..., 1], atol=1e-6)


@pytest.mark.parametrize("wrong", [{"num_iterations": 0}, {"num_inversion_steps": -1}, {"momentum": 1.0}])
def test_build_refuses_what_cannot_be(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        griffin_lim.build(SPEC, **wrong)
