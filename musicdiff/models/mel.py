"""The mel model: a U-Net that denoises log-mel spectrograms themselves."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import objectives
from musicdiff.errors import UsageError
from musicdiff.networks.unet_2d import UNet2D
from musicdiff.typing import Domain, Model, Vocoder


def build(
    *, spec: MelSpec, vocoder: Vocoder, network: Mapping[str, Any], process: Mapping[str, Any], dtype: str, frames: int
) -> Model:
    """A model of clips of `frames` mel frames. network: of UNet2D; process: of diffusion.objectives.build; dtype: of the computation."""
    unet = choice.call(
        "config.network", UNet2D, network, in_channels=spec.channels, out_channels=spec.channels, dtype=jnp.dtype(dtype)
    )
    goal = objectives.build(**process)
    shape = (frames, spec.num_mels, spec.channels)
    check_shape(shape, unet, "model.frames", "mel.num_mels")
    domain = Domain(shape, spec.sample_rate, spec.channels, spec.hop, unet.multiple[0], (-1.0, 1.0))

    def init(key):
        return unet.lazy_init(
            key,
            jax.ShapeDtypeStruct((1, *shape), jnp.float32),
            jax.ShapeDtypeStruct((1, *goal.c_noise_shape), jnp.float32),
        )["params"]

    def init_frozen(key):
        return {"vocoder": vocoder.load()}

    def loss(params, frozen, batch, keys, step):
        return goal.loss(lambda x_t, c_noise: unet.apply({"params": params}, x_t, c_noise), batch["x_0"], keys)

    def denoise_fn(params, frozen, padding="zeros"):
        padded = unet.clone(padding=padding)
        return lambda x_t, log_snr, cond, to=None: goal.denoise(
            lambda x, c_noise: padded.apply({"params": params}, x, c_noise), x_t, log_snr, to
        )

    def to_mel(frozen, x_0, padding="zeros"):
        return jnp.clip(x_0, -1.0, 1.0)

    return Model(
        domain=domain,
        feature="mel",
        clip_frames=frames,
        init=init,
        init_frozen=init_frozen,
        load_frozen=lambda workdir: init_frozen(jax.random.key(0)),
        loss=loss,
        denoise_fn=denoise_fn,
        encode=lambda frozen, audio: mel.log_mel(audio, spec),
        reconstruct=lambda params, frozen, x_0: x_0,
        to_mel=to_mel,
        to_audio=lambda frozen, x_0, keys, padding="zeros": vocoder.to_audio(
            frozen["vocoder"], to_mel(frozen, x_0), keys, padding
        ),
        schedule=goal.schedule,
        flow_map=goal.flow_map,
    )


def check_shape(shape: tuple[int, ...], unet: UNet2D, time_key: str, row_key: str) -> None:
    """Raises UsageError when a clip of `shape` [T, F, C] does not fit the U-Net's downsamplings; the message names the config keys."""
    for size, multiple, key in zip(shape, unet.multiple, (time_key, row_key)):
        if size < 1 or size % multiple:
            nearest = max(multiple, round(size / multiple) * multiple)
            raise UsageError(
                f"config.{key} gives the U-Net a side of {size}, not a multiple of {multiple}; the nearest that fits is {nearest}"
            )
