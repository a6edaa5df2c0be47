"""Settings out of range: one line that names the key and what is allowed."""

import functools

import micro
import pytest

from musicdiff.errors import UsageError
from musicdiff.training.settings import check_settings

PROFILES = "must be () or two different relative widths above 0 and up to 0.28, such as (0.05, 0.1)"
POSITIVE = ("num_steps", "batch_size", "log_every", "checkpoint_every", "keep_checkpoints")


def changed(dotted, value):
    config = micro.make_config("mel")
    *path, key = dotted.split(".")
    functools.reduce(lambda section, name: section[name], path, config)[key] = value
    return config


@pytest.mark.parametrize("name", ["mel", "vae", "latent"])
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
        *(("optim.ema_profiles", value, PROFILES) for value in ((0.1,), (0.1, 0.1), (0.05, 0.3), (0.0, 0.1), (-0.1, 0.1))),
        ("dtype", "float16", "must be one of float32, bfloat16"),
        ("data.loader", "torch", "must be one of tf, numpy"),
        ("parallel.engine", "pjit", "must be one of pmap, jit"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(key, value, allowed):
    with pytest.raises(UsageError) as caught:
        check_settings(changed(key, value), devices=1)
    assert str(caught.value) == f"config.{key} {allowed}, not {value!r}"


@pytest.mark.parametrize("key", ["sed", "data.cache", "optim.lr", "parallel.devices"])
def test_an_unknown_key_is_named_with_those_that_exist(key):
    with pytest.raises(UsageError, match=rf"^config\.{key} is read by nothing; there are: \w+(, \w+)*$"):
        check_settings(changed(key, 1), devices=1)


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
