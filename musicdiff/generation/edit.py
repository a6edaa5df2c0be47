"""Edit: all that a creative tool changes about sampling."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.typing import Constraint, Domain, Known


def windows_over(domain: Domain, frames: int) -> tuple[int, int] | None:
    """Windows of the model's own length, half of each over the next, for a clip that is longer; None for one that is not."""
    size = domain.shape[0]
    return (size, size // 2) if frames > size else None


@dataclass(frozen=True, eq=False)
class Edit:
    """What sampling holds, where it begins and which levels it visits. Arrays have one row a seed.

    constrain: makes the constraint inside the compiled program, as constrain(**held); a function of a module, such as diffusion.constraints.inpaint
    held: its arrays [B, ...]
    x_T: the state [B, T, ...] to begin with, instead of noise drawn from the seeds
    known: audio that is there already, for a vocoder to go on from
    levels: log_snr [N + 1], the last one +inf, instead of the grid of the sampler's settings; they may rise to more noise on the way
    renoise: a step to more noise adds new noise (RePaint, arXiv 2201.09865) instead of inverting the sampler
    windows: (frames of a window, frames from one to the next): the denoiser sees overlapping windows of a longer clip
    Raises UsageError for arrays of different numbers of rows.
    """

    constrain: Callable[..., Constraint] | None = None
    held: Mapping[str, Any] = field(default_factory=dict)
    x_T: Any = None
    known: Known | None = None
    levels: Any = None
    renoise: bool = False
    windows: tuple[int, int] | None = None

    def rows(self, num: int) -> dict[str, Any]:
        """The arrays by name, each with a row for each of `num` seeds."""
        arrays = {**self.held, "x_T": self.x_T, **(self.known._asdict() if self.known else {})}
        for name, array in arrays.items():
            if array is not None and len(array) != num:
                raise UsageError(f"an edit's {name} has {len(array)} rows; {num} seeds take one each")
        named = {"held": dict(self.held) or None, "x_T": self.x_T, "known": self.known}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def grid(self) -> np.ndarray | None:
        """The levels as samplers take them."""
        return None if self.levels is None else np.asarray(self.levels, np.float32)
