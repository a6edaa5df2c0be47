"""Against what transformers computed with recorded weights, and each of its parts against its definition."""

import itertools
import pathlib

import jax
import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.interop import laion_clap, pickles
from musicdiff.networks import htsat
from musicdiff.networks.htsat import Htsat

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "embeddings"
TINY = Htsat(8, (2, 2), (2, 4), window=4, projected=6)


@pytest.fixture(scope="module")
def checkpoint():
    return pickles.read(FOLDER / "clap.pt")


@pytest.mark.parametrize(("network", "size"), [(Htsat(), 28_190_872), (Htsat(128, (2, 2, 12, 2)), 68_611_864)])
def test_size(network, size):
    """Without the classifiers of training."""
    mel = jax.ShapeDtypeStruct((1, 1001, 64), np.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), mel)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == size
    assert htsat.network_of(shapes) == network
    assert jax.eval_shape(network.apply, {"params": shapes}, mel).shape == (1, 512)


def test_it_computes_what_transformers_recorded(checkpoint):
    recorded = np.load(FOLDER / "outputs.npz")
    params = laion_clap.convert(checkpoint)
    assert htsat.network_of(params) == TINY
    projected = jax.jit(TINY.apply)({"params": params}, recorded["clap_mel"])
    np.testing.assert_allclose(projected, recorded["clap"], atol=1e-5)


def test_a_state_dict_without_its_checkpoint(checkpoint):
    bare = {name.removeprefix("module."): value for name, value in checkpoint["state_dict"].items()}
    jax.tree.map(np.testing.assert_array_equal, laion_clap.convert(bare), laion_clap.convert(checkpoint))


def test_what_does_not_fit_is_refused(checkpoint):
    state, branch = checkpoint["state_dict"], "module.audio_branch."
    absent = f"{branch}layers.1.blocks.1.attn.qkv.bias"
    fused = state | {f"{branch}patch_embed.fusion_model.x": np.ones(3)}
    cut = state | {f"{branch}layers.0.blocks.0.mlp.fc1.bias": np.ones(3)}
    for wrong, message in (
        ({k: v for k, v in state.items() if k != absent}, "it: block_1_1/qkv/bias is None"),
        (fused, "feature fusion"),
        (cut, "it: block_0_0/dense_0/bias is \\(3,\\)"),
        ({}, "it lacks the tensor"),
        ([], "it lacks the tensor"),
    ):
        with pytest.raises(DataError, match=message):
            laion_clap.convert(wrong, "it")


def test_cubic_is_exact_on_lines_and_keeps_the_ends():
    """Away from the repeated ends, where a line bends."""
    matrix = htsat.cubic(21, 64)
    line = np.linspace(-3, 5, 21)
    stretched = matrix @ line
    np.testing.assert_allclose(stretched[4:-4], np.linspace(-3, 5, 64)[4:-4], atol=0.06)
    np.testing.assert_allclose(stretched[[0, -1]], [-3, 5], atol=1e-5)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(htsat.cubic(64, 64), np.eye(64))


def test_fold_puts_later_time_below():
    x = np.arange(2 * 64 * 4, dtype=np.float32).reshape(2, 64, 4)  # 16 F frames: nothing is stretched
    picture = np.asarray(htsat.fold(x))
    for piece, row, column in itertools.product(range(4), range(4), range(16)):
        assert picture[1, 4 * piece + row, column] == x[1, 16 * piece + column, row]


def test_distances_are_those_between_places():
    index = htsat.distance_index(3)
    places = list(itertools.product(range(3), range(3)))
    seen = {}
    for (i, a), (j, b) in itertools.product(enumerate(places), enumerate(places)):
        assert seen.setdefault(index[i, j], (a[0] - b[0], a[1] - b[1])) == (a[0] - b[0], a[1] - b[1])
    assert sorted(seen) == list(range(25))


def test_only_neighbours_attend_to_each_other():
    """In a window of the shifted picture, those that are as far from each other in the picture itself."""
    size, window, shift = 8, 4, 2
    number = np.roll(np.arange(size**2).reshape(size, size), (-shift, -shift), (0, 1))
    mask = htsat.neighbours(size, size, window, shift)
    for i, (top, left) in enumerate(itertools.product((0, 4), (0, 4))):
        rows, columns = np.divmod(number[top : top + 4, left : left + 4].ravel(), size)
        near = (abs(rows[:, None] - rows) < window) & (abs(columns[:, None] - columns) < window)
        np.testing.assert_array_equal(mask[i], near)
    assert htsat.neighbours(size, size, window, 0).all()
