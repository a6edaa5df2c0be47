import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import text_encoders, weights
from musicdiff.conditioning import minilm
from musicdiff.networks.bert_encoder import BertEncoder

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers"
TINY = BertEncoder(vocabulary=96, width=16, num_layers=2, num_heads=4, hidden=24, max_length=48)


def read(network, folder):
    tensors = weights.read_tensors(folder / "model.safetensors")
    return text_encoders.convert(tensors, network, minilm.NAMES, "it")


def apply(network, params, ids, mask):
    return np.asarray(jax.jit(network.apply)({"params": params}, ids, mask))


def test_full_size_count():
    """22,713,216 are published; the pooler's 147,840 are not among ours."""
    ids = jax.ShapeDtypeStruct((1, 4), int), jax.ShapeDtypeStruct((1, 4), bool)
    params = jax.eval_shape(BertEncoder().init, jax.random.key(0), *ids)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 22_713_216 - (384 * 384 + 384)
    assert jax.eval_shape(BertEncoder().apply, {"params": params}, *ids).shape == (1, 4, 384)


def test_it_computes_what_transformers_recorded():
    recorded = np.load(FOLDER / "outputs.npz")
    mask = recorded["mask"]
    states = apply(TINY, read(TINY, FOLDER / "bert"), recorded["ids"], mask)
    np.testing.assert_allclose(states[mask], recorded["bert"][mask], atol=1e-5)


def test_masked_tokens_are_not_attended_to():
    params = read(TINY, FOLDER / "bert")
    ids, mask = jnp.arange(12).reshape(2, 6), jnp.arange(6) < jnp.array([[6], [4]])
    states = apply(TINY, params, ids, mask)
    other = apply(TINY, params, ids.at[1, 4:].set(90), mask)
    np.testing.assert_array_equal(states[mask], other[mask])
    assert np.isfinite(apply(TINY, params, ids, jnp.zeros_like(mask))).all()  # rows that fill a batch


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_full_size_encoder_against_transformers(tmp_path):
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536, "num_attention_heads": 12}
    module = BertModel(BertConfig(**sizes)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    module.save_pretrained(tmp_path)
    ids = torch.randint(0, 30522, (3, 64))
    mask = torch.arange(64)[None] < torch.tensor([64, 20, 1])[:, None]
    with torch.no_grad():
        theirs = module(ids, attention_mask=mask).last_hidden_state.numpy()
    ours = apply(BertEncoder(), read(BertEncoder(), tmp_path), ids.numpy(), mask.numpy())
    np.testing.assert_allclose(ours[mask.numpy()], theirs[mask.numpy()], atol=1e-5)
