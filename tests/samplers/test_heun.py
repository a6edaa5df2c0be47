import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers


@pytest.mark.parametrize(("start", "end"), [(-6.0, 6.0), (6.0, -6.0)], ids=["sampling", "inversion"])
def test_order_two_on_the_probability_flow(path_error, start, end):
    coarse, fine = (path_error(samplers.build("heun"), start, end, num_steps) for num_steps in (200, 400))
    assert fine < 5e-5
    assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.05)


def test_there_and_back_is_the_identity_to_1e_4(x64, gaussian, run):
    x_0 = gaussian.mean + gaussian.deviation * jax.random.normal(jax.random.key(9), (1, 50))
    grid = np.linspace(8.0, -8.0, 101)
    sampler = samplers.build("heun")
    back = run(gaussian.denoise_fn, run(gaussian.denoise_fn, x_0, sampler, grid), sampler, grid[::-1])
    assert float(jnp.abs(back - x_0).max()) < 1e-4


@pytest.mark.parametrize(("last", "evaluations"), [(np.inf, 9), (6.0, 10)])
def test_the_last_step_to_data_takes_one_evaluation(gaussian, run, last, evaluations):
    count = []

    def counted(x_t, log_snr, to=None):
        assert to is None  # a flow map's jump is no slope
        jax.debug.callback(lambda: count.append(1))
        return gaussian.denoise_fn(x_t, log_snr)

    grid = np.append(np.linspace(-6.0, 5.0, 5), last).astype(np.float32)
    jax.block_until_ready(run(counted, jnp.ones((1, 4)), samplers.build("heun"), grid))
    jax.effects_barrier()
    assert len(count) == evaluations


def test_more_exact_than_ddim_at_the_same_cost(path_error):
    heun = path_error(samplers.build("heun"), -6.0, 6.0, 25)
    assert heun < 0.2 * path_error(samplers.build("ddim"), -6.0, 6.0, 50)
