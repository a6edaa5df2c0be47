import json
import math

import pytest
from etils import epath

from musicdiff.data.labels import describe, read_labels


def labels_and_faults(root, *audio):
    root = epath.Path(root)
    others = {
        path.relative_to(root).as_posix() for folder, _, names in root.walk() for path in map(folder.__truediv__, names)
    }
    labels, unread = read_labels(root, audio, others)
    return labels, {file["name"]: file["reason"] for file in unread}


def labels_of(root, *audio):
    labels, faults = labels_and_faults(root, *audio)
    assert not faults
    return labels


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


def test_what_a_person_wrote_comes_before_what_the_tagger_heard(tmp_path):
    heard = {name: {"value": value, "confidence": 0.9} for name, value in {"tempo": 94, "key": "C minor"}.items()}
    (tmp_path / "a.json").write_text(json.dumps({"tempo": 94, "key": "C minor", "tagged": heard}))
    (tmp_path / "b.json").write_text(json.dumps({"tempo": 120, "key": "C minor", "tagged": heard}))  # one by a person
    (tmp_path / "metadata.csv").write_text("file,tempo,key\na.wav,80,\nb.wav,80,D minor\n")
    labels = labels_of(tmp_path, "a.wav", "b.wav")
    assert [(known["tempo"], known["key"]) for known in labels.values()] == [(80, "C minor"), (120, "D minor")]


def test_captions_nobody_wrote():
    assert describe("bossa nova", 120.0, "C minor") == "bossa nova, 120 bpm, C minor"
    assert describe("", 93.5, "") == "93.5 bpm"
    assert describe("", math.nan, "") == ""


FAULTLESS = {"caption": "", "style": "", "key": "", "licence": ""}
TEMPO = "tempo should be a number of beats a minute, not "


@pytest.mark.parametrize(
    ("name", "content", "read", "reason"),
    [
        ("a.txt", b"caf\xe9", {}, "caption is not UTF-8 text: save it as UTF-8"),
        ("a.txt", "rock".encode("utf-16-le"), {}, "caption is not UTF-8 text: save it as UTF-8"),  # without its mark
        ("a.txt", "rock".encode("utf-16") + b"!", {}, "caption is not UTF-8 text: save it as UTF-8"),  # half a character
        ("a.txt", b"", {}, "empty"),
        ("a.txt", b" \r\n", {}, "empty"),
        ("a.json", b"", {}, "empty"),
        ("a.json", b"{'caption': 1}", {}, "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("a.json", b"[" * 100_000, {}, "a number too long or brackets too deep for a label"),
        ("a.json", b'{"tempo": ' + b"9" * 5000 + b"}", {}, "a number too long or brackets too deep for a label"),
        ("a.json", b"[1]", {}, "should be an object with any of caption, style, tempo, key, licence"),
        ("a.json", b'{"style": "x", "tempo": "fast"}', {"style": "x", "caption": "x"}, f"{TEMPO}'fast'"),
        ("a.json", b'{"style": "x", "tempo": NaN}', {"style": "x", "caption": "x"}, f"{TEMPO}nan"),
        ("a.json", b'{"tempo": 1e999}', {}, f"{TEMPO}inf"),
        ("a.json", b'{"tempo": 0}', {}, f"{TEMPO}0"),
        ("a.json", b'{"tempo": true}', {}, f"{TEMPO}True"),
        ("a.json", b'{"tempo": "-94"}', {}, f"{TEMPO}'-94'"),
        ("a.json", b'{"caption": ["x"], "key": 7}', {}, "caption should be text, not ['x']; key should be text, not 7"),
        ("a.json", b'{"caption": "\\ud800", "key": "C"}', {"key": "C", "caption": "C"}, "caption is not UTF-8 text: save it as UTF-8"),
        (
            "a.json", b'{"caption": 1, "style": 2, "tempo": [], "key": 4, "license": 5}', {},
            f"caption should be text, not 1; style should be text, not 2; {TEMPO}[] (and 2 more)",
        ),
        ("metadata.csv", b"path,caption\na.wav,x\n", {}, "has no column 'file', which should hold paths relative to its folder"),
        ("metadata.csv", b"file\ngone.wav\n", {}, "names no audio file; its column 'file' should hold paths relative to its folder"),
        ("metadata.csv", b"file,style,tempo\na.wav,x,fast\n", {"style": "x", "caption": "x"}, f"line 2: {TEMPO}'fast'"),
        ("metadata.csv", b"file,key,style\na.wav,C\n", {"key": "C", "caption": "C"}, "line 2: 2 fields under 3 columns"),
        (
            "metadata.csv", b"file,caption\na.wav,x\nb.wav,slow, old\n", {"caption": "x"},
            "line 3: 3 fields under 2 columns; put quotes around text with ','",
        ),
        ("metadata.csv", b"file,key,style\na.wav,C,f\xfcr\n", {"key": "C", "caption": "C"}, "line 2: style is not UTF-8 text: save it as UTF-8"),
        ("metadata.csv", b"file,key\n\xe9.wav,D\na.wav,C\n", {"key": "C", "caption": "C"}, "line 2: file is not UTF-8 text: save it as UTF-8"),
        (
            "metadata.csv", b'file,key\na.wav,C\nb.wav,"D\n', {"key": "C", "caption": "C"},
            "line 3: unexpected end of data; nothing is read from there on",
        ),
    ],
)  # fmt: skip
def test_what_can_be_read_is_read_and_the_rest_is_told(tmp_path, name, content, read, reason):
    (tmp_path / name).write_bytes(content)
    labels, faults = labels_and_faults(tmp_path, "a.wav", "b.wav")
    assert faults == {name: reason}
    assert math.isnan(labels["a.wav"].pop("tempo"))
    assert labels["a.wav"] == FAULTLESS | read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_of_windows(tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "a.txt").write_bytes(f"{mark}café 日本 😀\r\n".encode(encoding))
    (tmp_path / "b.json").write_bytes(f'{mark}{{"caption": "café"}}'.encode(encoding))
    (tmp_path / "metadata.csv").write_bytes(f"{mark}File\tStyle\r\na.wav\tbléu, slow\r\n".encode(encoding))
    labels = labels_of(tmp_path, "a.wav", "b.wav")
    assert labels["a.wav"]["caption"] == "café 日本 😀" and labels["a.wav"]["style"] == "bléu, slow"
    assert labels["b.wav"]["caption"] == "café"


@pytest.mark.parametrize("tempo", [94, 94.0, "94", "94 bpm", " 94.0BPM ", "94,0 Bpm"])
def test_tempi_as_people_write_them(tmp_path, tempo):
    (tmp_path / "a.json").write_text(json.dumps({"tempo": tempo}))
    assert labels_of(tmp_path, "a.wav")["a.wav"]["tempo"] == 94.0
    (tmp_path / "metadata.csv").write_text(f"tempo;file\n{tempo};b.wav\n")
    assert labels_of(tmp_path, "a.wav", "b.wav")["b.wav"]["tempo"] == 94.0


def test_captions_of_any_length_and_shape(tmp_path):
    (tmp_path / "a.txt").write_text("long " * 2000)
    (tmp_path / "metadata.csv").write_text('file,caption\nb.wav,"two\nlines, ""quoted"""\n')
    labels = labels_of(tmp_path, "a.wav", "b.wav")
    assert labels["a.wav"]["caption"] == ("long " * 2000).strip()
    assert labels["b.wav"]["caption"] == 'two\nlines, "quoted"'


def test_a_sidecar_that_cannot_be_opened(tmp_path):
    (tmp_path / "a.txt").symlink_to("nowhere")
    labels, faults = labels_and_faults(tmp_path, "a.wav", "a.mp3")  # it is told once
    assert faults == {"a.txt": "cannot be opened (No such file or directory)"} and not labels["a.wav"]["caption"]
