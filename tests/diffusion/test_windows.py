"""Overlapping windows: what each says of a place is blended, and no place, on a circle, is a seam."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import guidance, process, windows
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

R = 0.8  # correlation of neighbours
COND = {"style": {"value": jnp.array([0.3, -0.4]), "present": jnp.array([True, False])}}


def bend(x_t, log_snr, cond, to=None):
    """A denoiser of each place by its neighbours and its condition, which zero-pads at the ends of what it sees."""
    mean = sum(jnp.pad(x_t, ((0, 0), (1, 1), (0, 0)))[:, i : i + x_t.shape[1]] for i in range(3)) / 3
    x_0 = jnp.tanh(mean) + jnp.where(cond["style"]["present"], cond["style"]["value"], 0.0)[:, None, None]
    alpha, sigma = process.alpha_sigma(process.align(log_snr, x_t))
    return Prediction(x_0, (x_t - alpha * x_0) / sigma)


def state(frames, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(2, frames, 3)), jnp.float32)


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize(
    ("frames", "window", "hop"), [(40, 16, 8), (41, 16, 5), (37, 36, 18), (16, 16, 8), (17, 16, 16)]
)
def test_weights_sum_to_one_everywhere(frames, window, hop, circular):
    places, weights = windows.layout(frames, window, hop, circular)
    total = np.zeros(frames)
    np.add.at(total, places.ravel(), weights.ravel())
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert (weights > 0).all() and (np.diff(places[:, 0]) <= hop).all()
    assert circular or places.max() == frames - 1


def test_one_window_is_the_denoiser_itself():
    x_t = state(16)
    ours, theirs = (f(x_t, 0.5, COND) for f in (windows.overlapping(bend, 16, 8), bend))
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("log_snr", [0.5, jnp.array([-3.0, 2.0])])
def test_x_t_is_kept(log_snr, circular):
    x_t = state(40)
    x_0, eps = windows.overlapping(bend, 16, 8, circular)(x_t, log_snr, COND)
    np.testing.assert_allclose(process.diffuse(x_0, eps, log_snr), x_t, atol=1e-5)


@pytest.mark.parametrize("circular", [False, True])
def test_of_places_that_are_alone_windows_change_nothing(circular):
    def alone(x_t, log_snr, cond, to=None):
        return Prediction(jnp.tanh(x_t), jnp.sin(x_t))

    x_t = state(45)
    for a, b in zip(windows.overlapping(alone, 16, 5, circular)(x_t, 0.0, {}), alone(x_t, 0.0, {})):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_circle_has_no_seam():
    """Turned by the distance of the windows, everything turns with it."""
    f = windows.overlapping(bend, 16, 8, circular=True)
    x_t = state(40)
    turned, plain = f(jnp.roll(x_t, 8, axis=1), 0.5, COND).x_0, f(x_t, 0.5, COND).x_0
    np.testing.assert_allclose(turned, jnp.roll(plain, 8, axis=1), atol=1e-6)
    line = windows.overlapping(bend, 16, 8)(x_t, 0.5, COND).x_0
    assert np.abs(line[:, 0] - plain[:, 0]).max() > 1e-3  # a line has ends


@pytest.mark.parametrize("log_snr", [0.5, jnp.array([-3.0, 2.0])])
def test_so_many_at_once_change_nothing(monkeypatch, log_snr):
    """Groups of a few windows, the last one not full, and all at once."""
    f = windows.overlapping(bend, 16, 5)
    whole = f(state(47), log_snr, COND)
    monkeypatch.setattr(windows, "AT_ONCE", 4)
    seen = []
    few = windows.overlapping(lambda x_t, *given: seen.append(len(x_t)) or bend(x_t, *given), 16, 5)(
        state(47), log_snr, COND
    )
    assert set(seen) == {4}
    for a, b in zip(few, whole):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_each_example_keeps_its_condition():
    f = windows.overlapping(bend, 16, 8)
    both, x_t = f(state(40), 0.5, COND).x_0, state(40)
    style = COND["style"]
    for row in (slice(0, 1), slice(1, 2)):
        alone = f(x_t[row], 0.5, {"style": {name: leaf[row] for name, leaf in style.items()}}).x_0
        np.testing.assert_allclose(alone, both[row], atol=1e-6)


def law_of_samples(hop, circular, frames=96, window=32):
    """What noise becomes by the exact denoiser of r^|i - j| on what a window sees, which is linear: (matrix, covariance) [T, T], nothing drawn."""
    places = np.arange(window)
    covariance = R ** np.abs(places[:, None] - places)

    def process_of_window(x_t, log_snr, cond, to=None):
        alpha, sigma = process.alpha_sigma(log_snr)
        gain = alpha * covariance @ jnp.linalg.inv(alpha**2 * covariance + sigma**2 * jnp.eye(window))
        x_0 = jnp.einsum("ij,bjc->bic", gain, x_t)
        return Prediction(x_0, (x_t - alpha * x_0) / sigma)

    denoise_fn = guidance.conditional(windows.overlapping(process_of_window, window, hop, circular), {})
    grid = np.append(np.linspace(-12, 10, 40), np.inf)
    keys = jax.random.split(jax.random.key(0), frames)
    made = samplers.sample(denoise_fn, jnp.eye(frames)[..., None], keys, sampler=samplers.build("heun"), grid=grid)
    matrix = np.asarray(made)[..., 0]
    return matrix, matrix.T @ matrix


def decibels_off(covariance, lag, circular):
    """The mean square of x_0[i + lag] - x_0[i] beside that of the process, at each place i."""
    i = np.arange(len(covariance) if circular else len(covariance) - lag)
    j = (i + lag) % len(covariance)
    found = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    return 10 * np.log10(found / (2 - 2 * R**lag))


@pytest.mark.parametrize("circular", [False, True])
def test_a_stationary_process_is_itself_across_windows_ends(x64, circular):
    """Loudness and differences, within a window and over its ends; windows side by side, which share nothing, have seams."""
    matrix, covariance = law_of_samples(16, circular)
    loudness = 10 * np.log10(np.diag(covariance))
    assert np.abs(loudness).max() < 0.2 and np.ptp(loudness) < 0.15
    for lag in (1, 4, 12):
        assert np.abs(decibels_off(covariance, lag, circular)).max() < 0.35
    beside = decibels_off(law_of_samples(32, circular)[1], 1, circular)
    assert 6 < beside[31] == pytest.approx(beside.max())
    if circular:
        np.testing.assert_allclose(np.roll(matrix, (16, 16), axis=(0, 1)), matrix, atol=1e-12)


@pytest.mark.parametrize(("window", "hop"), [(16, 0), (16, 17)])
def test_windows_that_leave_gaps_are_refused(window, hop):
    with pytest.raises(UsageError, match="begin 1 to 16 frames apart"):
        windows.overlapping(bend, window, hop)


def test_a_clip_shorter_than_a_window_is_refused_on_a_circle():
    with pytest.raises(UsageError, match="do not fit into a clip of 8"):
        windows.overlapping(bend, 16, 8, circular=True)(state(8), 0.5, COND)
