"""From samples that are free to frames that are: nothing of a frame that is known may have been made of what a mask hides."""

import numpy as np

from musicdiff.typing import Domain


def frames(free: np.ndarray, size: int, reach: int) -> np.ndarray:
    """Which frames are free: bool [B, N] of samples at the model's rate -> bool [B, T]; N = T size.

    reach: samples to each side of a frame's own that it is made of as well. A frame is free where any of them is; outside the clip nothing is.
    """
    num_samples = free.shape[1]
    total = np.pad(np.cumsum(free, axis=1), ((0, 0), (1, 0)))
    starts = np.arange(num_samples // size) * size
    low, high = np.maximum(starts - reach, 0), np.minimum(starts + size + reach, num_samples)
    return total[:, high] > total[:, low]


def reach_of(domain: Domain, n_fft: int) -> int:
    """Samples beyond its own that a frame is made of: of audio none; of a mel half a window; of a latent one frame more.

    The layers of an autoencoder reach further, and its attention everywhere, though little of it: which is why what is hidden is silenced before
    it is encoded.
    """
    if domain.samples_per_frame == 1:
        return 0
    return n_fft // 2 + (domain.samples_per_frame if domain.x_0_range is None else 0)
