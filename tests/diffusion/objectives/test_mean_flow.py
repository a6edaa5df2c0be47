"""MeanFlow where its answer is known: a single datum, and a Gaussian."""

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import models, samplers
from musicdiff.diffusion import grids, objectives, process
from musicdiff.diffusion.objectives import mean_flow
from musicdiff.errors import UsageError
from musicdiff.training import step

WIDTH = 0.3  # the deviation of the Gaussian data


def told(c_noise, like):
    """t and r of what the network is told."""
    t, span = (process.align(number / mean_flow.TOLD_SCALE, like) for number in c_noise.T)
    return t, t - span


def width_at(t):
    """The deviation of z_t = (1 - t) x_0 + t eps of Gaussian data."""
    return jnp.sqrt(((1.0 - t) * WIDTH) ** 2 + t**2)


def exact(z, c_noise):
    """u of Gaussian data: z / width is constant along a path. At r = t, where it is 0 / 0, its limit."""
    t, r = told(c_noise, z)
    slope = (t - (1.0 - t) * WIDTH**2) / width_at(t)
    span = jnp.where(t > r, t - r, 1.0)
    return z * jnp.where(t > r, (width_at(t) - width_at(r)) / span, slope) / width_at(t)


def data(size, shape=(1, 1, 1)):
    x_0 = WIDTH * jax.random.normal(jax.random.key(0), (size, *shape))
    return x_0, jax.random.split(jax.random.key(1), size)


def test_one_datum_is_learnt_without_an_error(x64):
    goal = objectives.build("mean_flow", jumps=1.0)
    x_0 = jnp.full((32, 3, 2, 1), 0.7)
    losses, _ = goal.loss(lambda z, c_noise: (z - 0.7) / told(c_noise, z)[0], x_0, data(32)[1])
    np.testing.assert_allclose(losses, 0.0, atol=1e-20)


def test_without_jumps_the_target_is_v(x64):
    goal = objectives.build("mean_flow", jumps=0.0, power=0.0)
    x_0, keys = data(16, (4, 3, 1))

    spans = []

    def network(z, c_noise):
        jax.debug.callback(lambda numbers: spans.append(numbers[:, 1]), c_noise)
        return jnp.sin(z)

    eps = process.draw_noise(jax.vmap(jax.random.split)(keys)[:, 1], x_0)
    losses, metrics = goal.loss(network, x_0, keys)
    np.testing.assert_array_equal(spans[0], 0.0)
    at_levels, _ = goal.loss_at(network, x_0, eps, metrics["log_snr"])
    t = process.align(jax.nn.sigmoid(-0.5 * metrics["log_snr"]), x_0)
    by_hand = jnp.mean((jnp.sin((1.0 - t) * x_0 + t * eps) - (eps - x_0)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(losses, by_hand, rtol=1e-10)
    np.testing.assert_allclose(at_levels, by_hand, rtol=1e-10)


def test_the_share_of_jumps_is_kept():
    goal = objectives.build("mean_flow", jumps=0.25)
    spans = []
    x_0, keys = data(4000)

    def network(z, c_noise):
        jax.debug.callback(lambda numbers: spans.append(numbers[:, 1]), c_noise)
        return z

    goal.loss(network, x_0, keys)
    share = np.mean(spans[0] > 0)
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


def test_the_average_velocity_of_a_gaussian_is_stationary(x64):
    """The loss has no slope at the truth, though its single targets are noisy; it has one beside it."""
    goal = objectives.build("mean_flow", jumps=0.5, power=0.0)
    x_0, keys = data(100_000)

    def slopes(scale):
        """d loss / d scale of every example."""
        tangent = jax.jvp(lambda s: goal.loss(lambda z, c: s * exact(z, c), x_0, keys)[0], (scale,), (1.0,))[1]
        return np.asarray(tangent)

    at, beside = slopes(1.0), slopes(1.1)
    error = at.std() / np.sqrt(len(at))
    assert abs(at.mean()) < 4 * error
    assert beside.mean() > 20 * error


@pytest.mark.parametrize("evaluations", [1, 2, 4])
def test_ddim_follows_the_flow_exactly_in_any_number_of_steps(x64, evaluations):
    goal = objectives.build("mean_flow")
    assert goal.flow_map
    grid = grids.build("trailing", goal.schedule, evaluations)
    x_T, keys = data(8, (4, 3, 1))
    x = samplers.sample(
        lambda x_t, log_snr, to=None: goal.denoise(exact, x_t, log_snr, to),
        x_T,
        keys,
        sampler=samplers.build("ddim"),
        grid=grid,
    )
    alpha, sigma = process.alpha_sigma(grid[0])
    np.testing.assert_allclose(x, x_T * WIDTH / jnp.sqrt((alpha * WIDTH) ** 2 + sigma**2), atol=1e-10)


def test_at_its_own_level_it_is_a_plain_denoiser(x64):
    goal = objectives.build("mean_flow")
    x_0, _ = data(6, (4, 3, 1))
    log_snr = jnp.linspace(-9.0, 9.0, 6)
    x_t = process.diffuse(x_0, x_0[::-1], log_snr)
    prediction = goal.denoise(exact, x_t, log_snr)
    alpha, sigma = process.alpha_sigma(process.align(log_snr, x_t))
    np.testing.assert_allclose(prediction.x_0, x_t * alpha * WIDTH**2 / ((alpha * WIDTH) ** 2 + sigma**2), atol=1e-10)
    np.testing.assert_allclose(alpha * prediction.x_0 + sigma * prediction.eps, x_t, atol=1e-12)


def test_guidance_moves_the_target_away_from_the_null(x64):
    x_0, keys = data(16, (4, 3, 1))
    plain = objectives.build("mean_flow", jumps=0.0, power=0.0)
    guided = objectives.build("mean_flow", jumps=0.0, power=0.0, guidance=3.0)
    z = []
    plain.loss(lambda x, c_noise: z.append(x) or x, x_0, keys)
    eps = process.draw_noise(jax.vmap(jax.random.split)(keys)[:, 1], x_0)
    v, null = eps - x_0, 0.2
    losses, _ = guided.loss(
        lambda x, c_noise: v + 2.0 * (v - null), x_0, keys, lambda x, c_noise: jnp.full_like(x, null)
    )
    np.testing.assert_allclose(losses, 0.0, atol=1e-20)
    with pytest.raises(UsageError, match="guidance needs a condition"):
        guided.loss(lambda x, c_noise: x, x_0, keys)


def test_a_network_learns_by_it():
    model = models.build(micro.make_config("mel", "process={'objective': 'mean_flow'}"))
    params = micro.randomise(model.init)
    assert "noise_embedding_1" in params and model.flow_map
    batch = {
        "x_0": np.zeros((2, *model.domain.shape), np.float32),
        "index": np.arange(2),
        "weight": np.ones(2, np.float32),
    }
    state = step.TrainState(jnp.int32(0), params, {}, None)
    sums, _ = micro.jit(step.gradient_sums(model, seed=0, pieces=1))(state, model.init_frozen(jax.random.key(0)), batch)
    norms = jax.tree.map(lambda g: float(jnp.linalg.norm(g)), sums["grads"]["noise_embedding_1"])
    assert all(0 < norm < np.inf for norm in jax.tree.leaves(norms))


@pytest.mark.parametrize("option", ["jumps", "power"])
def test_a_share_out_of_range_is_refused(option):
    with pytest.raises(UsageError, match=f"objective 'mean_flow': {option} must be within 0 and 1, not 1.5"):
        objectives.build("mean_flow", **{option: 1.5})
