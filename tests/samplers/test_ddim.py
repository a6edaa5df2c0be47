import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import grids, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

GRID = grids.build("trailing", schedules.cosine(), 8)


@pytest.mark.parametrize(("start", "end"), [(-6.0, 6.0), (6.0, -6.0)], ids=["sampling", "inversion"])
def test_order_one_on_the_probability_flow(path_error, start, end):
    coarse, fine = (path_error(samplers.build("ddim"), start, end, num_steps) for num_steps in (200, 400))
    assert fine < 2e-2
    assert np.log2(coarse / fine) == pytest.approx(1.0, abs=0.05)


def test_eta_1_is_ddpm_with_the_same_noise(x64, gaussian, run):
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    ddim, ddpm = samplers.build("ddim", eta=1.0), samplers.build("ddpm")
    ours, ancestral = (run(gaussian.denoise_fn, x_T, sampler, GRID) for sampler in (ddim, ddpm))
    np.testing.assert_allclose(ours, ancestral, rtol=0, atol=1e-13)


def test_eta_0_is_bit_identical_whatever_the_seed_and_all_of_eta_is_one_program(gaussian):
    compiled = []

    @jax.jit
    def sample(x_T, keys, eta):
        compiled.append(eta)
        return samplers.sample(gaussian.denoise_fn, x_T, keys, sampler=samplers.build("ddim", eta=eta), grid=GRID)

    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    keys, others = jax.random.split(jax.random.key(0), 3), jax.random.split(jax.random.key(1), 3)
    once = sample(x_T, keys, np.float32(0.0))
    np.testing.assert_array_equal(once, sample(x_T, keys, np.float32(0.0)))
    np.testing.assert_array_equal(once, sample(x_T, others, np.float32(0.0)))
    half, half_other = sample(x_T, keys, np.float32(0.5)), sample(x_T, others, np.float32(0.5))
    assert float(jnp.abs(half - once).max()) > 0.01 and float(jnp.abs(half - half_other).max()) > 0.01
    assert len(compiled) == 1


def test_one_giant_stochastic_step_is_not_nan(gaussian, run):
    """All of the noise is new: 1 - eta^2 (1 - r) rounds to zero and must not fall below it."""
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    assert jnp.isfinite(run(gaussian.denoise_fn, x_T, samplers.build("ddim", eta=1.0), np.float32([-20.0, 9.7]))).all()


def test_inversion_returns_to_the_noise_it_came_from(x64, gaussian, run):
    x_T = jax.random.normal(jax.random.key(9), (1, 50))
    grid = np.linspace(-6.0, 6.0, 401)
    sampler = samplers.build("ddim", eta=1.0)  # upwards no noise is added, whatever eta is
    x_s = run(gaussian.denoise_fn, gaussian.flow(x_T, -6.0, 6.0), sampler, grid[::-1])
    np.testing.assert_allclose(x_s, x_T, atol=2e-2)


def test_inversion_from_data_itself_is_finite(gaussian, run):
    grid = np.append(np.float32(np.inf), np.linspace(8.0, -8.0, 20, dtype=np.float32))
    assert jnp.isfinite(run(gaussian.denoise_fn, jnp.ones((2, 4)), samplers.build("ddim"), grid)).all()


def test_a_flow_map_is_asked_for_the_level_that_is_wanted_and_upwards_for_its_own():
    def flow_map(x_t, log_snr, to=None):
        return Prediction(jnp.full_like(x_t, to), jnp.zeros_like(x_t))

    step = samplers.build("ddim").step
    keys = jax.random.split(jax.random.key(0), 1)
    down, _ = step(flow_map, jnp.zeros((1, 1)), None, jnp.float32(-1.0), jnp.float32(2.0), keys)
    up, _ = step(flow_map, jnp.zeros((1, 1)), None, jnp.float32(2.0), jnp.float32(-1.0), keys)
    assert float(down[0, 0]) == pytest.approx(2.0 * np.sqrt(1 / (1 + np.exp(-2.0))))
    assert float(up[0, 0]) == pytest.approx(2.0 * np.sqrt(1 / (1 + np.exp(1.0))))


@pytest.mark.parametrize("eta", [-0.1, 1.5])
def test_eta_out_of_range_is_refused(eta):
    with pytest.raises(UsageError, match="eta must be within 0 and 1"):
        samplers.build("ddim", eta=eta)
