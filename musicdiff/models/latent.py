"""The latent model: the mel U-Net on the latents of a frozen autoencoder, normalised by their measured mean and deviation."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from musicdiff import choice, representations
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import objectives
from musicdiff.models import compose
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D
from musicdiff.typing import Model, Vocoder


def build(
    spec: MelSpec,
    vocoder: Vocoder,
    where: str,
    network: Mapping[str, Any],
    process: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    vae: Mapping[str, Any],
    dtype: str,
    *,
    frames: int,
    unconditional: float = 0.1,
) -> Model:
    """A model of clips of `frames` MEL frames, held as latents. network: of UNet2D; vae: the autoencoder's configuration (its `network` is read)."""
    precision = jnp.dtype(dtype)
    autoencoder = choice.call(
        f"{where}.vae.network", Autoencoder, vae["network"], in_channels=spec.channels, dtype=precision
    )
    width = autoencoder.latent_channels
    unet = choice.call(f"{where}.network", UNet2D, network, in_channels=width, out_channels=width, dtype=precision)
    goal = choice.call(f"{where}.process", objectives.build, process)
    multiple = tuple(factor * of_latents for factor, of_latents in zip(autoencoder.multiple, unet.multiple))
    mels = representations.of_mels(spec, vocoder, frames, multiple, where)
    return compose(representations.of_latents(mels, autoencoder), unet, goal, conditions, unconditional, where)
