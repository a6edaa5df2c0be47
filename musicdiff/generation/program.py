"""The compiled program of a sampling: sampler, decoder and vocoder in one."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import parallel, randomness, samplers
from musicdiff.diffusion import guidance, repaint, windows
from musicdiff.typing import Constraint, Model


def denoiser(
    model: Model, params: Any, frozen: Any, padding: str = "zeros", window: tuple[int, int] | None = None
) -> Callable:
    """The model's conditional denoiser, by overlapping windows where they are asked for (`Edit.windows`)."""
    f = model.denoise_fn(params, frozen, "zeros" if window else padding)
    return windows.overlapping(f, *window, circular=padding == "circular") if window else f


@functools.lru_cache(maxsize=16)
def build(
    model: Model,
    sampler: str,
    frames: int,
    padding: str,
    *,
    samples: int | None = None,
    mixed: bool = False,
    constrain: Callable[..., Constraint] | None = None,
    renoise: bool = False,
    window: tuple[int, int] | None = None,
) -> parallel.Batched:
    """(params, frozen, grid, options, guide, rows) -> (x_0 [B, T, ...], log_mel [B, T, F, C], audio [B, N, C]), over all devices.

    rows: {'seeds': [B], 'cond'}, and where they are asked for 'without', 'held', 'x_T', 'known'
    samples: N, where the frames are not a hop apart; mixed: whether 'cond' is a mix (`guidance.mixed`); the rest is described at `Edit`
    """
    domain = model.domain
    shape = (frames, *domain.shape[1:])

    def bind(params: Any, frozen: Any) -> Callable:
        f = denoiser(model, params, frozen, padding, window)
        return guidance.mixed(f) if mixed else f

    def run(params, frozen, grid, options, guide, rows):
        seeds, cond = rows["seeds"], rows["cond"]
        x_T = rows.get("x_T")
        if x_T is None:
            x_T = jax.vmap(lambda key: jax.random.normal(key, shape))(randomness.seed_keys(seeds, "x_T"))
        f = bind(params, frozen)
        denoise_fn = guidance.conditional(f, cond)
        if guide:
            weaker = None if guide["weaker"] is None else bind(guide["weaker"], frozen)
            denoise_fn = guidance.away_from(f, weaker, cond, rows.get("without"), **guide["numbers"])
        if not model.flow_map:  # whose x_0, on the way to a level that is not data, is no estimate of data
            denoise_fn = guidance.clip(denoise_fn, domain.x_0_range)
        built = samplers.build(sampler, **options)
        x_0 = samplers.sample(
            denoise_fn,
            x_T,
            randomness.seed_keys(seeds, "steps"),
            sampler=repaint.repaint(built) if renoise else built,
            grid=grid,
            constraint=constrain(**rows["held"]) if constrain else None,
        )
        # What both compute, a decoder, is computed once: the compiler sees that it is the same.
        log_mel = model.to_mel(frozen, x_0, padding).astype(jnp.float32)
        keys = randomness.seed_keys(seeds, "vocoder")
        return x_0, log_mel, model.to_audio(frozen, x_0, keys, padding, rows.get("known"), samples)

    return parallel.Batched(run)
