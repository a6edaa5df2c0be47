import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.typing import Prediction


@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_an_exact_flow_map_gives_the_data_in_any_number_of_steps(gaussian, run, num_steps):
    grid = np.append(np.linspace(-8.0, 4.0, num_steps), np.inf).astype(np.float32)
    mean, width = gaussian.marginal(grid[0])
    x_T = mean + width * jax.random.normal(jax.random.key(9), (1, 40_000))
    x = np.asarray(run(gaussian.flow_map, x_T, samplers.build("pingpong"), grid))
    assert x.mean() == pytest.approx(gaussian.mean, abs=4 * gaussian.deviation / np.sqrt(x.size))
    assert x.var() == pytest.approx(gaussian.deviation**2, rel=4 * np.sqrt(2 / x.size))


def test_it_asks_for_data_and_says_that_it_needs_a_flow_map():
    def flow_map(x_t, log_snr, to=None):
        return Prediction(jnp.full_like(x_t, to), jnp.zeros_like(x_t))

    keys = jax.random.split(jax.random.key(0), 1)
    x_s, _ = samplers.build("pingpong").step(
        flow_map, jnp.zeros((1, 1)), None, jnp.float32(-1.0), jnp.float32(2.0), keys
    )
    assert float(x_s[0, 0]) == np.inf
    assert samplers.build("pingpong").flow_maps
