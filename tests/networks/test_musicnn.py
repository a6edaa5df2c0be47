"""The network by itself, the reader of its checkpoints, and both together against what TensorFlow computed."""

import io
import pathlib
import zipfile

import jax
import numpy as np
import pytest

from musicdiff import pretrained, weights
from musicdiff.errors import DataError
from musicdiff.networks.musicnn import Musicnn
from musicdiff.pretrained import musicnn

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "musicnn" / "oracle.npz"
NORM_LEAVES = {ours: theirs for theirs, ours in musicnn.LEAVES.items()}
PATCH = jax.ShapeDtypeStruct((1, 187, 96), np.float32)


@pytest.fixture(scope="module")
def recorded():
    return np.load(FIXTURE)


@pytest.fixture(scope="module")
def shapes():
    return jax.eval_shape(Musicnn().init, jax.random.key(0), PATCH)["params"]


def draw(shapes):
    """Weights such that every layer matters and no variance is negative."""
    rng = np.random.default_rng(0)

    def one(leaf):
        drawn = rng.standard_normal(leaf.shape).astype(np.float32)
        return abs(drawn) if leaf.ndim == 1 else drawn * np.float32(leaf.shape[-1] / leaf.size) ** 0.5

    return jax.tree.map(one, shapes)


def apply(params, patch):
    return jax.tree.map(np.asarray, jax.jit(Musicnn().apply)({"params": params}, patch))


def test_size(shapes):
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 792_079
    logits, embedding = jax.eval_shape(Musicnn().apply, {"params": shapes}, PATCH)
    assert (logits.shape, embedding.shape) == ((1, 50), (1, 200))


def test_it_computes_what_it_did_when_it_agreed_with_tensorflow(shapes, recorded):
    logits, _ = apply(draw(shapes), recorded["patch"])
    np.testing.assert_allclose(logits[0], recorded["drawn_logits"], rtol=1e-4, atol=1e-4)


def checkpoint(folder, tensors):
    """What TensorFlow makes of tensors: (index, data)."""
    import tensorflow as tf

    names = sorted(tensors)
    prefix = str(folder / "it")
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=[tensors[name] for name in names]
    )
    return tuple((folder / f"it{suffix}").read_bytes() for suffix in (".index", ".data-00000-of-00001"))


def test_checkpoints_of_tensorflow_are_read(tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(), (1,), (3, 2), (7, 1, 5), (300, 300)]
    tensors = {
        f"layer_{i}/{'x' * (i % 7)}": rng.standard_normal(sizes[i % 5]).astype(np.float32) for i in range(200)
    }  # enough for more than one block of the index
    index, data = checkpoint(tmp_path, tensors)
    found = musicnn.read_checkpoint(index, data)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    index, data = checkpoint(tmp_path, {"a": np.ones(9, np.float32)})
    integers = checkpoint(tmp_path, {"a": np.ones(9, np.int32)})
    for wrong in ((index[:-1], data), (b"", data), (index, data[:-1]), integers):
        with pytest.raises(DataError, match="not a TensorFlow checkpoint"):
            musicnn.read_checkpoint(*wrong)


def test_a_wheel_becomes_parameters(tmp_path, shapes):
    """TensorFlow's names count the layers of a kind; the optimizer's moments lie among them."""
    params = draw(shapes)
    tensors = {"beta1_power": np.float32(0.9)}
    for kind, names in (
        ("batch_normalization", musicnn.NORMS),
        ("conv2d", musicnn.CONVOLUTIONS),
        ("dense", ("dense", "tags")),
    ):
        for i, name in enumerate(names):
            for leaf, value in params[name].items():
                theirs = NORM_LEAVES[leaf] if kind == "batch_normalization" else leaf
                value = value[:, :, None] if name.startswith("mid") and leaf == "kernel" else value
                tensors[f"{kind}_{i}/{theirs}" if i else f"{kind}/{theirs}"] = value
                tensors[f"{kind}_{i}/{theirs}/Adam" if i else f"{kind}/{theirs}/Adam"] = 0 * value
    index, data = checkpoint(tmp_path, tensors)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for name in musicnn.CHECKPOINTS:
            wheel.writestr(f"musicnn/{name}/.index", index)
            wheel.writestr(f"musicnn/{name}/.data-00000-of-00001", data)
    with zipfile.ZipFile(packed) as wheel:
        found = musicnn.convert(wheel)
    assert list(found) == ["MTT_musicnn.safetensors", "MSD_musicnn.safetensors"]
    for tree in found.values():
        jax.tree.map(np.testing.assert_array_equal, tree, params)


@pytest.mark.network
@pytest.mark.parametrize("corpus", ["MTT", "MSD"])
def test_the_real_weights_against_tensorflow(monkeypatch, tmp_path_factory, corpus, recorded):
    """The logits are up to 14; TensorFlow's and ours differ by 7e-6."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    list(pretrained.fetch("musicnn"))
    params = weights.read_tree(pretrained.find("musicnn") / f"{corpus}_musicnn.safetensors")
    logits, _ = apply(params, recorded["patch"])
    np.testing.assert_allclose(logits[0], recorded[f"{corpus.lower()}_logits"], rtol=0, atol=2e-5)
