"""Guidance by hand: what the scales 0 and 1 are, which x_t is kept, and how often a network is really evaluated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff import samplers
from musicdiff.diffusion import guidance, kinds, objectives, process
from musicdiff.diffusion.objectives.mean_flow import TOLD_SCALE

LEVELS = [-8.0, 0.0, 5.0]


def model(kind="v"):
    """A network that adds its condition to a bend of x: conditional and unconditional outputs differ everywhere."""

    def f(x_t, log_snr, cond, to=None):
        assert cond["style"]["present"].shape == x_t.shape[:1]
        style = jnp.where(cond["style"]["present"], cond["style"]["value"], -1.0)
        return process.prediction(kinds.build(kind), jnp.tanh(2.0 * x_t) + style[:, None, None], x_t, log_snr)

    return f


def conditions(present):
    return {"style": {"value": jnp.array([0.2, 0.7, 1.5]), "present": jnp.full(3, present)}}


X_T = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 2)), jnp.float32)


@pytest.mark.parametrize("log_snr", [*LEVELS, jnp.array(LEVELS)])
@pytest.mark.parametrize("kind", ["v", "eps"])
@pytest.mark.parametrize(("scale", "present"), [(1.0, True), (0.0, False)])
def test_scale_1_is_the_condition_and_0_is_its_absence(kind, log_snr, scale, present):
    f = model(kind)
    guided = guidance.classifier_free(f, conditions(True), conditions(False), scale)(X_T, log_snr)
    plain = guidance.conditional(f, conditions(present))(X_T, log_snr)
    for ours, theirs in zip(guided, plain):
        # x_0 of eps at log_snr -8 is of the order of 50: there the bound is relative.
        bound = 1e-5 if kind == "v" else 1e-5 * float(jnp.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)


@pytest.mark.parametrize("kind", ["v", "eps"])
def test_a_negative_condition_takes_the_place_of_the_null(x64, kind):
    """At scale 0 it is what is sampled; at 3 the result lies three times as far from it as the condition does."""
    f, x_t = model(kind), X_T.astype(jnp.float64)
    negative = {"style": {"value": jnp.array([2.0, -0.5, 0.1]), "present": jnp.ones(3, bool)}}
    positive = guidance.conditional(f, conditions(True))(x_t, 0.0)
    avoided = guidance.conditional(f, negative)(x_t, 0.0)
    for scale in (0.0, 3.0):
        guided = guidance.classifier_free(f, conditions(True), negative, scale)(x_t, 0.0)
        for ours, to, away in zip(guided, positive, avoided):
            np.testing.assert_allclose(ours - away, scale * (to - away), atol=1e-12)


@pytest.mark.parametrize("rescale", [0.0, 0.7])
@pytest.mark.parametrize("log_snr", LEVELS)
def test_guided_predictions_are_of_x_t(x64, rescale, log_snr):
    x_t = X_T.astype(jnp.float64)
    guided = guidance.classifier_free(model(), conditions(True), conditions(False), 3.0, rescale)(x_t, log_snr)
    np.testing.assert_allclose(process.diffuse(*guided, log_snr), x_t, atol=1e-12)


def test_guidance_goes_beyond_the_condition(x64):
    f, x_t = model(), X_T.astype(jnp.float64)
    with_cond = guidance.conditional(f, conditions(True))(x_t, 0.0).x_0
    without = guidance.conditional(f, conditions(False))(x_t, 0.0).x_0
    guided = guidance.classifier_free(f, conditions(True), conditions(False), 3.0)(x_t, 0.0).x_0
    np.testing.assert_allclose(guided - without, 3.0 * (with_cond - without), atol=1e-12)


def test_a_full_rescale_restores_the_deviation_of_each_example(x64):
    f, x_t = model(), X_T.astype(jnp.float64)
    scaled = {"style": {"value": x_t[:, 0, 0], "present": jnp.ones(3, bool)}}
    guided = guidance.classifier_free(f, scaled, conditions(False), 5.0, 1.0)(x_t, 0.0).x_0
    plain = guidance.conditional(f, scaled)(x_t, 0.0).x_0
    np.testing.assert_allclose(guided.std(axis=(1, 2)), plain.std(axis=(1, 2)), rtol=1e-12)


def test_rescaling_a_silent_prediction_is_not_nan():
    def silent(x_t, log_snr, cond, to=None):
        return process.prediction(kinds.x_0(), jnp.zeros_like(x_t), x_t, log_snr)

    guided = guidance.classifier_free(silent, conditions(True), conditions(False), 2.0, 0.5)(X_T, 0.0)
    assert jnp.isfinite(guided.x_0).all() and jnp.isfinite(guided.eps).all()


def test_both_halves_are_one_call():
    batches = []

    def counted(x_t, log_snr, cond, to=None):
        batches.append((x_t.shape[0], jnp.shape(log_snr), jnp.shape(to)))
        return process.Prediction(x_t, x_t)

    denoise_fn = guidance.classifier_free(counted, conditions(True), conditions(False), 2.0)
    denoise_fn(X_T, jnp.float32(0.0), to=jnp.float32(1.0))
    denoise_fn(X_T, jnp.zeros(3), to=jnp.zeros(3))
    assert batches == [(6, (), ()), (6, (6,), (6,))]


def weak(x_t, log_snr, to=None):
    """A weaker model of the same task, without conditions."""
    return process.prediction(kinds.v(), 0.5 * jnp.tanh(x_t), x_t, log_snr)


def strong(x_t, log_snr, to=None):
    return process.prediction(kinds.v(), jnp.tanh(2.0 * x_t), x_t, log_snr)


@pytest.mark.parametrize("log_snr", [*LEVELS, jnp.array(LEVELS)])
def test_autoguidance_leads_away_from_the_weaker_model(x64, log_snr):
    x_t = X_T.astype(jnp.float64)
    f, g = strong(x_t, log_snr), weak(x_t, log_snr)
    for scale in (0.0, 1.0, 2.5):
        guided = guidance.autoguidance(strong, weak, scale)(x_t, log_snr)
        for ours, good, bad in zip(guided, f, g):
            np.testing.assert_allclose(ours, bad + scale * (good - bad), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(process.diffuse(*guided, log_snr), x_t, atol=1e-12)


def test_autoguidance_of_scale_1_is_the_model_to_the_last_bit():
    for ours, theirs in zip(guidance.autoguidance(strong, weak, 1.0)(X_T, 0.0), strong(X_T, 0.0)):
        np.testing.assert_array_equal(ours, theirs)


def test_autoguidance_can_be_rescaled(x64):
    x_t = X_T.astype(jnp.float64)
    guided = guidance.autoguidance(strong, weak, 4.0, 1.0)(x_t, 0.0)
    deviations = [x.std(axis=(1, 2)) for x in (guided.x_0, strong(x_t, 0.0).x_0)]
    np.testing.assert_allclose(*deviations, rtol=1e-12)
    assert np.all(np.abs(guidance.autoguidance(strong, weak, 4.0)(x_t, 0.0).x_0.std(axis=(1, 2)) - deviations[1]) > 0.1)
    np.testing.assert_allclose(process.diffuse(*guided, 0.0), x_t, atol=1e-12)


def flow_map(width):
    """The exact jumps of N(0, width^2) along its probability flow: z_r / width_r = z_t / width_t in rectified-flow time."""

    def u(z, c_noise):
        t, span = c_noise.T[..., None, None] / TOLD_SCALE
        widths = [jnp.hypot((1.0 - s) * width, s) for s in (t, t - span)]
        return z * (1.0 - widths[1] / widths[0]) / span

    goal = objectives.build("mean_flow")
    return lambda x_t, log_snr, to=None: goal.denoise(u, x_t, log_snr, to)


def test_autoguidance_of_a_flow_map_moves_the_ends_of_its_jumps(x64):
    """One jump to data ends where the two ends extrapolate to; many follow the guided flow, with an error that falls as 1 / N."""
    f, g, scale = 0.4, 0.3, 3.0
    guided = guidance.autoguidance(flow_map(f), flow_map(g), scale)
    x_T, keys = X_T.astype(jnp.float64), jax.random.split(jax.random.key(0), 3)

    def width(num_jumps):
        levels = 2.0 * (jnp.log1p(-(t := jnp.linspace(1.0, 0.0, num_jumps + 1)[1:-1])) - jnp.log(t))
        grid = jnp.concatenate([jnp.array([-30.0]), levels, jnp.array([jnp.inf])])
        x = samplers.sample(guided, x_T, keys, sampler=samplers.build("ddim"), grid=grid)
        np.testing.assert_allclose(x / x_T, (x / x_T)[0, 0, 0], rtol=1e-9)  # linear, as the flow of a Gaussian is
        return float((x / x_T)[0, 0, 0])

    # d log z = scale d log width_f - (scale - 1) d log width_g along the guided flow.
    exact = f**scale / g ** (scale - 1.0)
    assert width(1) == pytest.approx(f + (scale - 1.0) * (f - g), rel=1e-5)
    assert (width(64) - exact) / (width(128) - exact) == pytest.approx(2.0, rel=0.1)


GRID = np.float32([-6.0, -3.0, 0.0, 3.0, 6.0, np.inf])


@pytest.mark.parametrize(("name", "levels"), [("ddim", GRID[:-1]), ("heun", [*GRID[:-1], *GRID[1:-1]])])
def test_outside_the_interval_the_weaker_model_is_not_evaluated(name, levels):
    """Counted while the compiled scan runs, by callbacks within both networks: they run where their branch is taken.

    levels: of the sampler's evaluations; Heun's method asks at both ends of its steps, but not at data.
    """
    counts = {}

    def counted(name, f):
        def tick():
            counts[name] += 1

        def denoise_fn(x_t, log_snr, to=None):
            jax.debug.callback(tick)
            return f(x_t, log_snr, to)

        return denoise_fn

    f, g = counted("strong", strong), counted("weak", weak)

    @jax.jit
    def run(x_T, low, high):
        denoise_fn = guidance.limited_interval(guidance.autoguidance(f, g, 2.0), f, low, high)
        keys = jax.random.split(jax.random.key(0), 3)
        return samplers.sample(denoise_fn, x_T, keys, sampler=samplers.build(name), grid=GRID)

    for low, high in ((-3.0, 3.0), (-2.9, 2.9), (-20.0, 20.0), (7.0, 8.0), (-7.0, -6.0)):
        counts.update(strong=0, weak=0)
        jax.block_until_ready(run(X_T, low, high))
        jax.effects_barrier()
        assert counts == {"strong": len(levels), "weak": sum(low <= level <= high for level in levels)}


@pytest.mark.parametrize(("log_snr", "inside"), [(-2.0, True), (0.5, True), (1.0, True), (-2.1, False), (1.1, False)])
def test_the_interval_decides_which_denoiser_it_is(log_snr, inside):
    limited = guidance.limited_interval(strong, weak, -2.0, 1.0)(X_T, jnp.float32(log_snr))
    for ours, theirs in zip(limited, (strong if inside else weak)(X_T, jnp.float32(log_snr))):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_an_interval_wants_one_level():
    with pytest.raises(ValueError, match="one level for the whole batch"):
        guidance.limited_interval(strong, weak, -2.0, 1.0)(X_T, jnp.zeros(3))


@pytest.mark.parametrize("log_snr", [*LEVELS, jnp.array(LEVELS)])
def test_clipping_keeps_x_t(x64, log_snr):
    x_t = X_T.astype(jnp.float64)
    clipped = guidance.clip(guidance.conditional(model(), conditions(True)), (-0.1, 0.05))(x_t, log_snr)
    assert float(clipped.x_0.min()) == -0.1 and float(clipped.x_0.max()) == 0.05
    np.testing.assert_allclose(process.diffuse(*clipped, log_snr), x_t, atol=1e-12)


def test_data_without_a_range_are_not_clipped():
    denoise_fn = guidance.conditional(model(), conditions(True))
    assert guidance.clip(denoise_fn, None) is denoise_fn


def bound(f):
    return guidance.conditional(f, {})


@pytest.mark.parametrize(
    "wrap",
    [
        bound,
        lambda f: guidance.clip(bound(f), (-1, 1)),
        lambda f: guidance.autoguidance(bound(f), bound(f), 2.0),
        lambda f: guidance.limited_interval(bound(f), bound(f), -1.0, 1.0),
    ],
)
def test_the_target_level_reaches_a_flow_map(wrap):
    def flow_map(x_t, log_snr, cond, to=None):
        return process.Prediction(jnp.full_like(x_t, to), x_t)

    assert float(wrap(flow_map)(X_T, 0.0, to=0.25).x_0[0, 0, 0]) == 0.25


def mix_of(weights, *presents):
    """Three clips' conditions in parts, each part present or not."""
    parts = [conditions(present) for present in presents]
    cond = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *parts)
    return {"cond": cond, "weights": jnp.tile(jnp.array(weights), (3, 1))}


@pytest.mark.parametrize("log_snr", [0.5, jnp.array(LEVELS)])
def test_a_mix_is_the_weighted_sum_of_its_parts(log_snr):
    f = model()
    told, silent = (guidance.conditional(f, conditions(present))(X_T, log_snr) for present in (True, False))
    for weights in ((0.3, 0.7), (1.5, -0.5)):
        found = guidance.mixed(f)(X_T, log_snr, mix_of(weights, True, False))
        for ours, a, b in zip(found, told, silent):
            np.testing.assert_allclose(ours, weights[0] * a + weights[1] * b, atol=1e-5)
        np.testing.assert_allclose(process.diffuse(*found, log_snr), X_T, atol=1e-5)


@pytest.mark.parametrize(("weights", "present"), [((1.0, 0.0), True), ((0.0, 1.0), False)])
def test_a_mix_of_one_part_is_that_part(weights, present):
    """Bit for bit."""
    alone = guidance.conditional(model(), conditions(present))(X_T, 0.5)
    for ours, theirs in zip(guidance.mixed(model())(X_T, 0.5, mix_of(weights, True, False)), alone):
        np.testing.assert_array_equal(ours, theirs)


def test_a_mix_is_guided_as_a_condition_is():
    """Of one part it is that part, with guidance too."""
    f = model()
    plain = guidance.classifier_free(f, conditions(True), conditions(False), 3.0)(X_T, 0.5)
    mixed = guidance.classifier_free(
        guidance.mixed(f), mix_of((1.0, 0.0), True, False), mix_of((1.0, 0.0), False, False), 3.0
    )(X_T, 0.5)
    for ours, theirs in zip(mixed, plain):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
