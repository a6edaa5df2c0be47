"""Files of torch.save, read without torch: the recorded ones, and hostile and damaged ones that were made by hand."""

import collections
import io
import os
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import pytest

from musicdiff.errors import DataError
from musicdiff.interop import pickles

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "embeddings"


def archive(path, data, compression=zipfile.ZIP_STORED, storages=("0",)):
    """The zip format around a pickle."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("it/data.pkl", data)
        for key in storages:
            file.writestr(f"it/data/{key}", np.arange(6, dtype="<f4").tobytes())
    return path


class Call:
    """Pickles as a call of what it is given."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Names:
    """Writes a pickle by hand: `torch` is not there to be named."""

    def __init__(self):
        self.data = b"\x80\x02"

    def tensor(self, kind="FloatStorage", key="0", length=6, offset=0, shape=(2, 3), strides=(3, 1)):
        self.data += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        self.data += self._plain("storage") + b"ctorch\n" + kind.encode() + b"\n"
        self.data += self._plain(key) + self._plain("cpu") + self._plain(length) + b"tQ"
        self.data += b"".join(map(self._plain, (offset, shape, strides, False))) + b"tR."
        return self.data

    @staticmethod
    def _plain(value):
        return pickle.dumps(value, 2)[2:-1]


def test_both_formats_hold_what_torch_wrote():
    zipped, stream = pickles.read(FOLDER / "clap.pt"), pickles.read(FOLDER / "vggish.pth")
    assert (zipped["epoch"], zipped["name"]) == (15, "tiny")
    state = zipped["state_dict"]
    assert state["module.logit_scale_a"] == np.float32(2.6)
    assert state["module.audio_branch.bn0.num_batches_tracked"].dtype == np.int64
    np.testing.assert_array_equal(state["module.text_projection.0.bias"], np.ones(3, np.float32))
    assert stream["features.0.weight"].shape == (2, 1, 3, 3)
    assert stream["embeddings.4.bias"].dtype == np.float32


def test_views_of_a_storage(tmp_path):
    """A transposed view has other strides, a slice begins later."""
    whole = pickles.read(archive(tmp_path / "a.pt", Names().tensor()))
    np.testing.assert_array_equal(whole, [[0, 1, 2], [3, 4, 5]])
    turned = pickles.read(archive(tmp_path / "b.pt", Names().tensor(shape=(3, 2), strides=(1, 3))))
    np.testing.assert_array_equal(turned, whole.T)
    last = pickles.read(archive(tmp_path / "c.pt", Names().tensor(offset=4, shape=(2,), strides=(1,))))
    np.testing.assert_array_equal(last, [4, 5])


@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "touch hacked"),
        Call(eval, "open('hacked', 'w')"),
        Call(getattr, "", "join"),
        Call(collections.Counter, "x"),
        Call(np.frombuffer, b"12345678"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, call, zipped):
    monkeypatch.chdir(tmp_path)
    tree = {"state_dict": {"weight": call}}
    path = tmp_path / "it.pt"
    if zipped:
        archive(path, pickle.dumps(tree, 2))
    else:
        parts = [pickles.MAGIC, pickles.VERSION, {"little_endian": True}, tree, []]
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    with pytest.raises(DataError, match="which is not read here") as caught:
        pickles.read(path)
    assert "\n" not in str(caught.value)
    assert os.listdir() == ["it.pt"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (2, 4)},  # beyond its storage
        {"offset": 1},
        {"offset": -1},
        {"strides": (1000, 1)},
        {"strides": (-3, 1)},
        {"length": 10**9, "shape": (10**9,), "strides": (1,)},  # beyond the file
        {"length": -1},
        {"length": 0},
        {"strides": (1,)},
        {"key": "1"},
        {"kind": "ComplexFloatStorage"},
    ],
)
def test_tensors_that_reach_beyond_the_file_are_refused(tmp_path, wrong):
    with pytest.raises(DataError, match=r"no file of torch\.save"):
        pickles.read(archive(tmp_path / "it.pt", Names().tensor(**wrong)))


def test_a_storage_ends_where_it_says(tmp_path):
    """Behind it lies another one."""
    path = archive(tmp_path / "it.pt", Names().tensor(length=5), storages=("0", "1"))
    with pytest.raises(DataError, match=r"no file of torch\.save"):
        pickles.read(path)


def test_what_is_no_such_file_is_refused(tmp_path):
    recorded = (FOLDER / "vggish.pth").read_bytes()
    with_lists = io.BytesIO()
    nested = []
    nested.append(nested)  # a list that holds itself
    archive(with_lists, pickle.dumps(nested))
    packed = archive(tmp_path / "packed.pt", Names().tensor(), zipfile.ZIP_DEFLATED).read_bytes()
    stored = pickle.dumps({"little_endian": False}, 2)
    foreign = pickle.dumps(pickles.MAGIC, 2) + pickle.dumps(pickles.VERSION, 2) + stored
    for wrong in (
        b"",
        b"text",
        recorded[:-9],
        recorded[:40],
        with_lists.getvalue(),
        packed,
        foreign,
        struct.pack("<q", 7),
    ):
        (tmp_path / "it.pth").write_bytes(wrong)
        with pytest.raises(DataError, match=r"it\.pth is no file of torch.save") as caught:
            pickles.read(tmp_path / "it.pth")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="does not exist"):
        pickles.read(tmp_path / "absent.pth")
    with pytest.raises(DataError, match="is a folder"):
        pickles.read(tmp_path)
