"""Against a-unet itself, both ways, on random weights."""

import jax
import numpy as np
import pytest
from fixtures.a_unet_networks import make

from musicdiff.interop.a_unet import from_torch, to_torch
from musicdiff.networks.unet_1d import UNet1D

pytestmark = pytest.mark.parity

CONTEXT = 10
SMALL = [
    UNet1D(1, 1, (16, 24, 32), (1, 2, 4), (1, 1, 2), (1, 2), groups=4, width=48),
    UNet1D(2, 2, (16, 32), (4, 2), (2, 1), (0,), attention_heads=3, head_width=8, groups=8, width=32),
    UNet1D(2, 1, (16, 32), (2, 2), (1, 1), (1,), attention_heads=2, head_width=8, num_heads=2, groups=8, width=32),
]


def torch_module(network):
    pytest.importorskip("a_unet", reason="needs a-unet, of the extra `parity`")
    import torch

    torch.manual_seed(0)
    module = make(
        network.channels,
        network.factors,
        network.items,
        network.attention_levels,
        network.in_channels,
        network.out_channels,
        network.num_heads,
        context=CONTEXT if network.num_heads else 0,
        width=network.width,
        attention_heads=network.attention_heads,
        head_width=network.head_width,
        groups=network.groups,
    )
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return module


def compare(network, samples):
    """The largest difference of the outputs, the state dict and ours going both ways."""
    rng, module = np.random.default_rng(1), torch_module(network)
    import torch

    state = {name: value.numpy() for name, value in module.state_dict().items()}
    params = from_torch(network, state, "a-unet")
    module.load_state_dict(
        {name: torch.from_numpy(value) for name, value in to_torch(network, params).items()}, strict=False
    )
    x = rng.standard_normal((2, samples, network.in_channels)).astype(np.float32)
    time, tokens = np.float32([0.01, 0.9]), rng.standard_normal((2, 4, CONTEXT)).astype(np.float32)
    with torch.no_grad():
        told = {"embedding": torch.from_numpy(tokens)} if network.num_heads else {}
        theirs = module(torch.from_numpy(x).mT, time=torch.from_numpy(time), **told).mT.numpy()
    told = {"tokens": tokens} if network.num_heads else {}
    ours = jax.jit(network.apply)({"params": params}, x, 1000 * time, **told)
    return np.abs(ours - theirs).max(), np.abs(theirs).max()


@pytest.mark.parametrize("network", SMALL, ids=["mono", "stereo", "told"])
def test_small_networks_are_equal(network):
    difference, size = compare(network, 16 * network.multiple)
    assert difference < 1e-5 and size > 0.1


def test_the_reference_network_is_equal():
    difference, size = compare(UNet1D(), 2048)
    assert difference < 1e-5 and size > 0.1
