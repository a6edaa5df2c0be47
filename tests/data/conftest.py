"""A source of short noises, and its cache."""

from functools import partial

import numpy as np
import pytest

from musicdiff.audio.io import mix
from musicdiff.audio.mel import MelSpec
from musicdiff.data import Track, TrackSource, build_tracks

RATE = 8000


def read_noise(seconds, seed, *, sample_rate=None, channels=None):
    audio = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * RATE), 1)).astype(np.float32)
    return mix(audio, channels or 1), RATE


def noises(count):
    """Track i lasts 0.1 + 0.17 i seconds and has style a or b, tempo 60 + i or none."""
    tracks = []
    for i in range(count):
        labels = {
            "style": "ab"[i % 2],
            "tempo": 60.0 + i if i % 3 else float("nan"),
            "key": "C minor",
            "licence": "CC0",
        }
        read = partial(read_noise, 0.1 + 0.17 * i, i)
        tracks.append(Track(f"noise {i}", read, f"caption {i}", bar_times=(0.0, 0.5, 1.0), **labels))
    return TrackSource("noises", tuple(tracks), f"noises-{count}")


@pytest.fixture(scope="session")
def spec():
    return MelSpec(sample_rate=RATE, n_fft=256, hop=64, num_mels=8)


@pytest.fixture(scope="session")
def source():
    return noises(24)


@pytest.fixture(scope="session")
def make_source():
    return noises


@pytest.fixture(scope="session")
def tracks(source, spec, tmp_path_factory):
    return build_tracks(source, spec, tmp_path_factory.mktemp("cache"), progress=False)
