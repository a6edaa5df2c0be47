import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import text_encoders, weights
from musicdiff.conditioning import t5
from musicdiff.networks.t5_encoder import T5Encoder, distance_buckets

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers"


def read(folder):
    """The network and parameters of a folder, without its tokenizer."""
    network = t5.network_of(text_encoders.read_config(folder), folder)
    names = t5.GATED if network.gated else t5.NAMES
    return network, text_encoders.convert(weights.read_tensors(folder / "model.safetensors"), network, names, "it")


def apply(network, params, ids, mask):
    return np.asarray(jax.jit(network.apply)({"params": params}, ids, mask))


def test_full_size_count():
    network = T5Encoder()
    ids = jax.ShapeDtypeStruct((1, 4), int), jax.ShapeDtypeStruct((1, 4), bool)
    params = jax.eval_shape(network.init, jax.random.key(0), *ids)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 35_330_816
    assert jax.eval_shape(network.apply, {"params": params}, *ids).shape == (1, 4, 512)


@pytest.mark.parametrize("name", ["t5", "t5_gated"])
def test_it_computes_what_transformers_recorded(name):
    recorded = np.load(FIXTURES / "outputs.npz")
    ids, mask = recorded["ids"], recorded["mask"]
    states = apply(*read(FIXTURES / name), ids, mask)
    np.testing.assert_allclose(states[mask], recorded[name][mask], atol=1e-5)


def test_masked_tokens_are_not_attended_to():
    network, params = read(FIXTURES / "t5")
    ids, mask = jnp.arange(12).reshape(2, 6), jnp.arange(6) < jnp.array([[6], [4]])
    states = apply(network, params, ids, mask)
    other = apply(network, params, ids.at[1, 4:].set(90), mask)
    np.testing.assert_array_equal(states[mask], other[mask])
    assert np.isfinite(apply(network, params, ids, jnp.zeros_like(mask))).all()  # rows that fill a batch


def test_buckets_by_hand():
    """8 buckets to a distance of 16: 0 and 1 alone, then 2 .. 5 and 6 on; the other half for keys that follow."""
    buckets = distance_buckets(8, 8, 16)
    assert list(buckets[7]) == [3, 3, 2, 2, 2, 2, 1, 0]
    assert list(buckets[0]) == [0, 5, 6, 6, 6, 6, 7, 7]


@pytest.mark.parity
@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (8, 20)])
def test_buckets_against_transformers(buckets, distance):
    import torch
    from transformers.models.t5.modeling_t5 import T5Attention

    places = torch.arange(600)[None] - torch.arange(600)[:, None]
    theirs = T5Attention._relative_position_bucket(places, True, buckets, distance)
    np.testing.assert_array_equal(distance_buckets(600, buckets, distance), theirs.numpy())


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", ["relu", "gated-gelu"])
def test_a_full_size_encoder_against_transformers(kind, tmp_path):
    """T5-small and a gated one of its size, on random weights, out of a folder that transformers wrote."""
    import torch
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(1)
    config = T5Config(d_model=512, d_ff=2048, num_layers=6, num_heads=8, vocab_size=32128, feed_forward_proj=kind)
    module = T5EncoderModel(config).eval()
    module.save_pretrained(tmp_path)
    network, params = read(tmp_path)
    assert network == T5Encoder(gated=kind == "gated-gelu")
    ids = torch.randint(0, 32128, (3, 150))
    mask = torch.arange(150)[None] < torch.tensor([150, 64, 1])[:, None]
    with torch.no_grad():
        theirs = module(ids, attention_mask=mask).last_hidden_state.numpy()
    ours = apply(network, params, ids.numpy(), mask.numpy())
    np.testing.assert_allclose(ours[mask.numpy()], theirs[mask.numpy()], atol=1e-5)
