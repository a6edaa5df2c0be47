"""What x_0 is: log-mels, an autoencoder's latents of them, or the audio itself. A model is a representation + a network + a noise process."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from etils import epath

from musicdiff import weights
from musicdiff.audio import circular, mel
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import DataError, UsageError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.typing import Array, Domain, Model, Params, Vocoder

VAE_FILE = "vae/vae.safetensors"  # in a workdir: {'autoencoder': ..., 'latent_mean': [Z], 'latent_std': [Z]}


class Representation(NamedTuple):
    """What of a `typing.Model` no training changes; its fields are described there, but for one.

    of_tracks(frozen, batch['x_0']) -> x_0 from what tracks hold
    """

    domain: Domain
    feature: str
    of_tracks: Callable[[Params, Array], Array]
    init_frozen: Callable[[Array], Params]
    load_frozen: Callable[[Any], Params]
    encode: Callable[[Params, Array], Array]
    to_mel: Callable[..., Array]
    to_audio: Callable[..., Array]

    def model(self, **learned: Any) -> Model:
        """The model that has the other fields from `learned`."""
        own = {name: value for name, value in self._asdict().items() if name != "of_tracks"}
        return Model(**own, clip_frames=self.domain.shape[0], **learned)


def of_mels(spec: MelSpec, vocoder: Vocoder, frames: int, multiple: tuple[int, int], where: str) -> Representation:
    """The log-mel itself, clips [frames, num_mels, C] in [-1, 1].

    multiple: what the networks ask frames and num_mels to be multiples of; where: the configuration's name in messages
    Raises UsageError, naming the key and the nearest size that fits, for a clip that is none.
    """
    for key, size, unit in zip(("model.frames", "mel.num_mels"), (frames, spec.num_mels), multiple):
        if size < 1 or size % unit:
            nearest = max(unit, round(size / unit) * unit)
            raise UsageError(
                f"{where}.{key}={size} is not a multiple of {unit}, as the network asks; the nearest is {nearest}"
            )
    shape = (frames, spec.num_mels, spec.channels)

    def to_mel(frozen, x_0, padding="zeros"):
        return jnp.clip(x_0, -1.0, 1.0)

    return Representation(
        domain=Domain(shape, spec.sample_rate, spec.channels, spec.hop, multiple[0], (-1.0, 1.0)),
        feature="mel",
        of_tracks=lambda frozen, x_0: x_0,
        init_frozen=lambda key: {"vocoder": vocoder.load()},
        load_frozen=lambda workdir: {"vocoder": vocoder.load()},
        encode=lambda frozen, audio, padding="zeros": mel.log_mel(audio, spec, padding),
        to_mel=to_mel,
        to_audio=lambda frozen, x_0, keys, padding="zeros", known=None, samples=None: vocoder.to_audio(
            frozen["vocoder"], to_mel(frozen, x_0), keys, padding, known, samples
        ),
    )


def of_audio(spec: MelSpec, samples: int, multiple: int, where: str) -> Representation:
    """The audio itself, clips [samples, C] in [-1, 1] at the rate of `spec`, whose mels are its pictures and measures.

    multiple: what the network asks `samples` to be a multiple of; a clip is a whole number of mel frames besides
    Raises UsageError, naming the key and the nearest length that fits, for a clip that is none, and for a `spec` that loses the level.
    """
    unit = math.lcm(max(1, multiple), spec.hop)  # a network of no size says so itself
    if samples < 1 or samples % unit:
        nearest = max(unit, round(samples / unit) * unit)
        raise UsageError(
            f"{where}.model.samples={samples} is not a multiple of {unit}, as the network and {where}.mel.hop ask; the nearest is {nearest}"
        )
    if spec.level != "absolute":
        raise UsageError(f"{where}.mel.level={spec.level!r} loses the loudness of audio; set it to 'absolute'")

    def to_audio(frozen, x_0, keys, padding="zeros", known=None, samples=None):
        # `known` is for phases that are sought; these are there.
        audio = jnp.clip(x_0, -1.0, 1.0)
        if samples is not None:  # faster or slower, and so higher or lower: audio has no frames to lay out
            audio = circular.resample(audio, samples)
        return audio

    return Representation(
        domain=Domain((samples, spec.channels), spec.sample_rate, spec.channels, 1, unit, (-1.0, 1.0)),
        feature="audio",
        of_tracks=lambda frozen, x_0: x_0,
        init_frozen=lambda key: {},
        load_frozen=lambda workdir: {},
        encode=lambda frozen, audio, padding="zeros": jnp.clip(audio, -1.0, 1.0),
        to_mel=lambda frozen, x_0, padding="zeros": mel.log_mel(to_audio(frozen, x_0, None), spec, padding),
        to_audio=to_audio,
    )


def of_latents(mels: Representation, autoencoder: Autoencoder) -> Representation:
    """x_0 = (z - mean) / std, z the encoder's mean of a mel of `mels`, less its own mean over its deviation in the tracks: [T / f, F / f, Z]."""
    (frames, bins, _), (factor, row_factor) = mels.domain.shape, autoencoder.multiple
    width = autoencoder.latent_channels
    domain = dataclasses.replace(
        mels.domain,
        shape=(frames // factor, bins // row_factor, width),
        samples_per_frame=mels.domain.samples_per_frame * factor,
        multiple=mels.domain.multiple // factor,
        x_0_range=None,
    )

    def init_frozen(key):
        params = autoencoder.lazy_init(key, jax.ShapeDtypeStruct((1, *mels.domain.shape), jnp.float32))["params"]
        return {
            "autoencoder": params,
            "latent_mean": jnp.zeros(width),
            "latent_std": jnp.ones(width),
            **mels.init_frozen(key),
        }

    def load_frozen(workdir):
        path = epath.Path(workdir) / VAE_FILE
        if not path.exists():
            raise DataError(f"{path} is missing: a latent model needs the autoencoder that its run keeps there")
        return {**weights.read_tree(path), **mels.load_frozen(workdir)}

    def normalise(frozen, z):
        return (z - frozen["latent_mean"]) / frozen["latent_std"]

    def encode(frozen, audio, padding="zeros"):
        log_mel = mels.encode(frozen, audio, padding)
        padded = autoencoder.clone(padding=padding)
        return normalise(frozen, padded.apply({"params": frozen["autoencoder"]}, log_mel, method="encode")[0])

    def decode(frozen, x_0, padding):
        z = x_0 * frozen["latent_std"] + frozen["latent_mean"]
        return autoencoder.clone(padding=padding).apply({"params": frozen["autoencoder"]}, z, method="decode")

    return Representation(
        domain=domain,
        feature="latent",
        of_tracks=normalise,
        init_frozen=init_frozen,
        load_frozen=load_frozen,
        encode=encode,
        to_mel=lambda frozen, x_0, padding="zeros": mels.to_mel(frozen, decode(frozen, x_0, padding)),
        to_audio=lambda frozen, x_0, keys, padding="zeros", known=None, samples=None: mels.to_audio(
            frozen, decode(frozen, x_0, padding), keys, padding, known, samples
        ),
    )
