"""RePaint: going back makes what is filled in fit to what is known; without a way back it is the sampler."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import constraints, process
from musicdiff.diffusion.repaint import repaint, rewound
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

RHO, KNOWN = 0.95, 1.5
COVARIANCE = np.array([[1.0, RHO], [RHO, 1.0]])
GRID = np.append(np.linspace(-8, 8, 24), np.inf).astype(np.float32)


def pair(x_t, log_snr, to=None):
    """The exact denoiser of two values that go together, [B, 2]."""
    alpha, sigma = process.alpha_sigma(log_snr)
    gain = alpha * COVARIANCE @ jnp.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * jnp.eye(2))
    x_0 = jnp.matmul(x_t, gain.T, precision="highest")
    return Prediction(x_0, (x_t - alpha * x_0) / sigma)


def fill(name, levels, num=4096):
    """The second value, the first one known."""
    keys = jax.random.split(jax.random.key(0), num)
    x_0 = jnp.tile(jnp.array([KNOWN, 0.0]), (num, 1))
    constraint = constraints.inpaint(x_0, jnp.array([False, True]))
    built = repaint(samplers.build(name))
    x_T = jax.random.normal(jax.random.key(1), (num, 2))
    return np.asarray(samplers.sample(pair, x_T, keys, sampler=built, grid=levels, constraint=constraint))[:, 1]


@pytest.mark.parametrize("name", ["ddim", "ddpm", "dpmpp_2m", "unipc"])
def test_going_back_comes_nearer_to_what_fits(name):
    """E[b | a] = rho a; one pass is far from it, ten are near, by samplers that remember steps too."""
    errors = [abs(fill(name, rewound(GRID, 4, times)).mean() - RHO * KNOWN) for times in (1, 3, 10)]
    assert errors[0] > 2 * errors[1] > 2 * errors[2] or errors[2] < 0.03, errors
    assert errors[2] < 0.12 < errors[0], errors


@pytest.mark.parametrize("name", ["ddim", "ddpm", "heun", "dpmpp_2m", "unipc"])
def test_without_a_way_back_it_is_the_sampler(x64, name):
    x_T, keys = jax.random.normal(jax.random.key(1), (8, 2)), jax.random.split(jax.random.key(0), 8)
    plain, wrapped = (
        samplers.sample(pair, x_T, keys, sampler=built, grid=GRID)
        for built in (samplers.build(name), repaint(samplers.build(name)))
    )
    np.testing.assert_allclose(wrapped, plain, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["dpmpp_2m", "unipc"])
def test_what_a_sampler_remembers_is_forgotten_on_the_way_back(name):
    built = repaint(samplers.build(name))
    x_t, keys = jnp.ones((2, 2)), jax.random.split(jax.random.key(0), 2)
    x_s, carry = built.step(pair, x_t, built.init(x_t), jnp.float32(-2), jnp.float32(-1), keys)
    x_t, fresh = built.step(pair, x_s, carry, jnp.float32(-1), jnp.float32(-2), keys)
    remembered, ours, new = map(jax.tree.leaves, (carry, fresh, built.init(x_t)))
    assert not all(map(np.array_equal, remembered, new))
    for a, b in zip(ours, new, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_up_is_the_process_itself():
    """From x at one level to a noisier one: mean alpha ratio, and together unit variance again."""
    x_t = jnp.full((20_000, 2), 0.7)
    keys = jax.random.split(jax.random.key(0), len(x_t))
    built = repaint(samplers.build("ddim"))
    for clean, noisy in ((3.0, -1.0), (np.inf, 0.0)):
        x_s, _ = built.step(pair, x_t, built.init(x_t), jnp.float32(clean), jnp.float32(noisy), keys)
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (process.alpha_sigma(jnp.float32(level)) for level in (clean, noisy))
        ratio = alpha_s / alpha_t
        assert float(x_s.mean()) == pytest.approx(float(0.7 * ratio), abs=0.02)
        assert float(x_s.std()) == pytest.approx(float(jnp.sqrt(sigma_s**2 - (ratio * sigma_t) ** 2)), rel=0.02)


def test_levels_go_back_and_through_again():
    levels = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, np.inf])
    np.testing.assert_array_equal(rewound(levels, 2, 1), levels)
    np.testing.assert_array_equal(rewound(levels, 2, 2), [-3, -2, -1, -3, -2, -1, 0, 1, -1, 0, 1, np.inf, 1, np.inf])
    falls = (np.diff(rewound(levels, 2, 3)) < 0).sum()
    assert falls == 3 * 2 and rewound(levels, 2, 3)[-1] == np.inf


@pytest.mark.parametrize(("jump", "times"), [(0, 2), (2, 0)])
def test_stretches_of_nothing_are_refused(jump, times):
    with pytest.raises(UsageError, match="at least once"):
        rewound(GRID, jump, times)
