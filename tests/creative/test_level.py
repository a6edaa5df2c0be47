"""What a model's rendition of a clip loses is measured where it is the clip's, and nowhere else."""

import jax
import micro
import numpy as np
import pytest

from musicdiff import generation, models
from musicdiff.creative import level
from musicdiff.typing import Known

NUM = 4096
FREE = np.zeros((1, NUM), bool)


def generator(lost_db, kind="mel"):
    """Of a mel model that renders everything softer."""
    config = micro.make_config(kind)
    model = models.build(config)
    soft = micro.softened(model, config["mel"], lost_db) if lost_db else model
    return generation.Generator(soft, None, model.init_frozen(jax.random.key(0)), config, kind, 0)


def noise():
    return np.random.default_rng(0).normal(0, 0.1, (1, NUM, 1)).astype(np.float32)


def gain(generator, audio, free=FREE):
    hidden = np.where(free[..., None], 0, audio)
    return level.gains(generator, Known(audio, free), generation.encode(generator, hidden))[0]


@pytest.mark.parametrize("lost_db", [2.0, -3.0])
def test_what_is_lost_is_given_back(lost_db):
    assert gain(generator(lost_db), noise()) == pytest.approx(10 ** (lost_db / 20), rel=1e-4)


def test_what_is_free_counts_for_nothing():
    free = (np.arange(NUM) // 1000 == 2)[None]
    loud = np.where(free[..., None], 100, 1) * noise()
    assert (
        gain(generator(2.0), loud, free)
        == gain(generator(2.0), noise(), free)
        == pytest.approx(10 ** (2 / 20), rel=1e-4)
    )


def test_there_are_limits():
    """6 dB; and 1 where there is nothing to compare, and for models that render what they hold."""
    assert gain(generator(30.0), noise()) == pytest.approx(10 ** (6 / 20))
    assert gain(generator(3.0), 0 * noise()) == 1
    assert gain(generator(3.0), noise(), ~FREE) == 1
    assert gain(generator(0.0), noise()) == 1
    assert gain(generator(0.0, "waveform"), noise()) == 1


def test_windows_have_gains_of_their_own():
    audio = np.concatenate([noise(), 0 * noise(), 0.1 * noise()])
    soft = generator(2.0)
    found = level.gains(soft, Known(audio, np.repeat(FREE, 3, axis=0)), generation.encode(soft, audio))
    np.testing.assert_allclose(found, [10 ** (2 / 20), 1, 10 ** (2 / 20)], rtol=1e-4)
