"""Weights on disk: bit for bit what was written, in bytes that depend on nothing but the content."""

import hashlib
import json
import subprocess
import sys

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from musicdiff import weights
from musicdiff.errors import DataError, UsageError


@pytest.fixture
def tree():
    rng = np.random.default_rng(0)
    return {
        "down_0": {
            "conv": {"kernel": rng.normal(size=(3, 3, 2, 4)).astype(np.float32), "bias": np.zeros(4, np.float32)}
        },
        "scale": np.array(0.18215),
        "half": rng.normal(size=5).astype(np.float16),
        "brain": rng.normal(size=5).astype(ml_dtypes.bfloat16),
        "ids": np.arange(-3, 3),
        "key": np.array([7, 2**32 - 1], np.uint32),
        "present": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }


def assert_same(tree, other):
    assert tree.keys() == other.keys()
    for name, value in tree.items():
        if isinstance(value, dict):
            assert_same(value, other[name])
        else:
            assert (value.dtype, value.shape) == (other[name].dtype, other[name].shape), name
            assert value.tobytes() == other[name].tobytes(), name


def test_round_trip_is_bit_exact(tmp_path, tree):
    weights.write_tree(tmp_path / "w.safetensors", tree, {"config": "{}", "step": "7"})
    assert_same(tree, weights.read_tree(tmp_path / "w.safetensors"))
    assert weights.read_metadata(tmp_path / "w.safetensors") == {"config": "{}", "step": "7"}


def test_the_library_reads_our_files_and_we_read_its(tmp_path):
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    weights.write_tree(tmp_path / "ours", {"a": {"kernel": kernel}}, {"format": "pt", "by": "é"})
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "ours")["a/kernel"], kernel)
    with safetensors.safe_open(tmp_path / "ours", "np") as file:
        assert file.metadata() == {"format": "pt", "by": "é"}
    safetensors.numpy.save_file({"a.kernel": kernel}, tmp_path / "theirs")
    np.testing.assert_array_equal(weights.read_tensors(tmp_path / "theirs")["a.kernel"], kernel)
    assert weights.read_metadata(tmp_path / "theirs") == {}


def test_rows_are_read_alone(tmp_path):
    """Of a large tensor only what is asked for; of a file cut short anywhere, nothing."""
    path, rows = tmp_path / "w", np.arange(24, dtype=np.float16).reshape(6, 2, 2)
    weights.write_tree(path, {"a": np.ones((3, 0), np.int8), "rows": rows}, {"by": "hand"})
    with weights.open_rows(path) as read:
        np.testing.assert_array_equal(read("rows"), rows)
        np.testing.assert_array_equal(read("rows", 2, 5), rows[2:5])
        assert read("rows", 6).shape == (0, 2, 2) and read("rows").dtype == np.float16
        with pytest.raises(KeyError):
            read("columns")
    whole = path.read_bytes()
    for length in (4, 40, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError), weights.open_rows(path):
            pass


def test_same_content_same_bytes(tmp_path, tree):
    metadata = {f"key {i}": str(i) for i in range(8)}
    reversed_tree = dict(reversed(tree.items()))
    weights.write_tree(tmp_path / "a", tree, metadata)
    weights.write_tree(tmp_path / "b", reversed_tree, dict(reversed(metadata.items())))
    assert weights.sha256(tmp_path / "a") == weights.sha256(tmp_path / "b")
    assert weights.sha256(tmp_path / "a") == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    assert weights.fingerprint(tree) == weights.fingerprint(reversed_tree)


def test_same_bytes_in_another_process(tmp_path):
    script = """if True:
        import sys, numpy as np
        from musicdiff import weights
        weights.write_tree(sys.argv[1], {"a": np.arange(3)}, {c: c for c in "abcdefgh"})
    """
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=True, timeout=60)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "view", [np.asfortranarray, lambda x: x.T.copy().T, lambda x: np.repeat(x, 2, 1)[:, ::2], jnp.asarray]
)
def test_memory_layout_does_not_matter(tmp_path, view):
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    weights.write_tree(tmp_path / "w", {"kernel": view(kernel)})
    np.testing.assert_array_equal(weights.read_tree(tmp_path / "w")["kernel"], kernel)
    assert weights.fingerprint({"kernel": view(kernel)}) == weights.fingerprint({"kernel": kernel})


def test_fingerprint_sees_every_difference():
    a = np.arange(6, dtype=np.int32)
    trees = [{"a": a}, {"b": a}, {"a": a.reshape(2, 3)}, {"a": a.astype(np.uint32)}, {"a": a + 1}, {"a": {"a": a}}]
    assert len({weights.fingerprint(tree) for tree in trees}) == len(trees)


def test_damaged_files_are_named(tmp_path, tree):
    path = tmp_path / "w.safetensors"
    with pytest.raises(DataError, match=r"w\.safetensors does not exist"):
        weights.read_tree(path)
    with pytest.raises(DataError, match="is a folder: name the file"):
        weights.read_tree(tmp_path)
    weights.write_tree(path, tree)
    data = path.read_bytes()
    for length in (0, 4, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"w\.safetensors is truncated"):
            weights.read_tree(path)
    path.write_bytes(b"RIFF" * 100)
    for read in (weights.read_tree, weights.read_metadata):
        with pytest.raises(DataError, match=r"w\.safetensors is truncated or no safetensors file"):
            read(path)


def test_a_type_without_an_array_is_named(tmp_path):
    header = json.dumps({"scale": {"dtype": "F8_E5M2", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(DataError, match=r"w\.safetensors: scale is F8_E5M2; BOOL, BF16, .* can be read"):
        weights.read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("key", ["a/b", 3])
def test_names_must_survive_the_file(tmp_path, key):
    with pytest.raises(UsageError, match="strings without '/'"):
        weights.write_tree(tmp_path / "w", {"layer": {key: np.zeros(1)}})
    assert not (tmp_path / "w").exists()
