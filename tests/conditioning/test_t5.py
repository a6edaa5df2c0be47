import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

from musicdiff import weights
from musicdiff.conditioning import t5
from musicdiff.errors import DataError, UsageError

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers" / "t5"


@pytest.fixture
def folder(tmp_path):
    """A published folder of our own, to spoil."""
    return pathlib.Path(shutil.copytree(FIXTURE, tmp_path / "t5"))


@pytest.fixture(scope="module")
def condition():
    return t5.build(path=str(FIXTURE), length=16)


def test_shapes_and_absent_texts(condition):
    states, mask = condition.read(["calm piano", None])
    assert states.shape == (2, 16, 16) and states.dtype == np.float32 and mask.dtype == bool
    assert mask[0].any() and not mask[1].any()
    assert not states[~mask].any()  # zeros behind the end of a text, and of what is absent
    assert states[mask].std() > 0.1


def test_nothing_known_needs_no_weights(folder):
    condition = t5.build(path=folder)
    (folder / "model.safetensors").write_bytes(b"")
    states, mask = condition.read([None, None])
    assert states.shape == (2, 64, 16) and not states.any() and not mask.any()


def test_a_text_does_not_know_its_neighbours(condition):
    texts = ["calm piano", "a slow waltz in a minor key", "techno", "", "睡眠のための穏やかなピアノ", "loud " * 40] * 4
    states, mask = condition.read(texts)
    for i in range(6):
        alone, its_mask = condition.read(texts[i : i + 1])
        np.testing.assert_array_equal(its_mask[0], mask[i])
        np.testing.assert_allclose(alone[0], states[i], atol=1e-6)
    np.testing.assert_array_equal(states[:6], states[-6:])


def test_texts_of_all_kinds(condition):
    """Empty, of unknown letters, of bytes that were no UTF-8, very long: each has states, all finite."""
    states, mask = condition.read(["", "Музыка для сна 睡眠 🎹", "\udcff\x00", "calm piano " * 5000])
    assert np.isfinite(states).all()
    assert mask[0].sum() == 1  # the end mark alone
    assert mask[1:].sum(1).min() > 1 and mask[3].all()
    assert not np.allclose(states[0], states[1])


def test_a_thousand_lines(condition):
    texts = [f"calm piano at {i % 250} bpm" for i in range(1000)]
    states, _ = condition.read(texts)
    assert states.shape == (1000, 16, 16)
    np.testing.assert_array_equal(states[:250], states[250:500])


def test_what_is_cut_is_told(condition):
    assert condition.remark("calm piano") is None
    short, long = condition.read(["calm piano"])[1].sum(), " ".join(["calm piano"] * 50)
    assert (
        condition.remark(long) == f"is cut: its last {50 * (short - 1) - 15} of {50 * (short - 1)} tokens are not read"
    )
    states, mask = condition.read([long])
    assert mask.all()
    np.testing.assert_array_equal(condition.read([long + " and what follows"])[0], states)  # the end mark stands last


def test_only_text_is_text(condition):
    assert condition.refuse("calm") is None
    assert condition.refuse(94.0) == "must be text, not 94.0"


@pytest.mark.parametrize("pooled", [False, True])
def test_sequence_or_pooled(pooled):
    condition = t5.build(path=FIXTURE, length=8, pooled=pooled)
    value, present = condition.read(["calm", None]), np.array([True, False])
    embedding, _ = condition.embedder(12).init_with_output(jax.random.key(0), value, present)
    assert (embedding.tokens is None) == pooled
    if pooled:
        assert embedding.vector.shape == (2, 12)
    else:
        np.testing.assert_array_equal(embedding.tokens[0], value[0][0])
        assert embedding.mask.sum(1).tolist() == [value[1][0].sum(), 1]  # a null token for what is absent


def test_a_file_or_length_that_differs_changes_the_fingerprint(folder):
    def fingerprint(**options):
        return t5.build(path=folder, **options).fingerprint

    first = fingerprint()
    assert fingerprint() == first == t5.build(path=FIXTURE).fingerprint != fingerprint(length=32)
    assert fingerprint(pooled=True) == first  # the states are the same
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b" ")
        assert fingerprint() != first
        (folder / name).write_bytes(content)


def test_building_again_does_not_read_the_weights_again(folder, monkeypatch):
    first = t5.build(path=folder).fingerprint
    monkeypatch.setattr(weights, "sha256", None)
    assert t5.build(path=folder).fingerprint == first
    monkeypatch.undo()
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes() + b" ")
    assert t5.build(path=folder).fingerprint != first


def test_half_precision_and_other_tensors_are_read(folder):
    """A whole T5 has a decoder too, and may be published in 16 bits."""
    tensors = weights.read_tensors(folder / "model.safetensors")
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    weights.write_tree(folder / "model.safetensors", halves | {"decoder.final_layer_norm.weight": np.ones(16)})
    ours, _ = t5.build(path=folder).read(["calm piano"])
    np.testing.assert_allclose(ours, t5.build(path=FIXTURE).read(["calm piano"])[0], atol=1e-2)


@pytest.mark.parametrize(
    ("missing", "instead", "message"),
    [
        ("config.json", None, "lacks config.json; a text encoder is config.json, model.safetensors, tokenizer.json"),
        ("model.safetensors", None, "lacks model.safetensors; a text encoder is"),
        ("model.safetensors", "pytorch_model.bin", "make it of pytorch_model.bin, which is not read"),
        ("tokenizer.json", "spiece.model", "make it of spiece.model.*AutoTokenizer"),
    ],
)
def test_a_missing_file_is_named(folder, missing, instead, message):
    (folder / missing).unlink()
    if instead:
        (folder / instead).write_bytes(b"a pickle that is never opened")
    with pytest.raises(DataError, match=message) as caught:
        t5.build(path=folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is no folder; .*config.json, model.safetensors, tokenizer.json"):
        t5.build(path=tmp_path / "nowhere")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "holds a model of type 'bert', not 't5'"),
        ({"feed_forward_proj": "gated-silu"}, "feed_forward_proj 'gated-silu' is not one of relu, gated-gelu"),
        ({"num_layers": 3}, "lacks the tensor encoder.block.2.layer"),
        (
            {"d_ff": 23},
            r"encoder.block.0.layer.1.DenseReluDense.wi.weight is \[24, 16\], which does not fit its config",
        ),
        ({"vocab_size": 40}, "tokenizer.json has 42 tokens, config.json beside it 40"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, changes, message):
    edit(folder / "config.json", **changes)
    with pytest.raises(DataError, match=message):
        t5.build(path=folder).read(["calm"])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_named(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:200])
    with pytest.raises(DataError, match=name) as caught:
        t5.build(path=folder).read(["calm"])
    assert "\n" not in str(caught.value)


def test_a_config_without_a_size_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["d_kv"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"config.json lacks d_kv"):
        t5.build(path=folder)


@pytest.mark.parametrize("length", [2, 513, True, 12.0])
def test_lengths_that_cannot_be(length):
    with pytest.raises(UsageError, match=r"condition 't5': length=.* from 3 to 512 tokens"):
        t5.build(path=FIXTURE, length=length)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["t5", "t5_gated"])
def test_texts_through_transformers(name):
    """Tokenizer and encoder together, out of one folder."""
    import torch
    from tokenizers import Tokenizer
    from transformers import T5EncoderModel

    folder = FIXTURE.parent / name
    module = T5EncoderModel.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = ["calm piano music", "", "drums, fast"]
    states, mask = t5.build(path=folder).read(texts)
    for text, row, known in zip(texts, states, mask):
        with torch.no_grad():
            theirs = module(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0].numpy()
        assert known.sum() == len(theirs)
        np.testing.assert_allclose(row[known], theirs, atol=1e-5)
