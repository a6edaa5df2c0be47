import jax
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.errors import UsageError

GRID = np.append(np.linspace(-8.0, 6.0, 12), np.inf)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_without_noise_or_towards_it_it_is_dpmpp_2m(x64, gaussian, run, eta):
    x_t = jax.random.normal(jax.random.key(9), (3, 50))
    grid = GRID if eta == 0.0 else GRID[-2::-1]
    ours = run(gaussian.denoise_fn, x_t, samplers.build("dpmpp_2m_sde", eta=eta), grid)
    np.testing.assert_allclose(
        ours, run(gaussian.denoise_fn, x_t, samplers.build("dpmpp_2m"), grid), rtol=0, atol=1e-13
    )


def test_its_first_step_at_eta_1_is_that_of_ddpm(x64, gaussian, run):
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    grid = np.array([-3.0, 2.0])
    ours, ddpm = (run(gaussian.denoise_fn, x_T, samplers.build(name), grid) for name in ("dpmpp_2m_sde", "ddpm"))
    np.testing.assert_allclose(ours, ddpm, rtol=0, atol=1e-13)


def test_a_bad_eta_is_refused():
    with pytest.raises(UsageError, match="'dpmpp_2m_sde': eta must be 0 or more, not -1"):
        samplers.build("dpmpp_2m_sde", eta=-1.0)
