"""The laws of t: samples against closed forms. Kolmogorov-Smirnov: 1.63 / sqrt(n) is passed by 1 in 100 true samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import draws, schedules
from musicdiff.errors import UsageError

N = 4000
UNCUT = {"log_snr_min": -80.0, "log_snr_max": 80.0}  # in float64 the whole schedule


def distance(values, distribution):
    """The largest difference between the distribution of values and a cumulative one."""
    return np.abs(distribution(np.sort(values)) - (np.arange(N) + 0.5) / N).max()


def draw(name, **options):
    return np.float64(jax.jit(jax.vmap(draws.build(name, **options)))(jax.random.split(jax.random.key(0), N)))


def normal(values):
    return np.float64(jax.scipy.special.ndtr(jnp.asarray(values)))


def test_uniform_times_are_uniform():
    assert distance(draw("uniform"), lambda t: t) < 1.63 / np.sqrt(N)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-1.2, 1.2), (0.7, 0.5)])
def test_logits_are_normal(mean, std):
    t = draw("logit_normal", mean=mean, std=std)
    assert (t > 0.0).all() and (t < 1.0).all()
    assert distance(t, lambda t: normal((np.log(t / (1.0 - t)) - mean) / std)) < 1.63 / np.sqrt(N)


def test_on_rectified_flow_it_is_the_law_of_edm():
    """log sigma_ve ~ N(-1.2, 1.2^2), sigma_ve = sigma / alpha: the very logits of t, and their distribution."""
    t = draw("logit_normal", mean=-1.2, std=1.2)
    with jax.enable_x64(True):
        log_sigma_ve = -0.5 * np.asarray(schedules.build("rectified_flow", **UNCUT).log_snr(jnp.asarray(t)))
    np.testing.assert_allclose(log_sigma_ve, np.log(t) - np.log1p(-t), rtol=1e-12)
    assert distance(log_sigma_ve, lambda s: normal((s + 1.2) / 1.2)) < 1.63 / np.sqrt(N)


def test_a_shift_of_the_schedule_is_a_shift_of_the_mean():
    """arXiv 2403.03206, section 5.3.2: logits moved by log(shift), after the draw or before."""
    t, moved = (draw("logit_normal", mean=mean) for mean in (0.0, np.log(3.0)))
    plain, shifted = (schedules.build("rectified_flow", shift=shift, **UNCUT).log_snr for shift in (1.0, 3.0))
    with jax.enable_x64(True):
        np.testing.assert_allclose(shifted(jnp.asarray(t)), plain(jnp.asarray(moved)), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("normal", {}, "no times 'normal'; there are: logit_normal, uniform"),
        ("uniform", {"mean": 0.0}, "times 'uniform' has no option 'mean'"),
        ("logit_normal", {"std": 0.0}, "logit_normal needs a std above 0, not 0.0"),
    ],
)
def test_bad_names_and_options_say_what_exists(name, options, message):
    with pytest.raises(UsageError, match=message):
        draws.build(name, **options)
