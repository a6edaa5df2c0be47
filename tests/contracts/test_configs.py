"""What every configuration that comes with musicdiff must do: build by shapes alone, with no key unread, to the last parameter."""

import functools
import math
import pathlib
import re

import jax
import jax.numpy as jnp
import micro
import pytest

from musicdiff import config as configuration
from musicdiff import models
from musicdiff.diffusion import grids, kinds, losses, schedules
from musicdiff.errors import DataError, MusicdiffError, UsageError
from musicdiff.training import loop, phases
from musicdiff.training.settings import check_settings

PRESETS = configuration.presets()
SAME_NETWORK = ("mel:64x64", "mel:512x32", "mel:512x64", "mel:512x128", "mel:1024x128")  # as mel:256x256
FULL_SIZE = [text for text in PRESETS if not text.endswith(":tiny")]
# {config: (parameters, clip [T, F, C], its multiple in mel frames, seconds)}
NUMBERS = {
    "mel:64x64": (113_668_609, (64, 64, 1), 32, 0.743),
    "mel:256x256": (113_668_609, (256, 256, 1), 32, 2.972),
    "mel:512x32": (113_668_609, (512, 32, 1), 32, 5.944),
    "mel:512x64": (113_668_609, (512, 64, 1), 32, 5.944),
    "mel:512x128": (113_668_609, (512, 128, 1), 32, 5.944),
    "mel:1024x128": (113_668_609, (1024, 128, 1), 32, 11.889),
    "mel:stereo": (113_670_914, (512, 128, 2), 32, 5.944),
    "vae:256x256": (86_372_172, (256, 256, 1), 8, 2.972),
    "latent:256x256": (113_668_609, (32, 32, 1), 256, 2.972),
}
KEYS = [
    *("seed", "num_steps", "batch_size", "dtype"),
    *("optim.learning_rate", "optim.decay_steps", "optim.micro_batch"),
    *("data.source", "data.cache_dir", "data.loader"),
    *("log_every", "sample_every", "checkpoint_every", "keep_checkpoints", "milestones"),
    *("vocoder.name", "parallel.engine"),
]
SAMPLED_KEYS = ["sampler.name", "sampler.num_steps"]


@functools.cache
def load(text):
    return configuration.load(text).config


@functools.cache
def build(text):
    """The model and its parameters' shapes: nothing is allocated."""
    model = models.build(load(text))
    return model, jax.eval_shape(model.init, jax.random.key(0))


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def changed(config, path, value):
    """A copy of a nested dict with `value` at a path of keys."""
    key, *rest = path
    return {**config, key: changed(config[key], rest, value) if rest else value}


def test_the_talks_presets_are_there():
    assert set(NUMBERS) | {"mel:tiny", "vae:tiny", "latent:tiny"} == set(PRESETS)
    defaults = {text.partition(":")[0]: text for text in reversed(PRESETS)}
    assert set(defaults.values()) == {"mel:256x256", "vae:256x256", "latent:256x256"}


@pytest.mark.parametrize("text", FULL_SIZE)
def test_the_numbers_hold_to_the_last_parameter(text):
    model, params = build(text)
    parameters, shape, multiple, seconds = NUMBERS[text]
    hop = load(text)["mel"]["hop"]
    assert count(params) == parameters
    assert model.domain.shape == shape
    assert model.domain.multiple * model.domain.samples_per_frame == multiple * hop
    assert round(model.domain.seconds, 3) == seconds
    assert model.domain.channels == shape[2]
    assert model.domain.sample_rate == {"mel:stereo": 44_100}.get(text, 22_050)


def test_the_autoencoder_has_its_own_count():
    _, params = build("vae:256x256")
    assert count(params["autoencoder"]) == 83_607_691
    frozen = jax.eval_shape(build("latent:256x256")[0].init_frozen, jax.random.key(0))
    assert count(frozen["autoencoder"]) == 83_607_691


@pytest.mark.parametrize("text", [text for text in PRESETS if text.endswith(":tiny")])
def test_tiny_presets_are_long_enough_to_hear_rhythm(text):
    model, params = build(text)
    assert count(params) < 4e6
    assert load(text)["mel"]["num_mels"] == 32
    assert model.domain.multiple * model.domain.samples_per_frame <= 32 * load(text)["mel"]["hop"]
    if model.denoise_fn is not None:
        assert 5.9 < model.domain.seconds < 6


@pytest.mark.parametrize("text", [text for text in PRESETS if text not in SAME_NETWORK])
def test_the_loss_of_a_batch_has_shapes(text):
    model, params = build(text)
    frozen = jax.eval_shape(model.init_frozen, jax.random.key(0))
    batch = {"x_0": jax.ShapeDtypeStruct((2, model.clip_frames, *model.domain.shape[1:]), jnp.float32)}
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    values, metrics = jax.eval_shape(model.loss, params, frozen, batch, keys, jax.ShapeDtypeStruct((), jnp.int32))
    assert values.shape == (2,) and values.dtype == jnp.float32
    assert all(metric.shape == (2,) for metric in metrics.values())


@pytest.mark.parametrize("text", PRESETS)
def test_every_key_of_the_contract_is_there(text):
    config = load(text)
    for key in KEYS + ([] if config["model"]["name"] == "vae" else SAMPLED_KEYS):
        functools.reduce(lambda section, name: section[name], key.split("."), config)
    check_settings(config, devices=1)
    loop.make_optimizer(build(text)[0], config["optim"])


def sections(config, path=()):
    """The paths of all sections, the top's () first."""
    yield path
    for key, value in config.items():
        if isinstance(value, dict):
            yield from sections(value, (*path, key))


def run_without_data(config, folder):
    """A run of this configuration ends where it looks for its data, if not before: with nothing written."""
    with pytest.raises(MusicdiffError) as caught:
        phases.run(changed(config, ("data", "source"), "folder:/nonexistent"), folder)
    assert not folder.exists()
    return caught.value


@pytest.mark.parametrize("text", ["mel:tiny", "vae:tiny", "vae:256x256", "latent:tiny"])
def test_a_key_that_nothing_reads_is_an_error(text, tmp_path):
    """In any section. As it is, the configuration is refused for its data alone."""
    assert isinstance(run_without_data(load(text), tmp_path / "run"), DataError)
    for path in sections(load(text)):
        error = run_without_data(changed(load(text), (*path, "unheard_of"), 1), tmp_path / "run")
        assert isinstance(error, UsageError) and "unheard_of" in str(error) and "\n" not in str(error), (path, error)


RECIPES = re.findall(
    r"^--config\.(process=)\"(.*)\"$", (pathlib.Path(__file__).parents[2] / "docs/configs.md").read_text(), re.M
)


@pytest.mark.parametrize("recipe", ["".join(recipe) for recipe in RECIPES])
@pytest.mark.parametrize("name", ["mel", "latent"])
def test_the_noise_processes_of_the_docs_can_be_asked_for(name, recipe):
    """A loss and a prediction by shapes alone, with the model's own schedule to sample along."""
    model = models.build(micro.make_config(name, recipe))
    params, frozen = (jax.eval_shape(init, jax.random.key(0)) for init in (model.init, model.init_frozen))
    x_0 = jax.ShapeDtypeStruct((2, *model.domain.shape), jnp.float32)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    values, _ = jax.eval_shape(model.loss, params, frozen, {"x_0": x_0}, keys, jax.ShapeDtypeStruct((), jnp.int32))
    assert values.shape == (2,)
    denoised = jax.eval_shape(lambda p, f, x: model.denoise_fn(p, f)(x, jnp.float32(0.0), {}), params, frozen, x_0)
    assert denoised.x_0.shape == denoised.eps.shape == x_0.shape
    assert grids.build("trailing", model.schedule, 5).shape == (6,)
    assert model.flow_map == ("mean_flow" in recipe)


def test_the_docs_show_every_named_part_of_the_process():
    text = " ".join(recipe for _, recipe in RECIPES)
    assert len(RECIPES) == 7
    for known in (schedules.SCHEDULES, kinds.KINDS.keys() - {"x_0"}, losses.WEIGHTS.keys() - {"simple"}, ["mean_flow"]):
        assert all(f"'{name}'" in text for name in known)


def test_configurations_say_how_they_are_run():
    for name in {text.partition(":")[0] for text in PRESETS}:
        docstring = (configuration.installed_configs() / f"{name}.py").read_text().split('"""')[1]
        assert f"python run_train.py --config=configs/{name}.py" in docstring
        assert "measured" in docstring  # device, hours and score, or that they are not measured
