"""Against diffusers itself, both ways, on random weights."""

import jax
import numpy as np
import pytest

from musicdiff.interop.config import build, config_of
from musicdiff.interop.diffusers import read_network, write_network
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

CONTEXT = 10  # the width of the tokens that conditional networks attend to
SMALL = [
    UNet2D(1, 1, (16, 32, 48), num_res_blocks=1, attention_levels=(1,), groups=8),
    UNet2D(3, 2, (16, 16, 32), num_res_blocks=2, attention_levels=(0, 2), head_width=None, groups=4),
    UNet2D(1, 1, (16, 32, 48), num_res_blocks=1, attention_levels=(0, 1), num_heads=8, groups=8),
    UNet2D(3, 2, (16, 16, 32), num_res_blocks=2, attention_levels=(2,), num_heads=4, groups=4),
    Autoencoder(1, 2, (16, 32, 32), num_res_blocks=1, groups=8),
    Autoencoder(3, 4, (8, 16), num_res_blocks=2, attention=False, groups=4),
]
FULL = [UNet2D(), UNet2D(channels=(128, 256, 512, 512), attention_levels=(0, 1, 2), num_heads=8), Autoencoder()]


def torch_module(network):
    import diffusers
    import torch

    config = config_of(network, CONTEXT if told(network) else None)
    name = config.pop("_class_name")
    torch.manual_seed(0)
    module = getattr(diffusers, name)(**config)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return module


def picture(network, frames, bins, channels):
    return np.random.default_rng(1).standard_normal((2, frames, bins, channels)).astype(np.float32)


def told(network):
    """The tokens of a conditional network and their mask, else nothing."""
    if not getattr(network, "num_heads", 0):
        return {}
    tokens = np.random.default_rng(2).standard_normal((2, 4, CONTEXT)).astype(np.float32)
    return {"tokens": tokens, "mask": np.array([[True, True, False, False], [True, False, True, True]])}


def to_picture(x):
    """[B, T, F, C] <-> [B, C, F, T], the same transposition both ways."""
    return np.ascontiguousarray(np.asarray(x).transpose(0, 3, 2, 1))


def theirs_of(module, network, x, z, c_noise):
    import torch

    with torch.no_grad():
        if isinstance(network, UNet2D):
            names = {"tokens": "encoder_hidden_states", "mask": "encoder_attention_mask"}
            context = {names[name]: torch.from_numpy(value) for name, value in told(network).items()}
            results = [module(torch.from_numpy(to_picture(x)), torch.from_numpy(c_noise), **context).sample]
        else:
            posterior = module.encode(torch.from_numpy(to_picture(x))).latent_dist
            results = [posterior.mean, posterior.logvar, module.decode(torch.from_numpy(to_picture(z))).sample]
    return [to_picture(result.numpy()) for result in results]


def ours_of(network, params, x, z, c_noise):
    if isinstance(network, UNet2D):
        return [jax.jit(network.apply)({"params": params}, x, c_noise, **told(network))]
    encode, decode = (
        jax.jit(lambda p, v, m=m: network.apply({"params": p}, v, method=m)) for m in ("encode", "decode")
    )
    return [*encode(params, x), decode(params, z)]


def check(network, tmp_path):
    module = torch_module(network)
    module.save_pretrained(tmp_path / "theirs")
    kind, kwargs, params = read_network(tmp_path / "theirs")
    assert build(kind, kwargs) == network

    step = network.multiple[0]
    x = picture(network, 4 * step, 2 * step, network.in_channels)
    z = picture(network, 4, 2, getattr(network, "latent_channels", 1))
    c_noise = np.array([3.0, 777.0], np.float32)
    for ours, theirs in zip(ours_of(network, params, x, z, c_noise), theirs_of(module, network, x, z, c_noise)):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    write_network(tmp_path / "ours", network, params)
    returned, original = type(module).from_pretrained(tmp_path / "ours").state_dict(), module.state_dict()
    assert returned.keys() == original.keys()
    assert all((returned[name] == tensor).all() for name, tensor in original.items())


@pytest.mark.parametrize(
    "network", SMALL, ids=["unet", "unet-wide", "conditional", "conditional-bottom", "autoencoder", "autoencoder-plain"]
)
def test_small_networks(network, tmp_path):
    check(network, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", FULL, ids=["unet", "conditional", "autoencoder"])
def test_full_size_networks(network, tmp_path):
    check(network, tmp_path)
