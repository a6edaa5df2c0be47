import jax
import numpy as np
import pytest

from musicdiff.networks.musicnn import Musicnn
from musicdiff.tagging import tags

RATE = tags.RATE


@pytest.fixture(scope="module")
def tagger():
    patch = jax.ShapeDtypeStruct((1, tags.FRAMES, tags.NUM_MELS), np.float32)
    shapes = jax.eval_shape(Musicnn().init, jax.random.key(0), patch)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: abs(0.02 * rng.standard_normal(leaf.shape, np.float32)), shapes)
    return tags.Tagger("MTT_musicnn", params, "0" * 64)


@pytest.mark.parametrize("checkpoint", tags.TAGS)
def test_fifty_names(checkpoint):
    names = tags.names(checkpoint)
    assert len(names) == len(set(names)) == 50
    assert all(name and name == name.strip() for name in names)


def test_the_mean_over_windows(tagger):
    audio = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    windows = tags.cut(tags.log_mel(audio))
    assert windows.shape == (3, 187, 96)
    logits, _ = jax.jit(Musicnn().apply)({"params": tagger.params}, windows)
    heard = tags.listen(tagger, audio, RATE)
    assert list(heard) == tags.names("MTT_musicnn")
    expected = np.asarray(jax.nn.sigmoid(logits)).mean(axis=0)
    np.testing.assert_allclose(list(heard.values()), expected, atol=1e-5)


def test_what_is_short_is_repeated():
    mel = np.random.default_rng(0).random((100, 96), np.float32)
    (window,) = tags.cut(mel)
    np.testing.assert_array_equal(window, np.concatenate([mel, mel[:87]]))
    np.testing.assert_array_equal(tags.cut(window), window[None])


def test_the_front_end_by_hand():
    """A sine stands in the bin around it, with the power that its samples have there; silence is 0."""
    t = np.arange(RATE) / RATE
    mel = tags.log_mel(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert mel.shape == (63, 96) and mel.dtype == np.float32
    assert mel[30].argmax() == 31  # 1 kHz is 15 of the 45.2 mels up to 8 kHz, in steps of 45.2 / 97
    np.testing.assert_array_equal(tags.log_mel(np.zeros(RATE, np.float32)), 0)
    loud = tags.log_mel(1e4 * np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert np.isfinite(loud).all()  # half precision ends at 65504
