"""Griffin-Lim: the mel of what it makes is the mel it was given, in stereo, in a circle, and in silence."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from musicdiff.audio.mel import MelSpec, log_mel, mel_power, power_of
from musicdiff.errors import UsageError
from musicdiff.typing import Known
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


def vocode(mel, spec=SPEC, padding="zeros", known=None, samples=None, **options):
    vocoder = griffin_lim.build(spec, **options)
    return np.asarray(vocoder.to_audio(vocoder.load(), mel, keys(len(mel)), padding, known, samples))


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


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_made_goes_on_from_what_is_known(channels):
    """40 ms of a chord are free: made by themselves, their phases do not fit to what is beside them; knowing it, they do."""
    spec = MelSpec(channels=channels)
    audio = np.concatenate([chord(), 0.5 * chord()], axis=-1)[..., :channels]
    mel, middle = log_mel(audio, spec), audio.shape[1] // 2
    free = np.zeros(audio.shape[:2], bool)
    free[:, middle - 441 : middle + 441] = True
    hidden = np.where(free[..., None], 9.0, audio)  # counts for nothing
    made, apart = vocode(mel, spec, known=Known(hidden, free)), vocode(mel, spec)

    def error(found, where):
        return np.sqrt(np.mean((found - audio)[where] ** 2) / np.mean(audio[where] ** 2))

    assert error(made, free) < 0.55 < 0.8 < error(apart, free)
    beside = np.roll(free, 882, axis=1) & ~free  # the samples behind
    assert error(made, beside) < 0.55 < 0.8 < error(apart, beside)


@pytest.mark.parametrize("samples", [FRAMES * 256 - 700, FRAMES * 256 + 701])
def test_frames_laid_on_a_circle_of_any_length_are_a_steady_loop(samples):
    """Longer or shorter by 6 %: the pitch stays, the level neither moves nor wavers more than where frames are a hop apart."""
    mel = jnp.full((1, FRAMES, 128, 1), -1.0).at[:, :, 40].set(0.2)  # one band, the same for ever
    laid, plain = vocode(mel, padding="circular", samples=samples), vocode(mel, padding="circular")
    assert laid.shape == (1, samples, 1)
    wavers = []
    for audio in (laid, plain):
        tiled = np.tile(audio[0, :, 0], 3)
        levels = np.sqrt(np.convolve(tiled**2, np.ones(2048) / 2048, "same"))[audio.shape[1] : 2 * audio.shape[1]]
        wavers.append(20 * np.log10(levels / levels.mean()))
    assert np.std(wavers[0]) < np.std(wavers[1]) + 0.3
    assert abs(np.sqrt(np.mean(laid**2) / np.mean(plain**2)) - 1) < 0.06
    pitch = [np.abs(np.fft.rfft(audio[0, :, 0])).argmax() / audio.shape[1] for audio in (laid, plain)]
    assert pitch[0] == pytest.approx(pitch[1], rel=0.05)  # a band is a tenth of an octave wide
    again = log_mel(np.roll(laid, samples // 2, axis=1), SPEC)  # the wrap in the middle
    steps = np.abs(np.diff(np.asarray(again)[0, 4:-4, 40, 0]))
    assert steps[len(steps) // 2 - 4 :][:8].max() <= np.quantile(steps, 0.99) + 0.02


def test_samples_that_are_no_circle_are_refused():
    with pytest.raises(UsageError, match="padding must be 'circular'"):
        vocode(jnp.zeros((1, FRAMES, 128, 1)), samples=FRAMES * 256 - 5)


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
