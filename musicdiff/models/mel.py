"""The mel model: a U-Net that denoises log-mel spectrograms themselves."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from musicdiff import choice, representations
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import objectives
from musicdiff.models import compose
from musicdiff.networks.unet_2d import UNet2D
from musicdiff.typing import Model, Vocoder


def build(
    spec: MelSpec,
    vocoder: Vocoder,
    where: str,
    network: Mapping[str, Any],
    process: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    dtype: str,
    *,
    frames: int,
    unconditional: float = 0.1,
) -> Model:
    """A model of clips of `frames` mel frames. network: of UNet2D; process: of diffusion.objectives.build; dtype: of the computation."""
    sizes = {"in_channels": spec.channels, "out_channels": spec.channels}
    unet = choice.call(f"{where}.network", UNet2D, network, **sizes, dtype=jnp.dtype(dtype))
    goal = choice.call(f"{where}.process", objectives.build, process)
    return compose(
        representations.of_mels(spec, vocoder, frames, unet.multiple, where),
        unet,
        goal,
        conditions,
        unconditional,
        where,
    )
