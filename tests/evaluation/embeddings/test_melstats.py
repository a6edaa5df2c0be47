"""The statistics against their definition in numpy, and what each of them hears."""

import jax
import numpy as np
import pytest

from musicdiff.audio.mel import log_mel
from musicdiff.errors import UsageError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embeddings import melstats

NAMES = tuple(melstats.UNITS)


@pytest.fixture(scope="module")
def hears():
    """A clip's only window -> {name: its 40 numbers}."""
    loaded = embedding.load("melstats")

    def hears(audio):
        (vector,) = loaded.embed(loaded.cut(audio.astype(np.float32)).x)
        return dict(zip(NAMES, vector.reshape(5, 40)))

    return hears


def noise(level=0.1):
    return level * np.random.default_rng(0).standard_normal(melstats.WINDOW)


def test_by_definition(hears):
    audio = noise() * np.linspace(0.05, 1, melstats.WINDOW)
    x = (
        40 * (np.asarray(log_mel(audio[None, :, None].astype(np.float32), melstats.SPEC))[0, ..., 0].astype(float) - 1)
        + 32
    )
    assert x.shape == (256, 40) and x.min() > -48
    mean, ordered = x.mean(axis=0), np.sort(x, axis=0)
    low, high = (ordered[i] + part * (ordered[i + 1] - ordered[i]) for i, part in ((25, 0.5), (229, 0.5)))
    expected = {"mean": mean, "deviation": x.std(axis=0), "low": mean - low, "high": high - mean}
    expected["change"] = np.abs(x[1:] - x[:-1]).mean(axis=0)
    for name, found in hears(audio).items():
        np.testing.assert_allclose(found, expected[name] / melstats.UNITS[name], atol=1e-4)


def test_level_is_in_the_mean_alone(hears):
    loud, soft = hears(noise(0.2)), hears(noise(0.02))
    np.testing.assert_allclose(9 * (loud["mean"] - soft["mean"]), 20, atol=1e-3)
    for name in NAMES[1:]:
        np.testing.assert_allclose(loud[name], soft[name], atol=1e-3)


def test_silence_is_the_floor(hears):
    found = hears(np.zeros(melstats.WINDOW))
    np.testing.assert_allclose(found.pop("mean"), -48 / 9, rtol=1e-5)
    for value in found.values():
        np.testing.assert_allclose(value, 0, atol=1e-5)


def test_strokes_stand_out_and_are_restless(hears):
    strokes = noise() * (np.arange(melstats.WINDOW) % 16_384 < 1000)
    steady, struck = hears(noise()), hears(strokes)
    assert (struck["deviation"] > 2 * steady["deviation"]).all()
    assert (struck["high"] > steady["high"]).all()


def test_it_compiles_once_for_all_windows():
    windows = jax.ShapeDtypeStruct((3, melstats.WINDOW), np.float32)
    assert jax.eval_shape(melstats.embed, {}, windows).shape == (3, 200)


def test_there_are_no_weights():
    with pytest.raises(UsageError, match=r"without weights: leave it\.pt out"):
        embedding.load("melstats", "it.pt")
