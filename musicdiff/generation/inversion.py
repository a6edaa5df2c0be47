"""From audio to x_0, back to the mel that it stands for, and from x_0 to the noise that a deterministic sampler makes it of."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from musicdiff import conditioning, parallel, randomness, samplers
from musicdiff.diffusion import guidance, process
from musicdiff.errors import UsageError
from musicdiff.generation import program, settings
from musicdiff.generation.generator import Generator
from musicdiff.typing import Array, Model

INVERTIBLE = ("ddim", "heun")
REFINEMENTS = 4  # of the first step up; with them 50 steps of heun come back to 1e-3 of x_0's deviation, not to 1e-2 (docs/variations.md)


def encode(generator: Generator, audio: np.ndarray, padding: str = "zeros") -> np.ndarray:
    """Audio [B, N, C] at the model's rate -> x_0 [B, T, ...]; N a positive multiple of domain.multiple * domain.samples_per_frame.

    Raises UsageError for another length or number of channels.
    """
    domain, audio = generator.model.domain, np.asarray(audio, np.float32)
    unit = domain.multiple * domain.samples_per_frame
    if audio.ndim != 3 or audio.shape[2] != domain.channels or not audio.shape[1] or audio.shape[1] % unit:
        raise UsageError(f"audio to encode is [B, N, {domain.channels}] with N a multiple of {unit}, not {audio.shape}")
    return _encoder(generator.model, padding)(generator.frozen, audio)


def decode(generator: Generator, x_0: np.ndarray, padding: str = "zeros") -> np.ndarray:
    """x_0 [B, T, ...] -> log_mel [B, T', F, C], as the model renders it: what its vocoder makes audio of."""
    return _decoder(generator.model, padding)(generator.frozen, np.asarray(x_0, np.float32))


def invert(
    generator: Generator,
    x_0: np.ndarray,
    *,
    told: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    sampler: Mapping[str, Any] | None = None,
    windows: tuple[int, int] | None = None,
) -> np.ndarray:
    """x_T [B, T, ...] that a deterministic sampler takes to x_0: its own levels, upwards (arXiv 2010.02502, section 4.3).

    `generate` comes back with the same `told` and `sampler`, guidance=Guidance(1.0) and edit=Edit(x_T=..., windows=...). The first step up
    is to the x at the grid's cleanest level of which the model says that it is x_0.

    told: as of `generate`; without guidance
    sampler: changes to config.sampler; by default heun, which comes back more exactly than ddim (docs/samplers.md)
    windows: as of `Edit`, for clips longer than the model's own
    Raises UsageError for a sampler that adds noise, for a flow map, whose steps go one way, and what `generate` raises.
    """
    model = generator.model
    if model.flow_map:
        raise UsageError("a flow map's steps go from noise to data only: it cannot be inverted")
    if len(x_0) == 0:
        raise UsageError("nothing to invert: x_0 has no rows")
    told = [told or {}] * len(x_0) if told is None or isinstance(told, Mapping) else list(told)
    if len(told) != len(x_0):
        raise UsageError(f"{len(x_0)} clips and {len(told)} things to tell: one for each clip, or one for all")
    chosen = settings.merged_sampler(generator.config["sampler"], {"name": "heun"} | dict(sampler or {}))
    if chosen["name"] not in INVERTIBLE or chosen.get("eta", 0.0) != 0.0:
        raise UsageError(
            f"sampler {chosen['name']!r} cannot be inverted as it is set; {' and '.join(INVERTIBLE)} can, without noise (eta=0)"
        )
    grid, options = settings.grid_and_options(model, chosen)
    cond = jax.tree.map(np.asarray, conditioning.tell(model.conditions, told))
    rows = {"x_0": np.asarray(x_0, np.float32), "cond": cond}
    return _inverter(model, chosen["name"], windows)(generator.params, generator.frozen, grid[-2::-1], options, rows)


@functools.lru_cache(maxsize=8)
def _encoder(model: Model, padding: str) -> parallel.Batched:
    return parallel.Batched(lambda frozen, audio: model.encode(frozen, audio, padding))


@functools.lru_cache(maxsize=8)
def _decoder(model: Model, padding: str) -> parallel.Batched:
    return parallel.Batched(lambda frozen, x_0: model.to_mel(frozen, x_0, padding))


@functools.lru_cache(maxsize=8)
def _inverter(model: Model, sampler: str, windows: tuple[int, int] | None) -> parallel.Batched:
    def run(params, frozen, grid, options, rows) -> Array:
        x_0 = rows["x_0"]
        denoise_fn = guidance.conditional(program.denoiser(model, params, frozen, window=windows), rows["cond"])
        denoise_fn = guidance.clip(denoise_fn, model.domain.x_0_range)
        keys = randomness.seed_keys(np.zeros(len(x_0), np.uint32), "inversion")  # required, and not used without noise
        alpha, sigma = process.alpha_sigma(grid[0])
        # The last step down ends in the model's own x_0(x). It is the given one where x = alpha x_0 + sigma eps(x): a fixed point.
        start = jax.lax.fori_loop(
            0, REFINEMENTS, lambda _, x: alpha * x_0 + sigma * denoise_fn(x, grid[0]).eps, alpha * x_0
        )
        return samplers.sample(denoise_fn, start, keys, sampler=samplers.build(sampler, **options), grid=grid)

    return parallel.Batched(run)
