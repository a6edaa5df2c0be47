"""Long clips by overlapping windows: the denoiser sees each window, what they say of a place is blended (MultiDiffusion, arXiv 2302.08113)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.errors import UsageError
from musicdiff.typing import Array, Cond, Prediction

AT_ONCE = 32  # windows that the network sees at once: of a long clip more would be memory, not speed


def overlapping(
    f: Callable[..., Prediction], window: int, hop: int, circular: bool = False
) -> Callable[..., Prediction]:
    """x_0(x_t) = sum_k w_k x_0(window k of x_t): a conditional denoiser of [B, T, ...] out of one of [B, window, ...].

    The weights of a place sum to one and fall towards a window's ends. Windows begin `hop` frames apart, the last one where it ends with the clip,
    or, circular, all around. T of one window, where it is not circular, is f itself. T >= window.
    """
    if not 1 <= hop <= window:
        raise UsageError(f"windows of {window} frames begin 1 to {window} frames apart, not {hop}")

    def windowed(x_t: Array, log_snr: Array, cond: Cond, to: Array | None = None) -> Prediction:
        batch, frames = x_t.shape[:2]
        if frames <= window and not circular:
            return f(x_t, log_snr, cond, to)
        places, weights = layout(frames, window, hop, circular)
        count = len(places)

        def repeated(leaf: Array) -> Array:
            return leaf if jnp.ndim(leaf) == 0 else jnp.repeat(leaf, count, axis=0)

        pieces = x_t[:, places].reshape(batch * count, window, *x_t.shape[2:])
        found = _in_groups(f, pieces, *jax.tree.map(repeated, (log_snr, cond, to)))

        def blend(part: Array) -> Array:
            weighted = part.reshape(batch, count, window, -1) * weights[..., None].astype(part.dtype)
            flat = weighted.reshape(batch, count * window, *part.shape[2:])
            return jnp.zeros_like(x_t).at[:, places.reshape(-1)].add(flat)

        # x_t = alpha x_0 + sigma eps holds of each window, and so of their mean.
        return Prediction(*map(blend, found))

    return windowed


def _in_groups(f: Callable[..., Prediction], x_t: Array, log_snr: Array, cond: Cond, to: Array | None) -> Prediction:
    """f of many rows [R, window, ...], one group after the other."""
    num = len(x_t)
    if num <= AT_ONCE:
        return f(x_t, log_snr, cond, to)
    groups = -(-num // AT_ONCE)
    rows = np.resize(np.arange(num), (groups, -(-num // groups)))  # the last group is filled up
    leaves, structure = jax.tree.flatten((x_t, log_snr, cond, to))
    of_rows = [leaf[rows] for leaf in leaves if jnp.ndim(leaf)]

    def group(found: list[Array]) -> Prediction:
        found = iter(found)
        return f(*structure.unflatten(next(found) if jnp.ndim(leaf) else leaf for leaf in leaves))

    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:num], jax.lax.map(group, of_rows))


def layout(frames: int, window: int, hop: int, circular: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where windows lie and what they count: places [K, window] along T, weights [K, window] that sum to one at every place.

    Raises UsageError for a clip shorter than a window.
    """
    if frames < window:
        raise UsageError(f"windows of {window} frames do not fit into a clip of {frames}")
    last = frames if circular else frames - window
    count = -(-last // hop) if circular else -(-last // hop) + 1
    starts = np.round(np.arange(count) * last / (count if circular else max(count - 1, 1))).astype(int)
    places = (starts[:, None] + np.arange(window)) % frames
    rise = np.minimum(np.arange(window) + 0.5, window - np.arange(window) - 0.5)  # a triangle that is nowhere zero
    total = np.zeros(frames)
    np.add.at(total, places.reshape(-1), np.tile(rise, count))
    return places, rise / total[places]
