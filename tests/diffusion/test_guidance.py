import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion import guidance, process

LEVELS = [-8.0, 0.0, 5.0]


def model(kind="v"):
    """A network that adds its condition to a bend of x: conditional and unconditional outputs differ everywhere."""

    def f(x_t, log_snr, cond, to=None):
        assert cond["style"]["present"].shape == x_t.shape[:1]
        style = jnp.where(cond["style"]["present"], cond["style"]["value"], -1.0)
        return process.prediction(kind, jnp.tanh(2.0 * x_t) + style[:, None, None], x_t, log_snr)

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
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * float(jnp.abs(theirs).max()))


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
        return process.prediction("x_0", jnp.zeros_like(x_t), x_t, log_snr)

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


@pytest.mark.parametrize("log_snr", [*LEVELS, jnp.array(LEVELS)])
def test_clipping_keeps_x_t(x64, log_snr):
    x_t = X_T.astype(jnp.float64)
    clipped = guidance.clip(guidance.conditional(model(), conditions(True)), (-0.1, 0.05))(x_t, log_snr)
    assert float(clipped.x_0.min()) == -0.1 and float(clipped.x_0.max()) == 0.05
    np.testing.assert_allclose(process.diffuse(*clipped, log_snr), x_t, atol=1e-12)


def test_data_without_a_range_are_not_clipped():
    denoise_fn = guidance.conditional(model(), conditions(True))
    assert guidance.clip(denoise_fn, None) is denoise_fn


@pytest.mark.parametrize("wrap", [lambda f: guidance.clip(guidance.conditional(f, {}), (-1, 1)),
                                  lambda f: guidance.conditional(f, {})])  # fmt: skip
def test_the_target_level_reaches_a_flow_map(wrap):
    def flow_map(x_t, log_snr, cond, to=None):
        return process.Prediction(jnp.full_like(x_t, to), x_t)

    assert float(wrap(flow_map)(X_T, 0.0, to=0.25).x_0[0, 0, 0]) == 0.25
