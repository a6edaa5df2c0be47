import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers


@pytest.mark.parametrize(("start", "end"), [(-6.0, 6.0), (6.0, -6.0)], ids=["sampling", "inversion"])
def test_order_two_on_the_probability_flow(path_error, start, end):
    coarse, fine = (path_error(samplers.build("dpmpp_2m"), start, end, num_steps) for num_steps in (200, 400))
    assert fine < 5e-5
    assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.05)


def test_there_and_back_is_the_identity_to_1e_4(x64, gaussian, run):
    x_0 = gaussian.mean + gaussian.deviation * jax.random.normal(jax.random.key(9), (1, 50))
    grid = np.linspace(8.0, -8.0, 101)
    sampler = samplers.build("dpmpp_2m")
    back = run(gaussian.denoise_fn, run(gaussian.denoise_fn, x_0, sampler, grid), sampler, grid[::-1])
    assert float(jnp.abs(back - x_0).max()) < 1e-4


def test_the_first_step_and_the_last_to_data_are_those_of_ddim(gaussian, run):
    """So two steps to data are DDIM, and three, of which the middle one looks back, are not."""
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    ours, ddim = (samplers.build(name) for name in ("dpmpp_2m", "ddim"))
    for levels, same in (([-8.0, 0.0], True), ([-8.0, 0.0, 4.0], False)):
        grid = np.float32([*levels, np.inf])
        gap = jnp.abs(run(gaussian.denoise_fn, x_T, ours, grid) - run(gaussian.denoise_fn, x_T, ddim, grid)).max()
        assert (float(gap) < 1e-6) == same
