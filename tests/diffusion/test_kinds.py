"""The kinds of network against the papers' own formulas, in the papers' own coordinates, in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import kinds, process
from musicdiff.errors import UsageError

LEVELS = np.array([-20.0, -7.3, -1.0, 0.0, 2.5, 9.2, 20.0])
SIGMA_VE = np.exp(-0.5 * LEVELS)[:, None, None]  # sigma / alpha: EDM's sigma
T = SIGMA_VE / (1.0 + SIGMA_VE)  # rectified flow's t


@pytest.fixture
def pair(x64):
    """x_0 and eps [7, 4, 3], one level an example, and the x_t of them."""
    x_0, eps = jnp.asarray(np.random.default_rng(0).normal(size=(2, len(LEVELS), 4, 3)))
    return x_0, eps, jnp.asarray(LEVELS), process.diffuse(x_0, eps, jnp.asarray(LEVELS))


def test_flow_is_rectified_flow(pair):
    x_0, eps, log_snr, x_t = pair
    x_rf = (1.0 - T) * x_0 + T * eps
    np.testing.assert_allclose(process.network_input(kinds.flow(), x_t, log_snr), x_rf, rtol=1e-12)
    np.testing.assert_allclose(process.target(kinds.flow(), x_0, eps, log_snr), eps - x_0, rtol=1e-12)
    u = jnp.tanh(x_rf)  # a network that is wrong: x_0 = x_rf - t u, eps = x_rf + (1 - t) u
    predicted = process.prediction(kinds.flow(), u, x_t, log_snr)
    np.testing.assert_allclose(predicted.x_0, x_rf - T * u, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(predicted.eps, x_rf + (1.0 - T) * u, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 3.0])
def test_edm_is_table_1_of_its_paper(pair, sigma_data):
    x_0, eps, log_snr, x_t = pair
    x_ve = x_0 + SIGMA_VE * eps
    c_skip = sigma_data**2 / (SIGMA_VE**2 + sigma_data**2)
    c_out = SIGMA_VE * sigma_data / np.sqrt(SIGMA_VE**2 + sigma_data**2)
    c_in = 1.0 / np.sqrt(SIGMA_VE**2 + sigma_data**2)
    edm = kinds.edm(sigma_data)
    np.testing.assert_allclose(process.network_input(edm, x_t, log_snr), c_in * x_ve, rtol=1e-12)
    target = process.target(edm, x_0, eps, log_snr)
    np.testing.assert_allclose(target, (x_0 - c_skip * x_ve) / c_out, rtol=1e-9, atol=1e-9)
    output = jnp.tanh(x_t)
    predicted = process.prediction(edm, output, x_t, log_snr)
    np.testing.assert_allclose(predicted.x_0, c_skip * x_ve + c_out * output, rtol=1e-10, atol=1e-14)
    weight = (SIGMA_VE**2 + sigma_data**2) / (SIGMA_VE * sigma_data) ** 2  # EDM's lambda, of the error of x_0
    error = process.x_0_error(edm, log_snr)
    np.testing.assert_allclose(error, 1.0 / weight[:, 0, 0], rtol=1e-12)
    np.testing.assert_allclose(weight[:, 0, 0], np.exp(LEVELS) + sigma_data**-2, rtol=1e-12)


def test_edm_of_data_of_unit_deviation_is_v_up_to_sign(pair):
    x_0, eps, log_snr, x_t = pair
    np.testing.assert_allclose(process.network_input(kinds.edm(1.0), x_t, log_snr), x_t, rtol=1e-14)
    edm, v = (process.target(kind, x_0, eps, log_snr) for kind in (kinds.edm(1.0), kinds.v()))
    np.testing.assert_allclose(edm, -v, rtol=1e-13)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_the_determinant_is_that_of_the_two_views(x64, kind):
    alpha, sigma = process.alpha_sigma(jnp.asarray(LEVELS))
    view = kinds.build(kind)(alpha, sigma)
    np.testing.assert_allclose(alpha * view.of_eps - sigma * view.of_x_0, view.determinant * jnp.ones(7), rtol=1e-12)


@pytest.mark.parametrize("sigma_data", [0.25, 2.0])
def test_edm_keeps_data_of_that_deviation_at_unit_variance(x64, sigma_data):
    """What it sees and what it says, at every level: the reason for the preconditioning."""
    alpha, sigma = process.alpha_sigma(jnp.asarray(LEVELS))
    view = kinds.edm(sigma_data)(alpha, sigma)
    np.testing.assert_allclose(view.seen**2 * ((alpha * sigma_data) ** 2 + sigma**2), 1.0, rtol=1e-12)
    np.testing.assert_allclose((view.of_x_0 * sigma_data) ** 2 + view.of_eps**2, 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("score", {}, "no prediction 'score'; there are: edm, eps, flow, v, x_0"),
        ("v", {"sigma_data": 1.0}, "prediction 'v' has no option 'sigma_data'; there are: none"),
        ("edm", {"sigma": 1.0}, "prediction 'edm' has no option 'sigma'"),
        ("edm", {"sigma_data": 0.0}, "sigma_data, a standard deviation, must be above 0, not 0.0"),
    ],
)
def test_bad_names_and_options_say_what_exists(name, options, message):
    with pytest.raises(UsageError, match=message):
        kinds.build(name, **options)
