"""The autoencoder of the latent model: L1 + KL, and after a given step a patch-GAN (arXiv 2112.10752, section G)."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice, representations
from musicdiff.audio.mel import MelSpec
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.discriminator import PatchDiscriminator
from musicdiff.typing import Model, Vocoder


def build(
    spec: MelSpec,
    vocoder: Vocoder,
    where: str,
    network: Mapping[str, Any],
    dtype: str,
    *,
    frames: int,
    kl_weight: float = 1e-6,
    adversarial_weight: float = 0.0,
    adversarial_start: int = 0,
    discriminator: Mapping[str, Any] | None = None,
) -> Model:
    """An autoencoder trained on crops of `frames` mel frames. network: of Autoencoder; discriminator: of PatchDiscriminator.

    adversarial_weight: of the generator's hinge loss from step adversarial_start on; 0 leaves the discriminator out
    """
    sizes = {"in_channels": spec.channels}
    autoencoder = choice.call(f"{where}.network", Autoencoder, network, **sizes, dtype=jnp.dtype(dtype))
    critic = None
    if adversarial_weight:
        critic = choice.call(f"{where}.model.discriminator", PatchDiscriminator, discriminator or {}, **sizes)
    mels = representations.of_mels(spec, vocoder, frames, autoencoder.multiple, where)

    def init(key):
        key_autoencoder, key_critic = jax.random.split(key)
        clip = jax.ShapeDtypeStruct((1, *mels.domain.shape), jnp.float32)
        params = {"autoencoder": autoencoder.lazy_init(key_autoencoder, clip)["params"]}
        if critic:
            params["discriminator"] = critic.lazy_init(key_critic, clip)["params"]
        return params

    def encode(params, x):
        return autoencoder.apply({"params": params["autoencoder"]}, x, method="encode")

    def decode(params, z):
        return autoencoder.apply({"params": params["autoencoder"]}, z, method="decode")

    def loss(params, frozen, batch, keys, step):
        x = batch["x_0"]
        mean, log_var = encode(params, x)
        noise = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:], mean.dtype))(keys)
        y = decode(params, mean + jnp.exp(0.5 * log_var) * noise)
        absolute = _mean(jnp.abs(x - y))
        # KL(N(mean, var) || N(0, 1)), mean an element, so that kl_weight does not depend on the clip's size.
        divergence = _mean(0.5 * (mean**2 + jnp.exp(log_var) - 1.0 - log_var))
        losses = absolute + kl_weight * divergence
        metrics = {"l1": absolute, "kl": divergence, "error_db": absolute * spec.db_range / 2}
        if critic:
            fooled, told_apart = _adversarial(critic, params["discriminator"], x, y)
            active = step >= adversarial_start
            losses = losses + jnp.where(active, adversarial_weight * fooled + told_apart, 0.0)
            metrics |= {"generator": fooled, "discriminator": told_apart}
        return losses, metrics

    def reconstruct(params, frozen, x_0):
        return decode(params, encode(params, x_0)[0])

    return mels.model(
        init=init,
        loss=loss,
        denoise_fn=None,
        reconstruct=reconstruct,
        held_until={"discriminator": adversarial_start} if critic else {},
    )


def _adversarial(critic: PatchDiscriminator, params, x, y):
    """Hinge losses [B] of generator and discriminator; each sees the other's parameters as constants."""

    def judge(params, clip):
        return critic.apply({"params": params}, clip)

    fooled = -_mean(judge(jax.lax.stop_gradient(params), y))
    real, fake = judge(params, x), judge(params, jax.lax.stop_gradient(y))
    told_apart = 0.5 * (_mean(jax.nn.relu(1.0 - real)) + _mean(jax.nn.relu(1.0 + fake)))
    return fooled, told_apart


def _mean(x):
    return jnp.mean(x.astype(jnp.float32), axis=tuple(range(1, x.ndim)))  # [B]
