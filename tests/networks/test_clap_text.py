"""Against what transformers computed with recorded weights, by way of a file in laion_clap's layout."""

import pathlib

import jax
import numpy as np
import pytest
import torch_files

from musicdiff.errors import DataError
from musicdiff.interop import laion_clap, pickles
from musicdiff.networks.bert_encoder import BertEncoder
from musicdiff.networks.clap_text import PAD, ClapText

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "embeddings"
SMALL = BertEncoder(96, 16, num_layers=2, num_heads=4, hidden=24, max_length=48, num_types=1, eps=1e-5, first=2)
TINY = ClapText(SMALL, projected=6)


@pytest.fixture(scope="module")
def checkpoint():
    return pickles.read(FOLDER / "clap_text.pt")


@pytest.fixture(scope="module")
def recorded():
    return np.load(FOLDER / "clap_text.npz")


def apply(network, params, ids):
    return np.asarray(jax.jit(network.apply)({"params": params}, ids))


def test_size():
    """124,645,632 of roberta-base, its pooler among them, and the projection."""
    ids = jax.ShapeDtypeStruct((1, 77), np.int32)
    shapes = jax.eval_shape(ClapText().init, jax.random.key(0), ids)["params"]
    projection = 768 * 512 + 512 + 512 * 512 + 512
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 124_645_632 + projection
    assert jax.eval_shape(ClapText().apply, {"params": shapes}, ids).shape == (1, 512)


def test_it_computes_what_transformers_recorded(checkpoint, recorded):
    embedded = apply(TINY, laion_clap.convert_text(checkpoint, TINY), recorded["ids"])
    np.testing.assert_allclose(embedded, recorded["embedded"], atol=1e-5)


def test_padding_says_nothing(checkpoint, recorded):
    params, ids = laion_clap.convert_text(checkpoint, TINY), recorded["ids"]
    assert (ids[1, 7:] == PAD).all()
    np.testing.assert_allclose(apply(TINY, params, ids[1:2, :7]), recorded["embedded"][1:2], atol=1e-5)


def test_round_trip_through_a_published_file(tmp_path):
    drawn = torch_files.draw(TINY, (1, 2), dtype=np.int32)
    path = torch_files.save(tmp_path / "it.pt", torch_files.clap_text(drawn))
    jax.tree.map(np.testing.assert_array_equal, laion_clap.convert_text(pickles.read(path), TINY), drawn)


def test_what_does_not_fit_is_refused(checkpoint):
    state, branch = checkpoint["state_dict"], "module.text_branch."
    absent, bias = f"{branch}embeddings.position_embeddings.weight", f"{branch}encoder.layer.1.output.dense.bias"
    for wrong, message in (
        ({k: v for k, v in state.items() if k != absent}, "it lacks the tensor text_branch.embeddings.position"),
        ({k: v for k, v in state.items() if k != bias}, "it: encoder/block_1/dense_1/bias is None"),
        (state | {bias: np.ones(3)}, r"it: encoder/block_1/dense_1/bias is \(3,\), the network makes it \(16,\)"),
        (pickles.read(FOLDER / "clap.pt"), "it lacks the tensor text_branch"),
        ([], "it lacks the tensor"),
    ):
        with pytest.raises(DataError, match=message):
            laion_clap.convert_text(wrong, TINY, "it")


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_the_published_size_against_transformers():
    """RoBERTa-base on random weights, texts of the 77 tokens that laion_clap reads and of fewer."""
    torch = pytest.importorskip("torch")
    from fixtures import record_embeddings

    torch.manual_seed(0)
    module, ids = record_embeddings.make_clap_text(layer_norm_eps=1e-5), record_embeddings.draw_ids([77, 12, 2], 50265)
    state = {name: tensor.numpy() for name, tensor in record_embeddings.laion_text_names(module).items()}
    with torch.no_grad():
        expected = module(ids, attention_mask=ids != PAD).text_embeds.numpy()
    found = apply(ClapText(), laion_clap.convert_text({"state_dict": state}), ids.numpy().astype(np.int32))
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
