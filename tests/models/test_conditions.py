"""Models that are told things: each of them matters, nothing told is nothing heard, and networks fit what is told."""

import functools

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import conditioning, models
from musicdiff.diffusion import guidance, process
from musicdiff.errors import UsageError

LEVEL = jnp.float32(0.3)
POOLED = "conditions.text.pooled=True"
PLAIN = (
    "network.num_heads=0",
    "network.head_width=4",
    POOLED,
)  # vectors alone, and a network that attends to no tokens


def make_config(*changes):
    """The micro conditional configuration, with changes."""
    return micro.make_config("text", micro.CLASSES, *changes)


@functools.cache
def built(*changes):
    model = models.build(make_config(*changes))
    return model, micro.randomise(model.init)


@functools.cache
def denoise(*changes):
    """f(x_t, cond) -> x_0 with random parameters."""
    model, params = built(*changes)
    run = micro.jit(lambda params, x, cond: model.denoise_fn(params, {})(x, LEVEL, cond).x_0)
    return lambda x, cond: np.asarray(run(params, x, cond))


def noise(rows=1):
    return np.random.default_rng(0).normal(size=(rows, *built()[0].domain.shape)).astype(np.float32)


def tell(*rows):
    return conditioning.tell(built()[0].conditions, rows)


@pytest.mark.parametrize("changes", [(), PLAIN], ids=["tokens", "vectors"])
def test_each_condition_is_heard_by_itself(changes):
    everything = micro.TOLD[0]
    told = [everything, {}, *({name: value} for name, value in everything.items())]
    heard = denoise(*changes)(np.repeat(noise(), len(told), axis=0), tell(*told))
    for i in range(len(told)):
        for j in range(i):
            assert not np.allclose(heard[i], heard[j], atol=1e-4), (told[i], told[j])


@pytest.mark.parametrize("changes", [(), PLAIN], ids=["tokens", "vectors"])
def test_told_nothing_in_three_ways(changes):
    """No cond at all, rows that say nothing, and silence: the same bits."""
    model, _ = built(*changes)
    x, run = noise(2), denoise(*changes)
    nothing = run(x, conditioning.tell_nothing(model.conditions, 2))
    np.testing.assert_array_equal(nothing, run(x, conditioning.silence(tell(micro.TOLD[0], micro.TOLD[1]))))
    np.testing.assert_allclose(nothing, run(x, {}), atol=1e-6)  # another program


def test_an_example_hears_its_own_conditions_only():
    x, rows = noise(3), micro.TOLD
    together = denoise()(x, tell(*rows))
    for i, row in enumerate(rows):
        same = denoise()(np.repeat(x[i : i + 1], 3, axis=0), tell({}, row, rows[0]))
        np.testing.assert_allclose(same[1], together[i], atol=1e-5)


def test_guidance_leads_towards_what_is_told():
    model, params = built()
    x, cond = noise(2), tell(micro.TOLD[0], micro.TOLD[1])
    f = model.denoise_fn(params, {})
    guided = micro.jit(
        lambda x, cond: guidance.classifier_free(f, cond, conditioning.silence(cond), 3.0)(x, LEVEL).x_0
    )(x, cond)
    given, without = denoise()(x, cond), denoise()(x, {})
    np.testing.assert_allclose(guided, given + 2.0 * (given - without), atol=1e-4)


def losses(model, params, *conds):
    """The losses of one batch that is told one thing or another, and their metrics."""
    keys = jax.random.split(jax.random.key(3), 2)
    run = micro.jit(
        lambda params, cond: model.loss(params, {}, {"x_0": np.clip(noise(2), -1, 1), "cond": cond}, keys, 0)
    )
    return [run(params, cond) for cond in conds]


@pytest.mark.parametrize(
    ("text", "others", "unconditional", "heard"), [(0.0, 1.0, 0.0, [True, False]), (0.0, 0.0, 1.0, [False, False])]
)
def test_a_model_forgets_in_training_what_its_configuration_says(text, others, unconditional, heard):
    dropout = {"text": text, "style": others, "tempo": others, "key": others}
    changes = [f"conditions.{name}.dropout={share}" for name, share in dropout.items()]
    told = [{"text": "calm piano"}, {"style": "waltz", "tempo": 94, "key": "Am"}, {}]
    conds = [tell(row, row) for row in told]
    *both, untold = (values for values, _ in losses(*built(*changes, f"model.unconditional={unconditional}"), *conds))
    assert [not np.array_equal(values, untold) for values in both] == heard


def test_mean_flow_learns_guidance_by_its_conditions():
    """The target is v + (scale - 1) (v - u of the network that is told nothing), by hand."""
    scale = 3.0
    model, params = built(
        f"process={{'objective': 'mean_flow', 'jumps': 0.0, 'power': 0.0, 'guidance': {scale}}}",
        *(f"conditions.{name}.dropout=0.0" for name in ("text", "style", "tempo", "key")),
        "model.unconditional=0.0",
    )
    cond, x_0 = tell(micro.TOLD[0], micro.TOLD[1]), np.clip(noise(2), -1, 1)
    ((_, metrics),) = losses(model, params, cond)
    own = jax.vmap(jax.random.split)(jax.random.split(jax.random.key(3), 2))[
        :, 0
    ]  # the other half decides what is dropped
    eps = process.draw_noise(jax.vmap(jax.random.split)(own)[:, 1], x_0)
    x_t = process.diffuse(x_0, eps, metrics["log_snr"])

    run = micro.jit(lambda params, cond: model.denoise_fn(params, {})(x_t, metrics["log_snr"], cond))

    def velocity(cond):  # of a flow map that is asked for no jump
        prediction = run(params, cond)
        return prediction.eps - prediction.x_0

    v = eps - x_0
    target = v + (scale - 1.0) * (v - velocity(conditioning.silence(cond)))
    by_hand = jnp.mean((velocity(cond) - target) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(metrics["mse"], by_hand, rtol=1e-4)
    plain = jnp.mean((velocity(cond) - v) ** 2, axis=(1, 2, 3))
    assert not np.allclose(by_hand, plain, rtol=0.01)


def refusal(config):
    with pytest.raises(UsageError) as caught:
        models.build(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tokens_need_a_network_that_attends_to_them():
    assert refusal(make_config("network.num_heads=0")) == (
        "config.conditions.text: tokens need a network that attends to them; set config.network.num_heads=8, say, or pooled=True there"
    )


def test_a_network_that_attends_to_tokens_needs_them():
    message = "config.network.num_heads=2: there are no tokens to attend to; give it a condition of tokens, such as bytes, or set it to 0"
    assert refusal(make_config(POOLED)) == message
    assert refusal(micro.make_config("mel") | {"network": make_config()["network"]}) == message


def test_tokens_of_two_widths_are_refused():
    config = make_config()
    config["conditions"]["style"] = config["conditions"]["text"] | {"width": 16}
    assert refusal(config) == (
        "config.conditions.style and config.conditions.text: tokens of widths 16, 8 cannot be one sequence; set one width"
    )


def test_two_texts_of_one_width_are_one_sequence():
    config = make_config()
    config["conditions"]["style"] = config["conditions"]["text"]
    assert set(jax.eval_shape(models.build(config).init, jax.random.key(0))["embedders"]) == {
        "key",
        "style",
        "tempo",
        "text",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.unconditional=1.5", "config.model.unconditional must be a share from 0 to 1, not 1.5"),
        (
            "conditions.style.capacity=2",
            "config.conditions.style: condition 'label': 3 classes, and room for capacity=2; set it to 3 or more",
        ),
        (
            "conditions.tempo.low=400.0",
            "config.conditions.tempo: condition 'numeric': low and high must be numbers, 0 < low < high, not 400.0 and 300.0",
        ),
    ],
)
def test_a_bad_option_is_refused(change, message):
    assert refusal(make_config(change)) == message
