"""The contract of every file of vocoders/: typing.Vocoder."""

import functools

import jax
import numpy as np
import pytest

from musicdiff import plugins
from musicdiff.audio.mel import MelSpec, log_mel
from musicdiff.typing import Known, Vocoder

NAMES = plugins.names("vocoders")
FRAMES = 32
every_vocoder = pytest.mark.parametrize("name", NAMES)


@functools.cache
def built(name, channels=1):
    vocoder = plugins.load("vocoders", name).build(MelSpec(channels=channels))
    assert isinstance(vocoder, Vocoder)
    return vocoder, vocoder.load()


def vocode(name, audio, seeds, padding="zeros", **more):
    """Through the mel of `audio` [B, N, C] and back, one seed an example."""
    vocoder, frozen = built(name, audio.shape[-1])
    keys = jax.vmap(jax.random.key)(np.array(seeds))
    mel = log_mel(audio, MelSpec(channels=audio.shape[-1]))
    return np.asarray(vocoder.to_audio(frozen, mel, keys, padding, **more))


def notes(channels=1):
    """Two examples of [B, N, C] that differ: a chord, and a drum-like burst."""
    time = np.arange(FRAMES * 256) / 22050
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (196, 247, 294)) / 6
    burst = 0.5 * np.random.default_rng(0).normal(size=time.size) * np.exp(-20 * time)
    return np.repeat(np.stack([chord, burst])[..., None], channels, axis=-1).astype(np.float32)


def test_there_are_vocoders():
    assert "griffin_lim" in NAMES


@every_vocoder
@pytest.mark.parametrize("channels", [1, 2])
def test_shape_and_values(name, channels):
    audio = vocode(name, notes(channels), [0, 1])
    assert audio.shape == (2, FRAMES * 256, channels) and audio.dtype == np.float32
    assert np.isfinite(audio).all() and np.abs(audio).max() < 2


@every_vocoder
def test_an_example_sounds_the_same_in_a_batch(name):
    together = vocode(name, notes(), [3, 4])
    alone = vocode(name, notes()[1:], [4])
    np.testing.assert_allclose(together[1:], alone, atol=1e-4)


@every_vocoder
def test_the_same_keys_make_the_same_bits(name):
    np.testing.assert_array_equal(vocode(name, notes(), [3, 4]), vocode(name, notes(), [3, 4]))


@every_vocoder
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_silence_is_silent(name, padding):
    audio = vocode(name, np.zeros((2, FRAMES * 256, 1), np.float32), [0, 1], padding)
    assert np.abs(audio).max() < 1e-4


@every_vocoder
def test_the_level_is_kept(name):
    """Loud and soft versions of one clip come back at their own level, within half a decibel."""
    for gain in (1.0, 0.25, 0.06):
        audio = np.float32(gain) * notes()
        back = vocode(name, audio, [0, 1])
        levels = 10 * np.log10(np.square(back).mean((1, 2)) / np.square(audio).mean((1, 2)))
        np.testing.assert_allclose(levels, 0, atol=0.5)


@every_vocoder
def test_audio_follows_the_mel(name):
    audio = notes()
    mel = log_mel(audio, MelSpec())
    back = log_mel(vocode(name, audio, [0, 1]), MelSpec())
    assert np.abs(back - mel).mean() < 0.1 * np.abs(mel[::-1] - mel).mean()


@every_vocoder
def test_frames_are_laid_on_so_many_samples_of_a_circle(name):
    samples = FRAMES * 256 + 211
    audio = vocode(name, notes(2), [0, 1], "circular", samples=samples)
    assert audio.shape == (2, samples, 2) and np.isfinite(audio).all()


@every_vocoder
def test_known_audio_is_heard_and_what_it_hides_is_not(name):
    audio, free = notes(), np.zeros((2, FRAMES * 256), bool)
    free[:, 3000:5000] = True
    hidden = np.where(free[..., None], np.float32(7), audio)
    made = vocode(name, audio, [0, 1], known=Known(audio, free))
    np.testing.assert_array_equal(vocode(name, audio, [0, 1], known=Known(hidden, free)), made)
    far = slice(0, 1000)  # from what is free: nearer to what is known than without it
    error, alone = (np.square(found - audio)[:, far].mean() for found in (made, vocode(name, audio, [0, 1])))
    assert error < 0.5 * alone


@every_vocoder
def test_frozen_arrays_are_arguments_not_constants(name):
    """Weights closed over would become constants of every compiled program: zeros in their place must be heard."""
    vocoder, frozen = built(name)
    mel = log_mel(notes(), MelSpec())
    keys = jax.random.split(jax.random.key(0), 2)
    zeros = jax.tree.map(np.zeros_like, frozen)
    assert not np.allclose(vocoder.to_audio(frozen, mel, keys), vocoder.to_audio(zeros, mel, keys))
