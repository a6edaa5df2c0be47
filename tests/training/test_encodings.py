"""The cache of frozen encoders: a text is encoded once, an edited one alone again, and files that are not whole do not count."""

import hashlib

import numpy as np
import pytest

from musicdiff.training import encodings
from musicdiff.typing import Condition

TEXTS = ["slow", "", "fast and loud", "日本 é"]


class Encoder:
    """A stand-in for a frozen encoder, that counts: tokens are the bytes of a text."""

    def __init__(self, fingerprint="weights"):
        self.encoded = []
        self.condition = Condition(None, self.read, None, fingerprint)

    def read(self, values):
        tokens, mask = np.zeros((len(values), 6, 2), np.float32), np.zeros((len(values), 6), bool)
        for row, known, text in zip(tokens, mask, values):
            if text is not None:
                self.encoded.append(text)
                content = text.encode(errors="surrogatepass")[:6]
                row[: len(content), 0], known[: len(content)] = np.frombuffer(content, np.uint8), True
        return tokens, mask


def expected(texts):
    return Encoder().read(texts)


def assert_read(encoder, texts, cache_dir):
    found = encodings.read(encoder.condition, texts, cache_dir)
    assert isinstance(found, tuple)
    for a, b in zip(found, expected(texts), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def named(cache_dir, text):
    """The file that holds this text alone."""
    digest = hashlib.sha256(hashlib.sha256(text.encode()).digest()).hexdigest()
    return next(cache_dir.glob(f"*/{digest[:16]}.safetensors"))


def test_a_text_is_encoded_once(tmp_path, capsys):
    encoder = Encoder()
    assert_read(encoder, TEXTS, tmp_path)
    assert encoder.encoded == TEXTS
    said = capsys.readouterr()
    assert "encoded 4 of 4 different texts in " in said.err and not said.out  # stdout may be a command's JSON
    again = Encoder()
    assert_read(again, TEXTS[::-1], tmp_path)
    assert not again.encoded and not capsys.readouterr().err


def test_an_edited_text_alone_is_encoded_again(tmp_path, capsys):
    assert_read(Encoder(), TEXTS, tmp_path)
    edited = Encoder()
    assert_read(edited, ["Slow", *TEXTS[1:]], tmp_path)
    assert edited.encoded == ["Slow"]
    assert "encoded 1 of 4 different texts" in capsys.readouterr().err
    back = Encoder()
    assert_read(back, TEXTS, tmp_path)
    assert not back.encoded


def test_encoders_do_not_share(tmp_path):
    assert_read(Encoder(), TEXTS, tmp_path)
    other = Encoder("others")
    assert_read(other, TEXTS, tmp_path)
    assert len(other.encoded) == 4 and len(list(tmp_path.iterdir())) == 2


def test_many_texts_are_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "SHARD", 2)
    texts = [f"text {i}" for i in range(5)]
    assert_read(Encoder(), texts, tmp_path)
    assert len(list(tmp_path.glob("*/*"))) == 3
    again = Encoder()
    assert_read(again, texts, tmp_path)
    assert not again.encoded


@pytest.mark.parametrize("texts", [TEXTS[1:2], TEXTS[3:], [TEXTS[2], TEXTS[0]], ["new", *TEXTS[2:]], []])
def test_some_texts_of_a_file(tmp_path, texts):
    assert_read(Encoder(), TEXTS, tmp_path)
    some = Encoder()
    assert_read(some, texts, tmp_path)
    assert some.encoded == [text for text in texts if text not in TEXTS]


def test_files_are_left_alone_once_all_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "SHARD", 1)
    assert_read(Encoder(), TEXTS, tmp_path)
    files, opened, take = sorted(tmp_path.glob("*/*")), [], encodings._take
    monkeypatch.setattr(encodings, "_take", lambda path, *rest: opened.append(path) or take(path, *rest))
    texts = sorted(TEXTS, key=lambda text: files.index(named(tmp_path, text)))
    assert_read(Encoder(), texts[:2], tmp_path)
    assert opened == files[:2]


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_killed_writer_loses_its_own_file_only(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(encodings, "SHARD", 2)
    assert_read(Encoder(), TEXTS, tmp_path)
    files = sorted(tmp_path.glob("*/*"))
    files[0].write_bytes(files[0].read_bytes()[:kept])
    after = Encoder()
    assert_read(after, TEXTS, tmp_path)
    assert len(after.encoded) == 2
    healed = Encoder()
    assert_read(healed, TEXTS, tmp_path)
    assert not healed.encoded and sorted(tmp_path.glob("*/*")) == files


def test_half_a_character_is_a_text_too(tmp_path):  # JSON can hold one
    assert_read(Encoder(), ["half \ud83d", "half"], tmp_path)


def test_no_text_at_all(tmp_path):
    assert_read(Encoder(), [], tmp_path)
    assert not list(tmp_path.iterdir())
