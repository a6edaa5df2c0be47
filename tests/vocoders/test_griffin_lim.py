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


def test_a_tone_goes_on_over_the_seam():
    """Put between what it was made beside, a tone is one tone: no step, no level, no phase of its own; made by itself it has all of them."""
    hertz, seeds, edges = 329.6, 6, [FRAMES * 128 - 441, FRAMES * 128 + 441]
    wave = np.exp(2j * np.pi * hertz * np.arange(FRAMES * 256) / SPEC.sample_rate)
    audio = np.repeat(0.4 * wave.imag.astype(np.float32)[None, :, None], seeds, axis=0)
    free = np.zeros(audio.shape[:2], bool)
    free[:, slice(*edges)] = True

    def jumps(made):
        """The mean step from known to made in largest steps of the tone; most dB and radians between the two of any seed."""
        step = np.abs(np.diff(np.where(free[..., None], made, audio)[..., 0], axis=1))[:, np.array(edges) - 1]
        level = 10 * np.log10(np.square(made)[free].reshape(seeds, -1).mean(1) / np.square(audio[free]).mean())
        near = np.array(edges)[:, None] + np.arange(-256, 256)
        found, asked = ((what[:, near, 0] * wave[near].conj()).mean(-1) for what in (made, audio))
        return (
            step.mean() / np.abs(np.diff(audio, axis=1)).max(),
            np.abs(level).max(),
            np.abs(np.angle(found / asked)).max(),
        )

    step, level, turn = jumps(vocode(log_mel(audio, SPEC), known=Known(audio, free)))
    assert step < 1 and level < 0.1 and turn < 0.3
    step, level, turn = jumps(vocode(log_mel(audio, SPEC)))
    assert step > 5 and turn > 1


def test_what_is_known_fades_around_a_circle():
    """Free samples at the wrap are beside known ones on both sides, and what they hold, though no number, counts for nothing."""
    rng, spec = np.random.default_rng(0), MelSpec(n_fft=64, hop=16)
    audio, signal = rng.normal(size=(1, 400, 1)).astype(np.float32), rng.normal(size=(1, 1, 400)).astype(np.float32)
    free = np.zeros((1, 400), bool)
    free[:, 380:] = True

    def held(turn, padding):
        known = Known(np.roll(np.where(free[..., None], np.nan, audio), turn, axis=1), np.roll(free, turn, axis=1))
        turned = griffin_lim._holding(known, spec, padding)(jnp.roll(signal, turn, axis=-1))
        return np.roll(turned, -turn, axis=-1)[0, 0]

    around = held(0, "circular")
    np.testing.assert_array_equal(around[380:], signal[0, 0, 380:])
    np.testing.assert_array_equal(around[64:316], audio[0, 64:316, 0])  # a frame away
    for turn in (-100, 10, 20, 200):
        np.testing.assert_array_equal(held(turn, "circular"), around)
    ends = held(0, "zeros")
    np.testing.assert_array_equal(ends[:316], audio[0, :316, 0])
    np.testing.assert_array_equal(ends[316:368], around[316:368])  # up to where frames reach beyond the end


def test_samples_that_are_a_hop_apart_change_no_bit():
    mel = log_mel(chord(loop=True), SPEC, "circular")
    plain, laid = (vocode(mel, padding="circular", samples=samples) for samples in (None, FRAMES * 256))
    np.testing.assert_array_equal(plain, laid)


@pytest.mark.parametrize("samples", [FRAMES * 256 - 700, FRAMES * 256 + 701])
def test_a_loop_laid_on_more_or_fewer_samples_keeps_its_pitch_and_level(samples):
    audio = chord(loop=True)
    laid = vocode(log_mel(audio, SPEC, "circular"), padding="circular", samples=samples)

    def pitch(wave, low, high):
        power, hertz = np.abs(np.fft.rfft(wave[0, :, 0])) ** 2, np.fft.rfftfreq(wave.shape[1], 1 / SPEC.sample_rate)
        band = (low < hertz) & (hertz < high)
        return np.average(hertz[band], weights=power[band])

    for band in ((150, 500), (1150, 1500)):
        assert pitch(laid, *band) == pytest.approx(pitch(audio, *band), rel=4e-3)  # a resampling moves it by 6 %
    assert abs(10 * np.log10(np.square(laid).mean() / np.square(audio).mean())) < 0.1


@pytest.mark.parametrize("samples", [FRAMES * 256 - 700, FRAMES * 256 + 701])
def test_frames_laid_on_a_circle_of_any_length_are_a_steady_loop(samples):
    """Longer or shorter by 6 %: the level neither moves nor wavers more than where frames are a hop apart, nor does anything jump."""
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
