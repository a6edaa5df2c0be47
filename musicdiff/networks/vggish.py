"""VGGish: log-mel patches of 0.96 s -> 128 numbers. float32; trained elsewhere and only read here."""

import flax.linen as nn
from jax import Array


class Vggish(nn.Module):
    """Convolutions 3 x 3 with maxima over 2 x 2 between them, then dense layers (arXiv 1609.09430). The defaults are the published network's.

    channels: of the convolutions between two maxima
    hidden: of the two dense layers before the last, which has no ReLU here
    """

    channels: tuple[tuple[int, ...], ...] = ((64,), (128,), (256, 256), (512, 512))
    hidden: int = 4096
    width: int = 128

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, T, F], 96 frames of 64 bins as it was trained on -> [B, width]."""
        x = x[..., None]
        for i, group in enumerate(self.channels):
            for j, channels in enumerate(group):
                x = nn.relu(nn.Conv(channels, (3, 3), name=f"conv_{i}_{j}")(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        for i in range(2):
            x = nn.relu(nn.Dense(self.hidden, name=f"dense_{i}")(x))
        return nn.Dense(self.width, name="embedding")(x)
