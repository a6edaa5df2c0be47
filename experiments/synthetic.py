"""Gaussian embeddings whose scores are known: what fad_bias.py and fad_coverage.py measure by."""

import math
from dataclasses import dataclass

import numpy as np

from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.moments import Moments


@dataclass(frozen=True)
class Law:
    """Windows N(m, S) in `width` numbers against the reference N(0, S_r), S_r diagonal.

    shift: m in deviations of the reference, the length of the vector; scale: of the deviations
    alike: correlation of two windows of a clip; decay: of the reference's deviations from one number to the next
    """

    width: int
    shift: float = 0.0
    scale: float = 1.0
    alike: float = 0.0
    decay: float = 0.9

    @property
    def deviations(self) -> np.ndarray:
        return self.decay ** np.arange(self.width)

    @property
    def mean(self) -> np.ndarray:
        return self.shift * self.deviations / math.sqrt(self.width)

    @property
    def reference(self) -> Moments:
        return Moments(np.zeros(self.width), np.diag(self.deviations**2))

    @property
    def truth(self) -> float:
        """The Fréchet distance to the reference."""
        return float(self.mean @ self.mean + ((self.scale - 1.0) ** 2 * self.deviations**2).sum())

    def kad(self, bandwidth: float) -> float:
        """100 MMD^2 to the reference: E k of differences N(d, V), each number's (1 + v / s^2)^-1/2 exp(-d^2 / (2 (s^2 + v)))."""
        own, real, square = (self.scale * self.deviations) ** 2, self.deviations**2, bandwidth**2

        def kernel(variance, apart):
            return np.prod(np.sqrt(square / (square + variance)) * np.exp(-(apart**2) / (2 * (square + variance))))

        return 100.0 * (kernel(2 * own, 0.0) + kernel(2 * real, 0.0) - 2.0 * kernel(own + real, self.mean))

    def draw(self, rng: np.random.Generator, clips: int, windows: int, shared: np.ndarray | None = None) -> Embedded:
        """Clips of so many windows each. shared: [clips, width], what the clips are made of, in common with others' clips."""
        shared = rng.normal(size=(clips, self.width)) if shared is None else shared
        own = rng.normal(size=(clips, windows, self.width))
        z = math.sqrt(self.alike) * shared[:, None] + math.sqrt(1.0 - self.alike) * own
        x = self.mean + self.scale * self.deviations * z
        return Embedded(np.repeat(np.arange(clips), windows), x.reshape(-1, self.width).astype(np.float32))
