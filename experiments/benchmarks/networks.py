"""Times the networks: both convolution routes, and torch where it is installed, alternated in one run.

    python experiments/benchmarks/networks.py [--only unet:64x64 ...] [--seconds 20]

Prints milliseconds, the median and the minimum of the rounds, for a forward pass and for a training step's loss and gradients. The machine may be
busy with other work: within a row all columns meet the same load.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.interop.config import config_of
from musicdiff.interop.diffusers import param_shapes
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

TINY_UNET = UNet2D(4, 4, channels=(32, 64, 96), num_res_blocks=1, attention_levels=(2,), groups=8, zero_init=True)
TINY_AUTOENCODER = Autoencoder(
    latent_channels=4, channels=(32, 64), num_res_blocks=1, attention=False, groups=8, patch=2
)
CASES = {  # name: network, batch, frames, bins
    "unet:32x32": (UNet2D(), 1, 32, 32),
    "unet:64x64": (UNet2D(), 1, 64, 64),
    "unet:64x64:batch4": (UNet2D(), 4, 64, 64),
    "tiny-unet:128x8": (TINY_UNET, 8, 128, 8),
    "tiny-autoencoder:64x32": (TINY_AUTOENCODER, 16, 64, 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seconds", type=float, default=20.0, help="of measurement for each row")
    arguments = parser.parse_args()
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}; ms, median (minimum)")
    for name in arguments.only:
        network, batch, frames, bins = CASES[name]
        shape = (batch, frames, bins, network.in_channels)
        runs = {route: jax_run(replace(network, conv_route=route), shape) for route in ("auto", "xla")}
        torch_runs = torch_run(network, shape)
        for i, pass_name in enumerate(("forward", "forward and backward")):
            columns = {route: run[i] for route, run in runs.items()} | ({"torch": torch_runs[i]} if torch_runs else {})
            times = alternate(columns, arguments.seconds)
            cells = [f"{c} {statistics.median(t):.1f} ({min(t):.1f})" for c, t in times.items()]
            print(f"{name:24s} {pass_name:22s} " + "   ".join(cells), flush=True)


def jax_run(network: UNet2D | Autoencoder, shape: tuple[int, ...]) -> tuple[Callable, Callable]:
    """(forward, loss and gradients) of a network with random parameters, compiled."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.02 * rng.standard_normal(leaf.shape, np.float32)), param_shapes(network)
    )
    inputs = [jnp.asarray(rng.standard_normal(shape, np.float32))]
    if isinstance(network, UNet2D):
        inputs.append(jnp.full(shape[0], 500.0))
    forward = jax.jit(lambda params: network.apply({"params": params}, *inputs))
    step = jax.jit(jax.grad(lambda params: jnp.mean(jnp.square(network.apply({"params": params}, *inputs)))))
    for run in (forward, step):
        jax.block_until_ready(run(params))
    return (lambda: jax.block_until_ready(forward(params))), (lambda: jax.block_until_ready(step(params)))


def torch_run(network: UNet2D | Autoencoder, shape: tuple[int, ...]) -> tuple[Callable, Callable] | None:
    """The same of diffusers' class; None without torch, or for networks that diffusers lacks."""
    if network.patch != 1:
        return None
    try:
        import diffusers
        import torch
    except ImportError:
        return None
    config = {key: value for key, value in config_of(network).items() if key != "_class_name"}
    module = getattr(diffusers, "UNet2DModel" if isinstance(network, UNet2D) else "AutoencoderKL")(**config)
    x = torch.randn(shape[0], shape[3], shape[2], shape[1])
    inputs = (x, torch.full((shape[0],), 500)) if isinstance(network, UNet2D) else (x,)

    def forward() -> None:
        with torch.no_grad():
            module(*inputs)

    def step() -> None:
        module.zero_grad()
        module(*inputs).sample.square().mean().backward()

    return forward, step


def alternate(runs: dict[str, Callable], seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each run, taken in turns for so many seconds, three rounds at least."""
    times = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(times))]) < 3:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


if __name__ == "__main__":
    main()
