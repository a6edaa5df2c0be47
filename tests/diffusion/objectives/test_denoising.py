import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import kinds, losses, objectives, process
from musicdiff.errors import UsageError

TABLE = {"schedule": "linear_beta", "prediction": "eps", "told": "index"}
SHAPE = (16, 8, 4, 1)


def batch(size=SHAPE[0]):
    x_0 = jnp.asarray(np.random.default_rng(0).normal(size=SHAPE))
    return x_0[:size], jax.random.split(jax.random.key(1), SHAPE[0])[:size]


def network(x_t, c_noise):
    return jnp.tanh(x_t) * (1.0 + c_noise[:, None, None, None] / 1000.0)


def told_by(function):
    """The c_noise that a network is told when `function` of it runs."""
    seen = []
    function(lambda x_t, c_noise: seen.append(c_noise) or x_t)
    return np.asarray(seen[0])


@pytest.mark.parametrize("prediction", kinds.KINDS)
@pytest.mark.parametrize("options", [{"schedule": "cosine", "schedule_options": {"log_snr_min": -12.0}}, TABLE])
def test_a_perfect_network_has_no_loss_and_denoises_to_the_data(x64, prediction, options):
    goal = objectives.build(**{**options, "prediction": prediction})
    x_0, _ = batch()
    log_snr = jnp.linspace(-9.0, 9.0, len(x_0))
    eps = x_0[::-1]

    def perfect(x_t, c_noise):
        return process.target(kinds.build(prediction), x_0, eps, log_snr)

    values, metrics = goal.loss_at(perfect, x_0, eps, log_snr)
    np.testing.assert_array_equal(values, 0.0)
    np.testing.assert_array_equal(metrics["log_snr"], log_snr)
    denoised = goal.denoise(perfect, process.diffuse(x_0, eps, log_snr), log_snr)
    np.testing.assert_allclose(denoised.x_0, x_0, atol=1e-10)
    np.testing.assert_allclose(denoised.eps, eps, atol=1e-10)


@pytest.mark.parametrize("weight", losses.WEIGHTS)
def test_the_loss_is_the_weighted_error_of_the_output(weight):
    goal = objectives.build(weight=weight, prediction="edm")
    x_0, keys = batch()
    values, metrics = jax.jit(functools.partial(goal.loss, network))(x_0, keys)
    assert values.shape == metrics["mse"].shape == metrics["log_snr"].shape == (len(x_0),)
    log_snr = metrics["log_snr"]
    expected = losses.build(weight)(log_snr, process.x_0_error(kinds.edm(), log_snr)) * metrics["mse"]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_network_sees_its_own_coordinates_in_training_and_sampling():
    """sigma_data reaches what is seen, the target and the prediction."""
    goal = objectives.build(prediction="edm", prediction_options={"sigma_data": 2.0})
    x_0, _ = batch()
    log_snr = jnp.linspace(-9.0, 9.0, len(x_0))
    x_t = process.diffuse(x_0, x_0[::-1], log_snr)
    seen = []
    goal.loss_at(lambda x, c_noise: seen.append(x) or x, x_0, x_0[::-1], log_snr)
    goal.denoise(lambda x, c_noise: seen.append(x) or x, x_t, log_snr)
    np.testing.assert_array_equal(*seen)
    np.testing.assert_allclose(seen[0], process.network_input(kinds.edm(2.0), x_t, log_snr), rtol=1e-6)


@pytest.mark.parametrize("options", [{}, TABLE])
def test_an_example_has_the_same_loss_in_any_batch(options):
    loss = jax.jit(functools.partial(objectives.build(**options).loss, network))
    together, metrics = loss(*batch())
    x_0, keys = batch()
    alone, own = loss(x_0[3:4], keys[3:4])
    np.testing.assert_array_equal(metrics["log_snr"][3], own["log_snr"][0])
    np.testing.assert_allclose(together[3], alone[0], rtol=1e-6)


@pytest.mark.parametrize("times", [{}, {"times": "logit_normal", "times_options": {"mean": -1.2, "std": 1.2}}])
def test_levels_are_those_of_the_times_drawn(times):
    goal = objectives.build(schedule="rectified_flow", **times)
    loss = jax.jit(functools.partial(goal.loss, lambda x_t, c_noise: x_t))
    _, metrics = loss(jnp.zeros((4000, 1)), jax.random.split(jax.random.key(2), 4000))
    t = np.sort(goal.schedule.t_of(metrics["log_snr"]))
    share = jax.scipy.special.ndtr((np.log(t / (1.0 - t)) + 1.2) / 1.2) if times else t
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is passed by 1 in 100 true samples.
    assert np.abs(share - (np.arange(4000) + 0.5) / 4000).max() < 1.63 / np.sqrt(4000)


@pytest.mark.parametrize("schedule", ["cosine", "linear_beta"])
def test_a_network_may_be_told_the_schedules_own_time(schedule):
    goal = objectives.build(schedule=schedule, told="time")
    t = jnp.linspace(0.0, 1.0, SHAPE[0])
    x, levels = batch()[0], goal.schedule.log_snr(t)
    told = told_by(lambda seen: goal.loss_at(seen, x, x, levels))
    np.testing.assert_allclose(told, 1000.0 * t, atol=0.02)
    if schedule == "cosine":  # the half circle: alpha = cos(pi t / 2)
        middle = slice(1, -1)
        np.testing.assert_allclose(process.alpha_sigma(levels)[0][middle], np.cos(np.pi * t / 2)[middle], atol=1e-4)


def test_a_table_is_trained_on_its_own_levels_and_told_as_whole_indices():
    goal = objectives.build(**TABLE)
    seen = []

    @jax.jit
    def indices_of(keys):
        goal.loss(lambda x_t, c_noise: seen.append(c_noise) or x_t, jnp.zeros((4000, 1)), keys)
        return seen[0]

    indices = np.asarray(indices_of(jax.random.split(jax.random.key(2), 4000)))
    np.testing.assert_array_equal(indices, np.round(indices))
    assert indices.min() < 5 and indices.max() > 994
    assert indices.mean() == pytest.approx(499.5, abs=4 * 288.7 / np.sqrt(4000))


@pytest.mark.parametrize(
    ("options", "log_snr", "c_noise"),
    [
        ({}, [20.0, 0.0, -20.0], [0.0, 500.0, 1000.0]),
        ({}, [np.inf, 30.0, -30.0], [0.0, 0.0, 1000.0]),
        (TABLE, [np.inf, 9.21024, -11.0], [0.0, 0.0, 999.0]),
    ],
)
def test_training_and_sampling_tell_the_network_the_same(options, log_snr, c_noise):
    goal = objectives.build(**options)
    x, levels = jnp.zeros((3, 2)), jnp.asarray(log_snr)
    training = told_by(lambda seen: goal.loss_at(seen, x, x, levels))
    sampling = told_by(lambda seen: goal.denoise(seen, x, levels))
    np.testing.assert_allclose(training, c_noise, atol=0.01)
    np.testing.assert_array_equal(training, sampling)
    scalar = told_by(lambda seen: goal.denoise(seen, x, levels[1]))  # samplers hold one level for the whole batch
    np.testing.assert_array_equal(scalar, np.repeat(training[1], 3))


def test_a_half_precision_network_predicts_in_the_dtype_of_x():
    goal = objectives.build(**TABLE)
    predicted = goal.denoise(lambda x_t, c_noise: x_t.astype(jnp.bfloat16), jnp.ones((2, 3)), jnp.float32(0.0))
    assert predicted.x_0.dtype == predicted.eps.dtype == jnp.float32


def test_a_loss_can_be_differentiated_at_every_level():
    goal = objectives.build(weight="min_snr")
    x_0, keys = batch()
    gradient = jax.jit(jax.grad(lambda scale: goal.loss(lambda x_t, c: scale * x_t, x_0, keys)[0].sum()))(0.5)
    assert jnp.isfinite(gradient) and gradient != 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "score"}, "no 'score' in musicdiff/diffusion/objectives; there are: denoising"),
        ({"beta": 1}, "objective 'denoising' has no option 'beta'"),
        ({"schedule": "polynomial"}, "no schedule 'polynomial'; there are: cosine, linear_beta, rectified_flow"),
        ({"prediction": "score"}, "no prediction 'score'; there are: edm, eps, flow, v, x_0"),
        ({"weight": "p2"}, "no weight 'p2'; there are: min_snr, sigmoid, simple"),
        ({"times": "normal"}, "no times 'normal'; there are: logit_normal, uniform"),
        ({"told": "sigma"}, "no told 'sigma'; there are: index, log_snr, time"),
        ({"schedule_options": {"beta": 1}}, "schedule 'cosine' has no option 'beta'"),
        ({"prediction_options": {"sigma_data": 1.0}}, "prediction 'v' has no option 'sigma_data'"),
        ({"weight_options": {"cap": 1.0}}, "weight 'simple' has no option 'cap'"),
        ({"times_options": {"mean": 1.0}}, "times 'uniform' has no option 'mean'"),
        ({"told": "index"}, "told='index' needs a schedule with a table"),
        ({"prediction": "eps"}, "prediction='eps' says nothing of x_0 at log_snr -20, where 'cosine' ends"),
        ({"prediction": "eps", "schedule": "zero_terminal"}, "at log_snr -20, where 'zero_terminal' ends"),
        ({"prediction": "eps", "schedule": "linear_beta", "schedule_options": {"shift": 16.0}}, "at log_snr -15.7"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_compiles(options, message):
    with pytest.raises(UsageError, match=message) as caught:
        objectives.build(**options)
    assert "\n" not in str(caught.value)


def test_eps_is_allowed_where_the_schedule_ends_early_enough():
    assert objectives.build(prediction="eps", schedule_options={"log_snr_min": -12.0}).schedule.num_levels is None


def test_a_held_out_loss_at_a_fixed_level_is_the_training_loss_there():
    goal = objectives.build(**TABLE)

    @jax.jit
    def both(x_0, keys):
        values, metrics = goal.loss(network, x_0, keys)
        noise_keys = jax.vmap(lambda key: jax.random.split(key)[1])(keys)
        again, _ = goal.loss_at(network, x_0, process.draw_noise(noise_keys, x_0), metrics["log_snr"])
        return values, again

    np.testing.assert_allclose(*both(*batch()), rtol=1e-6)


@pytest.mark.parametrize(
    ("part", "name"), [("schedule", "cosine"), ("prediction", "v"), ("weight", "simple"), ("times", "uniform")]
)
@pytest.mark.parametrize("options", [3, "wide", ["a"], {"name": "x"}])
def test_options_that_are_no_section_are_refused_by_their_key(part, name, options):
    with pytest.raises(UsageError) as caught:
        objectives.build(**{f"{part}_options": options})
    expected = f"process.{part}_options must be a section, the options of {part} {name!r} by name, not {options!r}"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "options", [{"schedule_options": {"log_snr_min": "x"}}, {"weight": "min_snr", "weight_options": {"cap": None}}]
)
def test_an_option_that_is_no_number_is_refused(options):
    with pytest.raises(UsageError, match="must be a number"):
        objectives.build(**options)
