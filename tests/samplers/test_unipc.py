import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import process
from musicdiff.typing import Prediction


@pytest.mark.parametrize(("start", "end"), [(-6.0, 6.0), (6.0, -6.0)], ids=["sampling", "inversion"])
def test_order_three_on_the_probability_flow(path_error, start, end):
    coarse, fine = (path_error(samplers.build("unipc"), start, end, num_steps) for num_steps in (200, 400))
    assert fine < 1e-6
    assert np.log2(coarse / fine) == pytest.approx(3.0, abs=0.05)


def test_order_three_on_uneven_steps(x64, gaussian, run):
    """Levels even in another variable, so that every step is longer than the one before."""
    x_t, errors = jnp.linspace(-1.0, 1.0, 9)[None], []
    for num_steps in (200, 400):
        grid = -6.0 + 12.0 * np.linspace(0.0, 1.0, num_steps + 1) ** 1.5
        x_s = run(gaussian.denoise_fn, x_t, samplers.build("unipc"), grid)
        errors.append(np.abs(x_s - gaussian.flow(x_t, -6.0, 6.0)).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(3.0, abs=0.1)


def test_there_and_back_is_the_identity_to_1e_4(x64, gaussian, run):
    x_0 = gaussian.mean + gaussian.deviation * jax.random.normal(jax.random.key(9), (1, 50))
    grid = np.linspace(8.0, -8.0, 101)
    sampler = samplers.build("unipc")
    back = run(gaussian.denoise_fn, run(gaussian.denoise_fn, x_0, sampler, grid), sampler, grid[::-1])
    assert float(jnp.abs(back - x_0).max()) < 1e-4


def test_a_corrected_step_is_exact_where_x_0_is_quadratic_in_the_level(x64):
    """Against sigma_t / sigma_r x_r + sigma_t (integral from r to t of e^l x_0(l) dl, l = log_snr / 2), by parts.

    The correction is made at the start of the next step; one that stands still shows it.
    """

    def x_0_at(log_snr):
        return 0.3 + 0.2 * log_snr - 0.1 * log_snr**2

    def integral(log_snr):  # e^l (D - D' + D''), derivatives by l
        return np.exp(log_snr / 2) * (x_0_at(log_snr) - 2 * (0.2 - 0.2 * log_snr) - 0.8)

    def denoise_fn(x_t, log_snr, to=None):
        alpha, sigma = process.alpha_sigma(log_snr)
        x_0 = jnp.full_like(x_t, x_0_at(log_snr))
        return Prediction(x_0, (x_t - alpha * x_0) / sigma)

    sampler, keys = samplers.build("unipc"), jax.random.split(jax.random.key(0), 1)
    q, r, t = -2.0, -0.7, 1.1
    x_q = jnp.array([[0.5]])
    x_r, carry_r = sampler.step(denoise_fn, x_q, sampler.init(x_q), q, r, keys)
    x_t, carry_t = sampler.step(denoise_fn, x_r, carry_r, r, t, keys)
    x_r, _ = sampler.step(denoise_fn, x_r, carry_r, r, r, keys)
    corrected, _ = sampler.step(denoise_fn, x_t, carry_t, t, t, keys)
    sigma_r, sigma_t = process.alpha_sigma(r)[1], process.alpha_sigma(t)[1]
    exact = sigma_t / sigma_r * x_r + sigma_t * (integral(t) - integral(r))
    np.testing.assert_allclose(corrected, exact, rtol=1e-12)
    assert float(jnp.abs(x_t - exact).max()) > 1e-2  # predicted only


@pytest.mark.parametrize("last", [6.0, np.inf])
def test_the_corrector_costs_no_evaluation(gaussian, run, last):
    count = []

    def counted(x_t, log_snr, to=None):
        jax.debug.callback(lambda: count.append(1))
        return gaussian.denoise_fn(x_t, log_snr)

    grid = np.append(np.linspace(-6.0, 5.0, 5), last).astype(np.float32)
    jax.block_until_ready(run(counted, jnp.ones((1, 4)), samplers.build("unipc"), grid))
    jax.effects_barrier()
    assert len(count) == 5


def test_what_a_constraint_has_made_of_x_t_stays(x64):
    """Where x_0 does not depend on x_t, a change of x_t goes to x_s as sigma_s / sigma_t of it, corrected or not."""

    def denoise_fn(x_t, log_snr, to=None):
        alpha, sigma = process.alpha_sigma(log_snr)
        x_0 = jnp.full_like(x_t, jnp.sin(log_snr))
        return Prediction(x_0, (x_t - alpha * x_0) / sigma)

    sampler, keys = samplers.build("unipc"), jax.random.split(jax.random.key(0), 1)
    x = jnp.array([[0.5]])
    carry = sampler.init(x)
    for t, s in ((-3.0, -2.0), (-2.0, -0.5)):
        x, carry = sampler.step(denoise_fn, x, carry, t, s, keys)
    plain, _ = sampler.step(denoise_fn, x, carry, -0.5, 1.0, keys)
    edited, _ = sampler.step(denoise_fn, x + 2.0, carry, -0.5, 1.0, keys)
    ratio = process.alpha_sigma(1.0)[1] / process.alpha_sigma(-0.5)[1]
    np.testing.assert_allclose(edited - plain, 2.0 * ratio, rtol=1e-12)
