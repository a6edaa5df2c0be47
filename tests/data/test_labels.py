import math

import pytest
from etils import epath

from musicdiff.data.labels import describe, read_labels
from musicdiff.errors import DataError


def labels_of(root, *audio):
    root = epath.Path(root)
    others = {
        path.relative_to(root).as_posix() for folder, _, names in root.walk() for path in map(folder.__truediv__, names)
    }
    return read_labels(root, audio, others)


def test_the_folder_is_the_style(tmp_path):
    labels = labels_of(tmp_path, "set/bossa_nova/a.wav", "b.wav")
    assert labels["set/bossa_nova/a.wav"]["style"] == labels["set/bossa_nova/a.wav"]["caption"] == "bossa nova"
    assert labels["b.wav"]["style"] == labels["b.wav"]["caption"] == ""
    assert math.isnan(labels["b.wav"]["tempo"])


def test_sidecars_win_over_the_table_and_the_table_over_the_folder(tmp_path):
    (tmp_path / "x").mkdir()
    table = (
        "\ufefffile,caption,style,tempo,key\nx/a.wav,from table,waltz,90,C minor\nx/b.wav,,waltz,,\nx/gone.wav,,,,\n"
    )
    (tmp_path / "metadata.csv").write_text(table, encoding="utf-8")
    (tmp_path / "x/a.txt").write_text(" a slow waltz \n")
    (tmp_path / "x/a.json").write_text('{"key": "D major", "license": "CC0", "seed": 3, "style": null, "tempo": 91.5}')
    labels = labels_of(tmp_path, "x/a.wav", "x/b.wav", "x/c.wav")
    assert labels["x/a.wav"] == {
        "caption": "a slow waltz", "style": "waltz", "tempo": 91.5, "key": "D major", "licence": "CC0",
    }  # fmt: skip
    assert labels["x/b.wav"]["caption"] == "waltz" and math.isnan(labels["x/b.wav"]["tempo"])
    assert labels["x/c.wav"]["caption"] == "x"


def test_captions_nobody_wrote():
    assert describe("bossa nova", 120.0, "C minor") == "bossa nova, 120 bpm, C minor"
    assert describe("", 93.5, "") == "93.5 bpm"
    assert describe("", math.nan, "") == ""


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("metadata.csv", "path,caption\na.wav,x\n", "metadata.csv: has no column 'file'"),
        ("metadata.csv", "file,caption\nb.wav,x\n", "metadata.csv: names none"),
        ("metadata.csv", "file,tempo\na.wav,fast\n", "metadata.csv: tempo should be a number.*'fast'"),
        ("a.json", "{'caption': 1}", "a.json: not JSON"),
        ("a.json", "[1]", "a.json: should be an object"),
        ("a.json", '{"tempo": "fast"}', "a.json: tempo"),
    ],
)
def test_labels_that_cannot_be_read(tmp_path, name, text, named):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=named):
        labels_of(tmp_path, "a.wav")


def test_not_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"a\.txt: not UTF-8"):
        labels_of(tmp_path, "a.wav")
