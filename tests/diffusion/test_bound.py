"""The bound on a Gaussian, whose every term and whose negative log-likelihood are known: mostly in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from musicdiff.diffusion import bound, process, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Prediction

MEAN, DEVIATION = 0.4, 0.7  # of the data
ENTROPY = 0.5 * math.log2(2 * math.pi * math.e * DEVIATION**2)  # their mean negative log-likelihood, bits
RANGE = (-1.0, 1.0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def denoise_fn(x_t, log_snr, to=None):
    """E[x_0 | x_t] of the Gaussian."""
    alpha, sigma = process.alpha_sigma(process.align(log_snr, x_t))
    x_0 = MEAN + alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2) * (x_t - alpha * MEAN)
    return Prediction(x_0, (x_t - alpha * x_0) / sigma)


def left_open(log_snr):
    """E(x_0 - x_0_hat)^2: the variance of x_0 given x_t."""
    return 1 / (np.exp(log_snr) + 1 / DEVIATION**2)


def exact_terms(levels):
    """L_0, [L_1 ... L_{T-1}], L_T of the Gaussian, means over the data: what the functions of the room give for moments that are exact."""
    x_0 = MEAN + DEVIATION * np.array([[-1.0, 1.0]])  # of the data's own mean and deviation
    off = math.sqrt(left_open(levels[0]))
    decoder = bound.density(jnp.zeros((1, 1)), jnp.full((1, 1), off), levels[0])
    return float(decoder[0]), bound.step_weights(levels) * left_open(levels[1:]), float(bound.prior(x_0, levels[-1])[0])


def test_a_tables_levels_are_its_own(x64):
    schedule = schedules.build("linear_beta")
    log_alpha_bar = np.cumsum(np.log1p(-np.linspace(1e-4, 2e-2, 1000)))
    expected = log_alpha_bar - np.log(-np.expm1(log_alpha_bar))
    for found in (bound.levels(schedule), bound.levels(schedule, 1000, highest=0.0)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_levels_of_a_continuous_schedule_fall_evenly():
    schedule = schedules.build("cosine", log_snr_min=-15.0)
    np.testing.assert_allclose(bound.levels(schedule, 36), np.linspace(20, -15, 36), rtol=1e-6)
    np.testing.assert_allclose(bound.levels(schedule, 26, highest=10.0), np.linspace(10, -15, 26), rtol=1e-6)
    assert len(bound.levels(schedule)) == 1000


@pytest.mark.parametrize(("name", "count", "words"), [("cosine", 1, "2 or more"), ("linear_beta", 50, "1000")])
def test_other_numbers_of_levels_are_refused(name, count, words):
    with pytest.raises(UsageError, match=rf"levels must be {words}.*not {count}"):
        bound.levels(schedules.build(name), count)


@pytest.mark.parametrize(("log_snr_t", "log_snr_s"), [(-19.99, -19.98), (-5.0, -4.9), (-1.0, 3.0), (9.0, 9.001)])
def test_a_step_is_the_divergence_of_the_two_posteriors(x64, log_snr_t, log_snr_s):
    x_0, x_0_hat, x_t = jnp.asarray(normal(3, 2, 4, 3))
    (mean, variance), (mean_hat, _) = (process.posterior(x, x_t, log_snr_t, log_snr_s) for x in (x_0, x_0_hat))
    by_hand = jnp.mean((mean - mean_hat) ** 2 / (2 * variance), axis=(1, 2)) / math.log(2)
    ours = bound.step_weights(np.array([log_snr_s, log_snr_t])) * jnp.mean((x_0 - x_0_hat) ** 2, axis=(1, 2))
    np.testing.assert_allclose(ours, by_hand, rtol=1e-8)


@pytest.mark.parametrize("log_snr", [-20.0, -10.1, 0.0, 3.0])
def test_the_prior_term_by_hand(x64, log_snr):
    x_0 = normal(3, 4, 2)
    alpha, variance = math.sqrt(1 / (1 + math.exp(-log_snr))), 1 / (1 + math.exp(log_snr))
    by_hand = (variance + (alpha * x_0) ** 2 - 1 - math.log(variance)) / 2 / math.log(2)
    np.testing.assert_allclose(bound.prior(jnp.asarray(x_0), log_snr), by_hand.mean(axis=(1, 2)), rtol=1e-6, atol=1e-16)


def test_a_density_by_hand(x64):
    x_0, x_0_hat = normal(2, 3, 5)
    by_hand = -stats.norm.logpdf(x_0, x_0_hat, math.exp(-0.5 * 4.0)).mean(axis=1) / math.log(2)
    np.testing.assert_allclose(bound.density(jnp.asarray(x_0), jnp.asarray(x_0_hat), 4.0), by_hand, rtol=1e-12)


@pytest.mark.parametrize("x_0_hat", [-1.2, 0.0, 0.3337, 1.0])
@pytest.mark.parametrize("log_snr", [0.0, 9.7, 14.0])
def test_256_bins_share_all_probability(x64, x_0_hat, log_snr):
    values = jnp.linspace(-1, 1, 256)[:, None]
    bits = bound.discretised(values, jnp.full((256, 1), x_0_hat), log_snr, RANGE)
    assert bits.min() >= 0
    assert float(jnp.sum(2.0**-bits)) == pytest.approx(1, abs=1e-12)


def test_a_bin_by_hand(x64):
    x_0 = np.array([[0.001, -0.4], [0.9999, -1.0]])  # not at the middle of their bins; the second row's are open
    x_0_hat, deviation = np.array([[0.01, -0.41], [0.99, -0.98]]), math.exp(-0.5 * 9.7)
    number = np.round((x_0 + 1) * 127.5)
    low = np.where(number == 0, -np.inf, (number - 0.5) / 127.5 - 1)
    high = np.where(number == 255, np.inf, (number + 0.5) / 127.5 - 1)
    shares = stats.norm.cdf(high, x_0_hat, deviation) - stats.norm.cdf(low, x_0_hat, deviation)
    ours = bound.discretised(jnp.asarray(x_0), jnp.asarray(x_0_hat), 9.7, RANGE)
    np.testing.assert_allclose(ours, -np.log2(shares).mean(axis=1), rtol=1e-9)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_bin_far_from_the_prediction_keeps_its_digits_in_float32(side):
    """255 bins off, where the share of probability is exp(-24000): its logarithm is that of the bin's near edge."""
    bits = bound.discretised(jnp.full((1, 1), -0.99 * side), jnp.full((1, 1), 1.0 * side), 9.7, RANGE)
    distance = (1.0 + float(bound.quantise(jnp.float32(0.99), RANGE)) - 1 / 255) * math.exp(0.5 * 9.7)
    assert float(bits[0]) == pytest.approx(-stats.norm.logsf(distance) / math.log(2), rel=1e-4)


def test_the_sum_closes_in_on_the_likelihood_as_levels_are_added(x64):
    """The gap is that of a Riemann sum of a falling function: twice the levels, half the gap."""
    schedule = schedules.build("cosine")
    totals = []
    for count in (250, 500, 1000, 2000):
        decoder, steps, prior = exact_terms(bound.levels(schedule, count))
        totals.append(decoder + steps.sum() + prior)
    gaps = np.array(totals) - ENTROPY
    assert (gaps > 0).all()
    np.testing.assert_allclose(gaps[:-1] / gaps[1:], 2, rtol=0.03)
    assert gaps[2] < 0.3


def test_levels_at_even_times_of_cosine_would_cost_two_bits(x64):
    """Why they are even in log-SNR: no number of them closes this gap."""
    for count in (1000, 8000):
        decoder, steps, prior = exact_terms(
            np.asarray(
                schedules.build("cosine", log_snr_min=-60.0, log_snr_max=60.0).log_snr(np.arange(1, count + 1) / count)
            )
        )
        assert decoder + steps.sum() + prior - ENTROPY == pytest.approx(2.0, abs=0.1)


def test_every_term_of_the_analytic_denoiser(x64):
    """Measured with noise, at all levels, against the closed form."""
    levels = bound.levels(schedules.build("cosine"), 40)
    clips, size = 50, 400
    x_0 = jnp.asarray(MEAN + DEVIATION * normal(clips, size))
    keys = jax.random.split(jax.random.key(0), clips)
    decoder, steps, prior = exact_terms(levels)
    errors = bound.errors(denoise_fn, x_0, jnp.broadcast_to(levels[1:], (clips, 39)), keys)
    measured = bound.step_weights(levels) * errors  # [clips, T - 1]
    spread = np.sqrt(2 / (clips * size))  # of a mean of squares, relative
    np.testing.assert_allclose(measured.mean(0), steps, rtol=4 * spread)
    x_0_hat = bound.denoised(denoise_fn, x_0, levels[0], keys)
    assert float(bound.density(x_0, x_0_hat, levels[0]).mean()) == pytest.approx(decoder, abs=4 * spread / math.log(4))
    assert float(bound.prior(x_0, levels[-1]).mean()) == pytest.approx(prior, rel=4 * spread, abs=1e-9)


def test_drawn_steps_estimate_the_sum_of_all(x64):
    """Without bias: within three standard errors of the sum over all levels, and those are small."""
    levels = bound.levels(schedules.build("cosine"), 200)
    clips, count = 200, 4
    x_0 = jnp.asarray(MEAN + DEVIATION * normal(clips, 20))
    keys = jax.random.split(jax.random.key(1), clips)
    weights, proposal = bound.step_weights(levels), bound.proposal(levels)
    every = bound.errors(denoise_fn, x_0, jnp.broadcast_to(levels[1:], (clips, 199)), keys)
    brute_force = (weights * every).sum(1)

    drawn = bound.draw_steps(jax.random.split(jax.random.key(2), clips), proposal, count)
    errors = bound.errors(denoise_fn, x_0, jnp.asarray(levels[1:][drawn]), jax.random.split(jax.random.key(3), clips))
    estimate = (weights[drawn] * errors / (count * proposal[drawn])).sum(1)
    difference = np.asarray(estimate - brute_force)
    error = difference.std(ddof=1) / math.sqrt(clips)
    assert abs(difference.mean()) < 3 * error
    assert error < 0.03 * float(brute_force.mean())


def test_a_proposal_leaves_no_level_out():
    for name in ("cosine", "linear_beta"):
        proposal = bound.proposal(bound.levels(schedules.build(name)))
        assert len(proposal) == 999 and proposal.sum() == pytest.approx(1, abs=1e-12)
        assert proposal.min() >= 0.25 / 999


def test_steps_are_drawn_as_often_as_proposed():
    proposal = np.array([0.5, 0.05, 0.25, 0.2])
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = bound.draw_steps(keys, proposal, 3)
    often = np.bincount(drawn.ravel(), minlength=4) / drawn.size
    np.testing.assert_allclose(often, proposal, atol=4 * np.sqrt(proposal.max() / drawn.size))
    assert (drawn[:, 0] == 0).all()  # the first third of the proposal lies in the first step
    np.testing.assert_array_equal(bound.draw_steps(keys[5:7], proposal, 3), drawn[5:7])


def test_each_step_of_an_example_has_its_own_noise_and_no_neighbours():
    x_0 = jnp.asarray(normal(3, 5), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 3)
    levels = jnp.zeros((3, 2))
    together = bound.errors(denoise_fn, x_0, levels, keys)
    assert together.shape == (3, 2) and len(np.unique(together)) == 6
    np.testing.assert_allclose(bound.errors(denoise_fn, x_0[1:2], levels[1:2], keys[1:2]), together[1:2], rtol=1e-6)


def test_the_bound_of_8_bit_data_is_above_their_entropy(x64):
    """Gaussian data rounded to 256 values, and the denoiser of the Gaussian: half a bit of slack from levels finer than a bin."""
    weights = stats.norm.pdf(values := np.linspace(-1, 1, 256), 0.1, 0.2)
    weights /= weights.sum()
    entropy = -(weights * np.log2(weights)).sum()
    levels = bound.levels(schedules.build("cosine"), 2000, highest=-2 * math.log(bound.bin_width(RANGE)))
    # x_0 - x_0_hat is linear in x_0 and in the noise, so that its square's mean is that of the Gaussian's.
    steps = bound.step_weights(levels) / (np.exp(levels[1:]) + 1 / 0.2**2)
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    x_0, eps = (jnp.asarray(np.ravel(grid))[:, None] for grid in np.meshgrid(values, nodes, indexing="ij"))
    alpha, sigma = process.alpha_sigma(levels[0])
    x_0_hat = 0.1 + alpha * 0.2**2 / (alpha**2 * 0.2**2 + sigma**2) * (alpha * x_0 + sigma * eps - alpha * 0.1)
    decoder = (
        np.outer(weights, shares / shares.sum()).ravel() * bound.discretised(x_0, x_0_hat, levels[0], RANGE)
    ).sum()
    prior = (weights * bound.prior(jnp.asarray(values)[:, None], levels[-1])).sum()
    assert 0 < decoder + steps.sum() + prior - entropy < 0.5
