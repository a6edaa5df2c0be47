"""How often a sampling evaluates its networks, counted."""

import functools
from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import samplers
from musicdiff.diffusion import guidance, repaint
from musicdiff.diffusion.guidance import Guidance
from musicdiff.typing import Prediction


@functools.lru_cache(maxsize=64)
def count_evaluations(
    sampler: str,
    options: tuple[tuple[str, float], ...],
    grid: tuple[float, ...],
    guide: Guidance | None,
    renoise: bool = False,
) -> int:
    """Evaluations of networks in one sampling: the same compiled loop over a single number, by denoisers that only count."""
    count = 0

    def tick(examples):
        nonlocal count
        count += int(examples)

    def counting(x_t, log_snr, cond, to=None):
        jax.debug.callback(tick, len(x_t))  # 2 where the model and what it is led away from are one call
        return Prediction(x_t, x_t)

    plain = guidance.conditional(counting, {})
    denoise_fn = guidance.away_from(counting, None, {}, {}, **asdict(guide)) if guide else plain

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def run(grid):
        built, keys = samplers.build(sampler, **dict(options)), jax.random.split(jax.random.key(0), 1)
        built = repaint.repaint(built) if renoise else built
        return samplers.sample(denoise_fn, jnp.zeros((1, 1)), keys, sampler=built, grid=grid)

    run(np.asarray(grid)).block_until_ready()
    jax.effects_barrier()
    return count
