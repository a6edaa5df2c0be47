"""musicnn: log-mel patches -> tags, and the 200 numbers before them. float32; trained elsewhere and only read here."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

TIMBRAL = (38, 67)  # mel bins that a filter spans, 7 frames wide
TEMPORAL = (128, 64, 32)  # frames that a filter spans, one mel bin high


class Musicnn(nn.Module):
    """Filters shaped for timbre and for rhythm, three convolutions over time, mean and maximum over time, two dense layers (arXiv 1909.06654)."""

    num_tags: int = 50

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """x [B, T, 96], 187 frames as it was trained on -> logits [B, num_tags], embedding [B, 200]."""
        x = Norm(name="norm_input")(x[..., None])  # [B, T, 96, 1]
        heard = []
        for i, bins in enumerate(TIMBRAL):
            h = nn.Conv(204, (7, bins), padding=((3, 3), (0, 0)), name=f"timbral_{i}")(x)
            heard.append(Norm(name=f"norm_timbral_{i}")(nn.relu(h)).max(axis=2))
        for i, frames in enumerate(TEMPORAL):
            h = nn.Conv(51, (frames, 1), name=f"temporal_{i}")(x)
            heard.append(Norm(name=f"norm_temporal_{i}")(nn.relu(h)).max(axis=2))
        h = jnp.concatenate(heard, axis=-1)  # [B, T, 561]
        layers = [h]
        for i in range(3):
            residual = h if i else 0.0
            h = residual + Norm(name=f"norm_mid_{i}")(nn.relu(nn.Conv(64, (7,), name=f"mid_{i}")(h)))
            layers.append(h)
        h = jnp.concatenate(layers, axis=-1)  # [B, T, 753]
        h = jnp.stack([h.max(axis=1), h.mean(axis=1)], axis=-1).reshape(len(h), -1)  # the two of a channel side by side
        h = nn.relu(nn.Dense(200, name="dense")(Norm(name="norm_pooled")(h)))
        embedding = Norm(name="norm_dense")(h)
        return nn.Dense(self.num_tags, name="tags")(embedding), embedding


class Norm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + 1e-3) + bias, with the moments of training: batch normalisation that learns no more."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.param("mean", nn.initializers.zeros, shape)
        variance = self.param("variance", nn.initializers.ones, shape)
        return (x - mean) * (scale * jax.lax.rsqrt(variance + 1e-3)) + bias
