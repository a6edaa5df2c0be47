"""Texts by a small network in RoBERTa's place, and a byte-level tokenizer made here in its tokenizer's."""

import json

import numpy as np
import pytest
import torch_files
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from musicdiff.errors import DataError
from musicdiff.evaluation import clap_text
from musicdiff.networks.bert_encoder import BertEncoder
from musicdiff.networks.clap_text import ClapText

SIZE = 300
TEXTS = [
    "calm piano music for sleep",
    "a slow waltz in a minor key",
    "loud drums, fast and distorted",
    "techno at 128 bpm",
]
SMALL = BertEncoder(SIZE, 16, num_layers=1, num_heads=4, hidden=24, max_length=96, num_types=1, eps=1e-5, first=2)
TINY = ClapText(SMALL, projected=6)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A file in the published layout, vocab.json and merges.txt beside it."""
    monkeypatch.setattr(clap_text, "NETWORK", TINY)
    trainer = ByteLevelBPETokenizer()
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer.train_from_iterator(TEXTS, SIZE, min_frequency=1, special_tokens=marks, show_progress=False)
    trainer.save_model(str(tmp_path))
    drawn = torch_files.draw(TINY, (1, 2), dtype=np.int32)
    torch_files.save(tmp_path / "it.pt", torch_files.clap_text(drawn))
    return tmp_path


def read(folder):
    return clap_text.load("music", folder / "it.pt")


def test_a_text_does_not_know_its_neighbours(folder):
    texts = [*TEXTS, "", "睡眠 é", "\ud800", "a waltz " * 400, "techno", "waltz", "<mask> drums"]
    embedding = read(folder)
    vectors = embedding.embed(texts)
    assert vectors.shape == (11, 6) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors.round(4), axis=0)) == 11
    for i, text in enumerate(texts):
        np.testing.assert_allclose(embedding.embed([text])[0], vectors[i], atol=1e-6)
    assert embedding.embed([]).shape == (0, 6)
    assert [embedding.is_cut(text) for text in texts] == [text.startswith("a waltz") for text in texts]


def test_tokens_are_padded_and_cut_to_77(folder):
    tokenizer, _ = clap_text.read_tokenizer(folder)
    short, long = tokenizer.encode("techno").ids, tokenizer.encode("a waltz " * 400).ids
    assert (len(short), len(long)) == (77, 77)
    assert (short[0], long[0], long[-1]) == (0, 0, 2)
    assert short[short.index(2) + 1 :] == [1] * (76 - short.index(2))


def test_both_spellings_of_the_tokenizer_are_one(folder):
    """What tokenizer.json has to say of length and padding does not count."""
    before, its_sha256 = clap_text.read_tokenizer(folder)
    kept = Tokenizer.from_str(before.to_str())
    kept.enable_truncation(5)
    kept.enable_padding(length=5)
    kept.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").unlink()
    after, other_sha256 = clap_text.read_tokenizer(folder)
    assert [before.encode(text).ids for text in TEXTS] == [after.encode(text).ids for text in TEXTS]
    assert its_sha256 != other_sha256


def test_missing_files_are_named(folder):
    (folder / "merges.txt").unlink()
    with pytest.raises(DataError, match=rf"put merges.txt of roberta-base \(MIT\) into {folder}"):
        read(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(DataError, match=r"put tokenizer.json, or vocab.json and merges.txt, of roberta-base"):
        read(folder)


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variant, name in (("audio", "630k-audioset-best.pt"), ("music-fadtk", "music_audioset_epoch_15_esc_90.14.pt")):
        with pytest.raises(DataError, match=name):
            clap_text.load(variant)


def test_other_files_are_refused(folder):
    vocabulary = json.loads((folder / "vocab.json").read_text())
    swapped = {"<s>": 2, "</s>": 0}
    (folder / "vocab.json").write_text(json.dumps(vocabulary | swapped))
    with pytest.raises(DataError, match=r"vocab\.json is not that of roberta-base"):
        read(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"more": SIZE}))
    with pytest.raises(DataError, match=f"it has {SIZE + 1} tokens, not {SIZE}"):
        read(folder)
    (folder / "vocab.json").write_text("{")
    with pytest.raises(DataError, match=r"vocab\.json cannot be read"):
        read(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    torch_files.save(folder / "it.pt", {"audio_branch.norm.weight": np.ones(3, np.float32)})
    with pytest.raises(DataError, match=r"it\.pt lacks the tensor text_branch"):
        read(folder)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_tokens_against_transformers(folder):
    transformers = pytest.importorskip("transformers")
    mask = transformers.AddedToken("<mask>", lstrip=True)  # as roberta-base has it
    theirs = transformers.RobertaTokenizer.from_pretrained(str(folder), mask_token=mask)
    tokenizer, _ = clap_text.read_tokenizer(folder)
    for text in [*TEXTS, "", " two  spaces ", "睡眠 é\n", "a waltz " * 400, "a <mask> b", "it's 5 o'clock"]:
        expected = theirs(text, padding="max_length", truncation=True, max_length=77)["input_ids"]
        assert tokenizer.encode(text).ids == expected, text
