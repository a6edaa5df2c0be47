"""The one sampling loop (musicdiff/samplers/__init__.py), whatever the sampler."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import constraints, process
from musicdiff.errors import UsageError
from musicdiff.typing import Sampler

GRID = np.float32([-6.0, -2.0, 1.0, np.inf])
KEYS = jax.random.split(jax.random.key(0), 3)


def test_a_constraint_sees_x_T_and_the_end_of_every_step(gaussian, run):
    """A sampler that stands still, a constraint that adds one."""
    still = Sampler(lambda x_T: None, lambda denoise_fn, x_t, carry, log_snr_t, log_snr_s, keys: (x_t, carry))
    seen = []

    def add(x_s, log_snr_s, keys):
        jax.debug.callback(lambda level: seen.append(float(level)), log_snr_s, ordered=True)
        return x_s + 1.0

    x = run(gaussian.denoise_fn, jnp.zeros((3, 2)), still, GRID, constraint=add)
    jax.effects_barrier()
    np.testing.assert_array_equal(x, 4.0)
    assert seen == GRID.tolist()


def test_every_step_and_its_constraint_draw_their_own_noise():
    drawn = []

    def note(keys):
        jax.debug.callback(
            lambda data: drawn.extend(map(tuple, np.asarray(data).tolist())), jax.random.key_data(keys), ordered=True
        )

    def step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, keys):
        note(keys)
        return x_t, carry

    def constraint(x_s, log_snr_s, keys):
        note(keys)
        return x_s

    sampler = Sampler(lambda x_T: None, step)
    samplers.sample(None, jnp.zeros((3, 2)), KEYS, sampler=sampler, grid=GRID, constraint=constraint)
    jax.effects_barrier()
    assert len(drawn) == len(set(drawn)) == 3 * (1 + 3 + 3)  # examples x (x_T, the steps, their constraints)


def test_the_carry_goes_from_step_to_step():
    def step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, keys):
        return x_t + carry, carry + 1.0

    x = samplers.sample(None, jnp.zeros((3, 1)), KEYS, sampler=Sampler(lambda x_T: 0.0, step), grid=GRID)
    np.testing.assert_array_equal(x, 0.0 + 1.0 + 2.0)


def test_strength_0_of_sdedit_returns_the_input_and_1_ignores_it(gaussian, run):
    x_0, eps, x_T = jax.random.normal(jax.random.key(1), (3, 3, 8))
    starts = jnp.array([np.inf, -2.0, -np.inf])
    sampler = samplers.build("heun")
    edited = run(gaussian.denoise_fn, x_T, sampler, GRID, constraint=constraints.sdedit(x_0, eps, starts))
    np.testing.assert_array_equal(edited[0], x_0[0])
    middle = run(gaussian.denoise_fn, process.diffuse(x_0, eps, -2.0), sampler, GRID[1:])
    np.testing.assert_allclose(edited[1], middle[1], atol=1e-6)
    np.testing.assert_allclose(edited[2], run(gaussian.denoise_fn, x_T, sampler, GRID)[2], atol=1e-6)


def test_unknown_samplers_and_options_are_refused():
    with pytest.raises(UsageError, match=r"no 'dimm' in musicdiff/samplers; there are: .*ddim, ddpm, .*heun"):
        samplers.build("dimm")
    with pytest.raises(UsageError, match=r"sampler 'ddim' has no option 'etta'; did you mean 'eta'\?"):
        samplers.build("ddim", etta=1.0)
    with pytest.raises(UsageError, match="sampler 'heun' has no option 'eta'; there are: none"):
        samplers.build("heun", eta=0.0)
