"""Against what torch computed with recorded weights, and by size."""

import pathlib

import jax
import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.interop import pickles, torchvggish
from musicdiff.networks.vggish import Vggish

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "embeddings"
TINY = Vggish(((2,), (3,), (4, 4), (5, 5)), hidden=12, width=7)
PATCH = jax.ShapeDtypeStruct((1, 96, 64), np.float32)


def test_size():
    shapes = jax.eval_shape(Vggish().init, jax.random.key(0), PATCH)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 72_141_184
    assert jax.eval_shape(Vggish().apply, {"params": shapes}, PATCH).shape == (1, 128)


def test_it_computes_what_torch_recorded():
    recorded = np.load(FOLDER / "outputs.npz")
    params = torchvggish.convert(pickles.read(FOLDER / "vggish.pth"), TINY)
    embedding = jax.jit(TINY.apply)({"params": params}, recorded["vggish_patch"])
    assert recorded["vggish"].min() < 0  # no ReLU at the end
    np.testing.assert_allclose(embedding, recorded["vggish"], atol=1e-5)


def test_what_does_not_fit_is_refused():
    tensors = pickles.read(FOLDER / "vggish.pth")
    with pytest.raises(DataError, match=r"vggish-10086976\.pth: conv_0_0/bias"):
        torchvggish.convert(tensors)  # the published network is larger
    with pytest.raises(DataError, match=r"it lacks the tensor embeddings\.2\.weight"):
        torchvggish.convert({k: v for k, v in tensors.items() if k != "embeddings.2.weight"}, TINY, "it")
