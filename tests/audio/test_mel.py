"""Log-mels: equal to librosa, level kept, exact in a circle; MelSpec checks itself."""

import json
from dataclasses import asdict

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from musicdiff.audio.mel import (
    MelSpec,
    band_centres,
    decibels_of,
    filter_bank,
    historical_log_mel,
    log_mel,
    mel_power,
    power_of,
    to_left_right,
    to_mid_side,
)
from musicdiff.errors import UsageError

SPEC = MelSpec()


def music(num_samples=256 * 40, rate=22050):
    """A decaying chord over faint noise, [N, 1]: more than 60 dB between its loudest and its softest bins."""
    time = np.arange(num_samples) / rate
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (110, 220, 277, 330, 1760)) * np.exp(-4 * time)
    return (0.15 * chord + 1e-3 * np.random.default_rng(0).normal(size=num_samples)).astype(np.float32)[:, None]


@pytest.mark.parametrize(
    "spec",
    [SPEC, MelSpec(num_mels=32, f_min=40.0, f_max=8000.0), MelSpec(sample_rate=44100, n_fft=2048, hop=512)],
    ids=["default", "banded", "44.1 kHz"],
)
def test_mel_power_is_librosas(spec):
    audio = music(10000)
    theirs = librosa.feature.melspectrogram(
        y=audio[:, 0],
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        hop_length=spec.hop,
        n_mels=spec.num_mels,
        fmin=spec.f_min,
        fmax=spec.f_max,
    )
    ours = np.asarray(mel_power(audio[None], spec))[0, ..., 0]
    assert len(ours) == spec.num_frames(10000) == theirs.shape[1]
    decibels = librosa.power_to_db(theirs.T)  # its 80 dB below the loudest: fp32 holds no more beside a loud bin
    np.testing.assert_allclose(librosa.power_to_db(ours), decibels, atol=5e-3)
    assert decibels.max() - np.median(decibels) > 40 and (decibels > decibels.min()).mean() > 0.9


def test_log_mel_is_decibels_on_a_fixed_scale():
    audio = music()[None]
    x = log_mel(audio, SPEC)
    assert x.shape == (1, 40, 128, 1) and x.dtype == jnp.float32
    decibels = 10 * np.log10(np.asarray(mel_power(audio, SPEC)))
    inside = (decibels > SPEC.db_top - SPEC.db_range) & (decibels < SPEC.db_top)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(np.asarray(decibels_of(x, SPEC))[inside], decibels[inside], atol=1e-4)
    np.testing.assert_array_equal(x[decibels <= SPEC.db_top - SPEC.db_range], -1)


def test_ten_decibels_of_gain_are_ten_decibels_of_mel():
    audio = music()[None]
    loud, soft = (np.asarray(decibels_of(log_mel(gain * audio, SPEC), SPEC)) for gain in (1.0, 10**-0.5))
    both = soft > SPEC.db_top - SPEC.db_range
    np.testing.assert_allclose((loud - soft)[both], 10, atol=1e-3)


def test_power_of_inverts_the_scale_and_is_silent_at_the_floor():
    x = jnp.array([-1.0, -0.999, 0.0, 1.0])
    np.testing.assert_allclose(power_of(x, SPEC)[1:], 10 ** (np.asarray(decibels_of(x, SPEC))[1:] / 10), rtol=1e-5)
    assert power_of(x, SPEC)[0] == 0
    np.testing.assert_allclose(
        power_of(x, MelSpec(level="clip"))[1:], 10 ** (np.array([-79.96, -40, 0]) / 10), rtol=1e-4
    )


def test_circular_mel_rolls_with_the_audio():
    audio = music()[None]
    rolled = log_mel(np.roll(audio, 7 * 256, axis=1), SPEC, "circular")
    np.testing.assert_array_equal(rolled, np.roll(log_mel(audio, SPEC, "circular"), 7, axis=1))


def test_an_example_is_the_same_in_a_batch():
    batch = np.stack([music(), 0.1 * music()[::-1]])
    together = jax.jit(log_mel, static_argnums=1)(batch, SPEC)
    alone = jax.jit(log_mel, static_argnums=1)(batch[1:], SPEC)
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)


def test_stereo_is_mid_and_side():
    left, right = music(), np.roll(music(), 100)
    audio = np.concatenate([left, right], axis=-1)[None]
    x = log_mel(audio, MelSpec(channels=2))
    np.testing.assert_array_equal(x[..., :1], log_mel((left + right)[None] / 2, SPEC))
    np.testing.assert_array_equal(x[..., 1:], log_mel((left - right)[None] / 2, SPEC))
    np.testing.assert_allclose(to_left_right(to_mid_side(audio)), audio, atol=1e-7)


@pytest.mark.parametrize("num_samples", [256 * 64 - 1, 256 * 64])  # the historical slice, and the same of whole hops
def test_the_historical_image_is_the_same_to_the_last_bit(num_samples):
    spec, audio = MelSpec(level="clip"), music(num_samples)
    power = librosa.feature.melspectrogram(y=audio[: 256 * 64 - 1, 0], sr=22050, n_fft=1024, hop_length=256, n_mels=128)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80)
    image = np.clip((decibels + 80) / 80 * 255 + 0.5, 0, 255).astype(np.uint8)
    x = historical_log_mel(audio, spec)
    assert x.shape == (64, 128, 1) and x.max() == 1
    np.testing.assert_array_equal(np.round((x[..., 0].T + 1) * 127.5).astype(np.uint8), image)
    with pytest.raises(UsageError, match="historical_log_mel"):
        log_mel(audio[None], spec)


def test_silence_is_the_floor():
    np.testing.assert_array_equal(log_mel(np.zeros((1, 512, 1), np.float32), SPEC), -1)


def test_a_sine_stands_in_the_band_of_its_frequency():
    time = np.arange(256 * 20) / 22050
    x = log_mel(0.5 * np.sin(2 * np.pi * 3000 * time)[None, :, None].astype(np.float32), SPEC)
    band = np.bincount(np.argmax(x[0, 4:-4, :, 0], axis=-1)).argmax()
    assert band == np.argmin(np.abs(band_centres(SPEC) - 3000))


def test_spec_counts_seconds_and_is_json():
    assert SPEC.seconds(512) == pytest.approx(5.944, abs=1e-3)
    assert MelSpec(**json.loads(json.dumps(asdict(SPEC)))) == SPEC


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sample_rate": 0}, "must be positive"),
        ({"hop": 512}, "a third"),
        ({"n_fft": 1023}, "even"),
        ({"f_max": 12000.0}, "sample_rate / 2"),
        ({"f_min": -1.0}, "f_min"),
        ({"channels": 3}, "1 or 2"),
        ({"level": "loud"}, "'absolute' or 'clip'"),
        ({"level": "clip", "channels": 2}, "mono"),
    ],
)
def test_spec_refuses_what_cannot_be(wrong, message):
    with pytest.raises(UsageError, match=message) as caught:
        MelSpec(**wrong)
    assert "\n" not in str(caught.value)


def test_bands_between_two_bins_of_the_fft_are_refused():
    with pytest.raises(UsageError, match=r"31 of 400 .* num_mels"):
        filter_bank(MelSpec(num_mels=400))


def test_audio_must_have_the_specs_channels():
    with pytest.raises(UsageError, match="2 channels"):
        log_mel(music()[None], MelSpec(channels=2))
