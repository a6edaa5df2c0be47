"""The latent model: the mel U-Net on the latents of a frozen autoencoder, normalised by their measured mean and deviation."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from musicdiff import choice, weights
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.diffusion import objectives
from musicdiff.errors import DataError
from musicdiff.models.mel import check_shape
from musicdiff.models.vae import check_shape as check_mel_shape
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D
from musicdiff.typing import Domain, Model, Vocoder

VAE_FILE = "vae/vae.safetensors"  # in a workdir: {'autoencoder': ..., 'latent_mean': [Z], 'latent_std': [Z]}


def build(
    *,
    spec: MelSpec,
    vocoder: Vocoder,
    network: Mapping[str, Any],
    process: Mapping[str, Any],
    vae: Mapping[str, Any],
    dtype: str,
    frames: int,
) -> Model:
    """A model of clips of `frames` MEL frames, held as latents. network: of UNet2D; vae: the autoencoder's configuration (its `network` is read)."""
    precision = jnp.dtype(dtype)
    autoencoder = choice.call(
        "config.vae.network", Autoencoder, vae["network"], in_channels=spec.channels, dtype=precision
    )
    (factor, row_factor), width = autoencoder.multiple, autoencoder.latent_channels
    check_mel_shape((frames, spec.num_mels), autoencoder, "model.frames")
    unet = choice.call("config.network", UNet2D, network, in_channels=width, out_channels=width, dtype=precision)
    goal = objectives.build(**process)
    shape = (frames // factor, spec.num_mels // row_factor, width)
    check_shape(shape, unet, "model.frames", "mel.num_mels")
    domain = Domain(shape, spec.sample_rate, spec.channels, spec.hop * factor, unet.multiple[0], None)

    def init(key):
        return unet.lazy_init(
            key,
            jax.ShapeDtypeStruct((1, *shape), jnp.float32),
            jax.ShapeDtypeStruct((1, *goal.c_noise_shape), jnp.float32),
        )["params"]

    def init_frozen(key):
        clip = jax.ShapeDtypeStruct((1, frames, spec.num_mels, spec.channels), jnp.float32)
        params = autoencoder.lazy_init(key, clip)["params"]
        stats = {"latent_mean": jnp.zeros(width), "latent_std": jnp.ones(width)}
        return {"autoencoder": params, **stats, "vocoder": vocoder.load()}

    def load_frozen(workdir):
        path = epath.Path(workdir) / VAE_FILE
        if not path.exists():
            raise DataError(f"{path} is missing: a latent model needs the autoencoder that its run keeps there")
        return {**weights.read_tree(path), "vocoder": vocoder.load()}

    def normalise(frozen, z):
        return (z - frozen["latent_mean"]) / frozen["latent_std"]

    def loss(params, frozen, batch, keys, step):
        x_0 = normalise(frozen, batch["x_0"])
        return goal.loss(lambda x_t, c_noise: unet.apply({"params": params}, x_t, c_noise), x_0, keys)

    def denoise_fn(params, frozen, padding="zeros"):
        padded = unet.clone(padding=padding)
        return lambda x_t, log_snr, cond, to=None: goal.denoise(
            lambda x, c_noise: padded.apply({"params": params}, x, c_noise), x_t, log_snr, to
        )

    def encode(frozen, audio):
        log_mel = mel.log_mel(audio, spec)
        return normalise(frozen, autoencoder.apply({"params": frozen["autoencoder"]}, log_mel, method="encode")[0])

    def to_mel(frozen, x_0, padding="zeros"):
        z = x_0 * frozen["latent_std"] + frozen["latent_mean"]
        decoder = autoencoder.clone(padding=padding)
        return jnp.clip(decoder.apply({"params": frozen["autoencoder"]}, z, method="decode"), -1.0, 1.0)

    return Model(
        domain=domain,
        feature="latent",
        clip_frames=shape[0],
        init=init,
        init_frozen=init_frozen,
        load_frozen=load_frozen,
        loss=loss,
        denoise_fn=denoise_fn,
        encode=encode,
        reconstruct=lambda params, frozen, x_0: normalise(frozen, x_0),
        to_mel=to_mel,
        to_audio=lambda frozen, x_0, keys, padding="zeros": vocoder.to_audio(
            frozen["vocoder"], to_mel(frozen, x_0, padding), keys, padding
        ),
        schedule=goal.schedule,
        flow_map=goal.flow_map,
    )
