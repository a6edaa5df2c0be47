"""The waveform model: a one-dimensional U-Net that denoises audio itself."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from musicdiff import choice, representations
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import objectives
from musicdiff.models import compose
from musicdiff.networks.unet_1d import UNet1D
from musicdiff.typing import Model


def build(
    spec: MelSpec,
    where: str,
    network: Mapping[str, Any],
    process: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    dtype: str,
    *,
    samples: int,
    unconditional: float = 0.1,
) -> Model:
    """A model of clips of `samples` samples. network: of UNet1D; process: of diffusion.objectives.build; dtype: of the computation."""
    sizes = {"in_channels": spec.channels, "out_channels": spec.channels}
    unet = choice.call(f"{where}.network", UNet1D, network, **sizes, dtype=jnp.dtype(dtype))
    goal = choice.call(f"{where}.process", objectives.build, process)
    audio = representations.of_audio(spec, samples, unet.multiple, where)
    return compose(audio, unet, goal, conditions, unconditional, where)
