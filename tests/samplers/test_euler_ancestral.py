import jax
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.errors import UsageError

GRID = np.append(np.linspace(-8.0, 6.0, 12), np.inf)


@pytest.mark.parametrize("eta", [0.6, 1.0])
def test_it_is_ddim_of_that_eta_with_the_same_noise(x64, gaussian, run, eta):
    x_T = jax.random.normal(jax.random.key(9), (3, 50))
    ours, ddim = (
        run(gaussian.denoise_fn, x_T, samplers.build(name, eta=eta), GRID) for name in ("euler_ancestral", "ddim")
    )
    np.testing.assert_allclose(ours, ddim, rtol=0, atol=1e-13)


def test_towards_noise_it_is_euler(x64, gaussian, run):
    x_0 = jax.random.normal(jax.random.key(9), (3, 50))
    ours, euler = (
        run(gaussian.denoise_fn, x_0, samplers.build(name), GRID[-2::-1]) for name in ("euler_ancestral", "euler")
    )
    np.testing.assert_allclose(ours, euler, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("eta", "allowed"),
    [
        (-0.1, "0 or more"),
        (float("nan"), "0 or more"),
        (float("inf"), "0 or more"),
        ("much", "a number"),
        (None, "a number"),
    ],
)
def test_a_bad_eta_is_refused(eta, allowed):
    with pytest.raises(UsageError, match=f"'euler_ancestral': eta must be {allowed}, not"):
        samplers.build("euler_ancestral", eta=eta)
