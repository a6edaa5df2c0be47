"""Against recorded networks of a-unet (tests/fixtures/record_a_unet.py); nothing here needs torch."""

import pathlib

import jax
import numpy as np
import pytest
import safetensors.numpy

from musicdiff.errors import DataError
from musicdiff.interop.a_unet import from_torch, to_torch
from musicdiff.networks.unet_1d import UNet1D

RECORDED = pathlib.Path(__file__).parents[1] / "fixtures" / "a_unet"
SMALL = {"attention_heads": 2, "head_width": 4, "width": 12, "groups": 4}
NETWORKS = {
    "plain": UNet1D(1, 1, (8, 8, 16), (1, 2, 4), (1, 1, 2), (1, 2), **SMALL),
    "told": UNet1D(2, 1, (8, 16), (2, 2), (1, 1), (1,), num_heads=2, **SMALL),
}


def read(name):
    """(state dict, inputs and output) of a recorded network."""
    arrays = safetensors.numpy.load_file(RECORDED / f"{name}.safetensors")
    return {key.removeprefix("state/"): arrays.pop(key) for key in list(arrays) if key.startswith("state/")}, arrays


@pytest.mark.parametrize("name", NETWORKS)
def test_it_computes_what_a_unet_recorded(name):
    network, (state, arrays) = NETWORKS[name], read(name)
    params = from_torch(network, state, name)
    told = {"tokens": arrays["tokens"]} if network.num_heads else {}
    y = jax.jit(network.apply)({"params": params}, arrays["x"], arrays["c_noise"], **told)
    np.testing.assert_allclose(y, arrays["y"], atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back_is_bit_for_bit(name):
    network, (state, _) = NETWORKS[name], read(name)
    again = to_torch(network, from_torch(network, state, name))
    stored = {key: tensor for key, tensor in state.items() if not key.startswith("blocks.1.blocks.1.")}
    assert again.keys() == stored.keys()
    for key, tensor in stored.items():
        np.testing.assert_array_equal(again[key], tensor, err_msg=key)


def test_what_does_not_fit_is_named():
    network, (state, _) = NETWORKS["plain"], read("plain")
    first = "blocks.0.weights"
    with pytest.raises(DataError, match=f"here lacks 1 tensor.*{first}"):
        from_torch(network, {key: value for key, value in state.items() if key != first}, "here")
    with pytest.raises(DataError, match=r"beyond its network, 1 tensor\(s\): extra"):
        from_torch(network, {**state, "extra": state[first]}, "here")
    with pytest.raises(
        DataError,
        match=r"here: blocks.2.net.block.blocks.0.block.weight is \[8, 1, 1\], which is down_0_step/kernel of",
    ):
        from_torch(network.clone(in_channels=2, out_channels=2), state, "here")
