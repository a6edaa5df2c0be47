"""What every embedding shares: its name and hash, batches, and how it is asked for."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.errors import UsageError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embedding import BATCH, Embedding, Windows


def cut(audio):
    windows = audio[: len(audio) // 4 * 4].reshape(-1, 4)
    return Windows(windows, np.zeros(len(windows), np.float32))


def double(params, x):
    return x[:, :3] * params["factor"]


EMBEDDING = Embedding("doubled", "twice", 100, 4, 4, 3, "ab" * 32, {"factor": jnp.float32(2)}, cut, double)


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, 2 * BATCH + 3])
def test_any_number_of_windows(count):
    x = np.random.default_rng(0).random((count, 4), np.float32)
    found = EMBEDDING.embed(x)
    assert found.dtype == np.float32 and found.shape == (count, 3)
    np.testing.assert_array_equal(found, 2 * x[:, :3])


def test_there_is_one_program_whatever_the_number():
    traced = []

    def apply(params, x):
        traced.append(x.shape)
        return double(params, x)

    counted = dataclasses.replace(EMBEDDING, apply=apply)
    for count in (1, BATCH, 2 * BATCH + 3):
        counted.embed(np.zeros((count, 4), np.float32))
    assert traced == [(BATCH, 4)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "b"),
        ("protocol", "thrice"),
        ("sample_rate", 1),
        ("window", 1),
        ("hop", 1),
        ("width", 1),
        ("weights", ""),
    ],
)
def test_the_hash_is_of_all_that_vectors_depend_on(field, value):
    changed = dataclasses.replace(EMBEDDING, **{field: value})
    assert changed.sha256 != EMBEDDING.sha256 == dataclasses.replace(EMBEDDING).sha256


def test_unknown_names_list_what_exists():
    with pytest.raises(
        UsageError, match=r"no 'nothing' in musicdiff/evaluation/embeddings; there are: clap, .*musicnn"
    ):
        embedding.load("nothing")
    with pytest.raises(UsageError, match="musicnn has no variant 'x'; there are: mtt, msd"):
        embedding.load("musicnn:x")
    with pytest.raises(UsageError, match="melstats has no variant 'x'; there are: none"):
        embedding.load("melstats:x")
