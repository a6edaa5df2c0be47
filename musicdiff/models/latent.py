"""The latent model: the mel U-Net on the latents of a frozen autoencoder, normalised by their measured mean and deviation."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from musicdiff import weights
from musicdiff.audio.mel import MelSpec
from musicdiff.config import call
from musicdiff.diffusion import objective
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
    autoencoder = call(Autoencoder, vae["network"], "vae.network", in_channels=spec.channels, dtype=precision)
    (factor, row_factor), width = autoencoder.multiple, autoencoder.latent_channels
    check_mel_shape((frames, spec.num_mels), autoencoder, "model.frames")
    unet = call(UNet2D, network, "network", in_channels=width, out_channels=width, dtype=precision)
    goal = call(objective.build, process, "process")
    shape = (frames // factor, spec.num_mels // row_factor, width)
    check_shape(shape, unet, "model.frames", "mel.num_mels")
    domain = Domain(shape, spec.sample_rate, spec.channels, spec.hop * factor, unet.multiple[0], None)

    def init(key):
        return unet.lazy_init(
            key, jax.ShapeDtypeStruct((1, *shape), jnp.float32), jax.ShapeDtypeStruct((1,), jnp.float32)
        )["params"]

    def init_frozen(key):
        mel = jax.ShapeDtypeStruct((1, frames, spec.num_mels, spec.channels), jnp.float32)
        params = autoencoder.lazy_init(key, mel)["params"]
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

    def encode(frozen, log_mel):
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
        reconstruct=lambda params, frozen, log_mel: to_mel(frozen, encode(frozen, log_mel)),
        to_mel=to_mel,
        to_audio=lambda frozen, log_mel, keys, padding="zeros": vocoder.to_audio(
            frozen["vocoder"], log_mel, keys, padding
        ),
    )


def track_encoder(
    network: Mapping[str, Any], params: Any, *, channels: int, window: int, margin: int
) -> Callable[[np.ndarray], np.ndarray]:
    """mel [T, F, C] of any length -> z [T / factor, F / factor, Z], in overlapping windows of one compiled shape.

    Each window gives up `margin` frames on either side to its neighbours, so that no latent sees a border that a crop of the track would not
    have; a track is padded with silence (-1), to a window at least.
    """
    autoencoder = Autoencoder(**network, in_channels=channels)
    factor, kept = autoencoder.multiple[0], window - 2 * margin
    encode = jax.jit(lambda params, x: autoencoder.apply({"params": params}, x, method="encode")[0])

    def encode_track(mel: np.ndarray) -> np.ndarray:
        length = max(len(mel), window)  # a track shorter than a clip is silence to the clip's end, not a short latent
        count = -(-length // kept)
        padded = np.pad(mel, ((margin, count * kept - len(mel) + margin), (0, 0), (0, 0)), constant_values=-1.0)
        pieces = []
        for start in range(0, count * kept, kept):
            z = np.asarray(encode(params, padded[None, start : start + window].astype(np.float32)))[0]
            pieces.append(z[margin // factor : (margin + kept) // factor])
        return np.concatenate(pieces)[: -(-length // factor)]

    return encode_track
