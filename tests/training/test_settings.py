"""Settings out of range: one line that names the key and what is allowed."""

import functools
import inspect

import micro
import pytest

from musicdiff import config as configuration
from musicdiff.errors import UsageError
from musicdiff.training import optimizer
from musicdiff.training.settings import check_settings

PROFILES = "must be () or two different relative widths from 0.0001 to 0.28, such as (0.05, 0.1)"
POSITIVE = ("num_steps", "batch_size", "log_every", "checkpoint_every", "keep_checkpoints")


def changed(dotted, value):
    config = micro.make_config("mel")
    *path, key = dotted.split(".")
    functools.reduce(lambda section, name: section[name], path, config)[key] = value
    return config


@pytest.mark.parametrize("name", ["mel", "vae", "latent", "waveform"])
def test_good_settings_pass(name):
    check_settings(micro.make_config(name), devices=2)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        *((key, value, "must be a whole number above 0") for key in POSITIVE for value in (0, -1)),
        ("seed", -1, "must be 0 or more"),
        ("sample_every", -1, "must be 0 or more"),
        ("optim.micro_batch", -2, "must be 0 or more"),
        ("optim.warmup_steps", -1, "must be 0 or more"),
        ("optim.weight_decay", -0.1, "must be 0 or more"),
        ("optim.learning_rate", 0.0, "must be above 0"),
        ("optim.learning_rate", float("nan"), "must be above 0"),
        ("optim.clip_norm", -1.0, "must be above 0"),
        ("optim.decay_steps", 0, "must be above 0"),
        ("optim.b1", 1.0, "must be at least 0 and below 1"),
        ("optim.b2", -0.1, "must be at least 0 and below 1"),
        ("optim.ema_max", 1.5, "must be at least 0 and below 1"),
        *(("optim.ema_profiles", value, PROFILES) for value in ((0.1,), (0.1, 0.1), (0.05, 0.3), (0.0, 0.1), (0.05, 0.1, 0.2), ("a", "b"))),
        *(("sampler.num_steps", value, "must be a whole number") for value in (2.5, "3", True, None)),
        ("dtype", "float16", "must be one of float32, bfloat16"),
        ("data.loader", "torch", "must be one of tf, numpy"),
        ("parallel.engine", "pjit", "must be one of pmap, jit"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(key, value, allowed):
    with pytest.raises(UsageError) as caught:
        check_settings(changed(key, value), devices=1)
    assert str(caught.value) == f"config.{key} {allowed}, not {value!r}"


def refusal(config, where="config"):
    with pytest.raises(UsageError) as caught:
        check_settings(config, 1, where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_without_conditions_is_led_towards_nothing():
    assert refusal(changed("guidance.scale", 5.0)) == (
        "config.guidance.scale=5 leads towards what a model is told, and this one has no conditions"
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sed", "config has no option 'sed'; did you mean 'seed'?"),
        ("data.lodar", "config.data has no option 'lodar'; did you mean 'loader'?"),
        ("optim.lr", f"config.optim has no option 'lr'; there are: {', '.join(sorted(configuration.base()['optim']))}"),
        ("parallel.devices", "config.parallel has no option 'devices'; there are: engine"),
    ],
)
def test_an_unknown_key_is_named_with_those_that_exist(key, message):
    assert refusal(changed(key, 1)) == message


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("vae", "process"),
        ("vae", "sampler"),
        ("vae", "conditions"),
        ("vae", "guidance"),
        ("vae", "vae"),
        ("mel", "vae"),
        ("mel", "frames"),
        ("latent", "text"),
        ("waveform", "vocoder"),
    ],
)
def test_a_section_that_the_model_does_not_read_is_refused(name, section):
    assert refusal(micro.make_config(name) | {section: {}}).startswith(f"config has no option {section!r}; ")


def test_a_section_that_a_new_model_reads_is_taken(monkeypatch):
    """By the parameters of its factory alone, those before the star."""

    def build(spec, vocoder, where, network, process, conditions, dtype, ema, *, frames): ...

    monkeypatch.setattr("musicdiff.models.mel.build", build)
    config = micro.make_config("mel")
    check_settings(config | {"ema": {}}, devices=1)
    assert refusal(config) == "config lacks the option 'ema'"


@pytest.mark.parametrize("name", ["mel", "latent", "waveform"])
@pytest.mark.parametrize(
    "key", ["seed", "milestones", "data", "network", "process", "conditions", "sampler", "guidance"]
)
def test_a_missing_key_is_named(name, key):
    config = micro.make_config(name)
    del config[key]
    assert refusal(config) == f"config lacks the option {key!r}"


@pytest.mark.parametrize("name", ["mel", "vae", "latent"])
def test_what_is_made_of_mels_has_a_vocoder(name):
    config = micro.make_config(name)
    del config["vocoder"]
    assert refusal(config) == "config lacks the option 'vocoder'"


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("num_steps", 1.5, "int"),
        ("seed", "many", "int"),
        ("optim.learning_rate", "fast", "float"),
        ("optim", 3, "dict"),
        ("data.source", None, "str"),
        ("milestones", 100, "tuple"),
    ],
)
def test_a_value_of_another_type_is_named(key, value, kind):
    assert refusal(changed(key, value)) == f"config.{key} must be of type {kind}, not {value!r}"


def test_a_whole_number_is_a_number():
    check_settings(changed("optim.clip_norm", 1), devices=1)


def test_what_is_trained_on_the_way_is_called_as_the_user_calls_it():
    config = micro.make_config("vae")
    assert refusal(config | {"num_step": 1}, "config.vae") == (
        "config.vae has no option 'num_step'; did you mean 'num_steps'?"
    )
    assert refusal(config | {"num_steps": 0}, "config.vae").startswith("config.vae.num_steps must be")


@pytest.mark.parametrize("where", ["config", "config.vae"])
@pytest.mark.parametrize("warmup", [20, 30])
def test_warm_up_ends_before_the_decay(where, warmup):
    config = changed("optim.warmup_steps", warmup)
    expected = f"{where}.optim.warmup_steps={warmup} must be below {where}.optim.decay_steps=20"
    assert refusal(config, where) == expected
    check_settings(changed("optim.warmup_steps", 19), devices=1)


@pytest.mark.parametrize("model", [None, {}, {"frames": 64}])
def test_a_model_without_a_name_is_refused(model):
    config = {key: value for key, value in micro.make_config("mel").items() if key != "model"}
    assert refusal(config if model is None else config | {"model": model}) == "config.model lacks the option 'name'"


def test_the_optimizers_keys_are_in_the_base():
    """Whatever optimizer.build takes, but for what the model decides; and what training itself reads."""
    taken = set(inspect.signature(optimizer.build).parameters) - {"held_until"}
    assert set(configuration.base()["optim"]) == taken | {"ema_max", "ema_profiles", "micro_batch"}


@pytest.mark.parametrize(("key", "value"), [("channels", ()), ("channels", (8, 0)), ("num_res_blocks", 0)])
def test_a_network_size_below_one_is_named(key, value):
    assert refusal(changed(f"network.{key}", value)) == f"config.network.{key} must be 1 or more, not {value!r}"


@pytest.mark.parametrize(
    ("key", "value"), [("conv_route", "xla"), ("attention_levels", ()), ("head_width", None), ("zero_init", False)]
)
def test_a_network_option_that_is_no_size_passes(key, value):
    check_settings(changed(f"network.{key}", value), devices=1)


def test_zero_turns_samples_off():
    check_settings(changed("sample_every", 0), devices=1)


def test_a_batch_is_shared_evenly():
    check_settings(changed("batch_size", 6), devices=3)
    with pytest.raises(UsageError, match=r"config\.batch_size=6 does not divide by 4 devices; the next that does: 8"):
        check_settings(changed("batch_size", 6), devices=4)
    with pytest.raises(UsageError, match=r"config\.batch_size=2 does not divide by 4 devices; the next that does: 4"):
        check_settings(changed("batch_size", 2), devices=4)


def test_a_micro_batch_divides_a_devices_share():
    config = changed("batch_size", 12)
    for devices, micro_batch, fits in ((1, 4, True), (2, 3, True), (2, 4, False), (1, 24, False), (1, 0, True)):
        config["optim"]["micro_batch"] = micro_batch
        if fits:
            check_settings(config, devices)
        else:
            with pytest.raises(
                UsageError, match=rf"micro_batch={micro_batch} does not divide the {12 // devices} examples"
            ):
                check_settings(config, devices)
