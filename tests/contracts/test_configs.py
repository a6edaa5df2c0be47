"""What every configuration that comes with musicdiff must do: build by shapes alone, with no key unread, to the last parameter."""

import functools
import math
import pathlib
import re

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff import conditioning, models
from musicdiff import config as configuration
from musicdiff.data.sources import drums
from musicdiff.diffusion import grids, kinds, losses, schedules
from musicdiff.errors import DataError, MusicdiffError, UsageError
from musicdiff.training import loop, phases, summary
from musicdiff.training.settings import check_settings

PRESETS = configuration.presets()
RESOLUTIONS = ("64x64", "512x32", "512x64", "512x128", "1024x128")
SAME_NETWORK = [f"{name}:{size}" for name in ("mel", "text") for size in RESOLUTIONS]  # as at 256x256
SAME_NETWORK += ["waveform:stereo"]  # as of 65536
TINY = {"mel:tiny", "vae:tiny", "vae:tiny-128", "latent:tiny", "latent:tiny-text", "latent:tiny-pooled", "text:tiny"}
TINY |= {"waveform:tiny"}
ENCODER = pathlib.Path(__file__).parents[1] / "fixtures/transformers/t5"  # of a published layout, and small
FULL_SIZE = [text for text in PRESETS if text not in TINY | {"text:t5"}]
UNET = {"unet": 113_668_609}
READERS = {"key": 12_800, "style": 33_280, "tempo": 271_872, "text": 27_751_424}  # what embeds the conditions
TOLD = {"unet": 139_673_217, **READERS}
# {config: (parameters by network, clip [T, F, C] or [T, C], its multiple in mel frames or samples, seconds)}
NUMBERS = {
    "mel:64x64": (UNET, (64, 64, 1), 32, 0.743),
    "mel:256x256": (UNET, (256, 256, 1), 32, 2.972),
    "mel:512x32": (UNET, (512, 32, 1), 32, 5.944),
    "mel:512x64": (UNET, (512, 64, 1), 32, 5.944),
    "mel:512x128": (UNET, (512, 128, 1), 32, 5.944),
    "mel:1024x128": (UNET, (1024, 128, 1), 32, 11.889),
    "mel:stereo": ({"unet": 113_670_914}, (512, 128, 2), 32, 5.944),
    "vae:256x256": ({"autoencoder": 83_607_691, "discriminator": 2_764_481}, (256, 256, 1), 8, 2.972),
    "latent:256x256": (UNET, (32, 32, 1), 256, 2.972),
    "latent:text": (TOLD, (32, 32, 1), 64, 2.972),
    "text:64x64": (TOLD, (64, 64, 1), 8, 0.743),
    "text:256x256": (TOLD, (256, 256, 1), 8, 2.972),
    "text:512x32": (TOLD, (512, 32, 1), 8, 5.944),
    "text:512x64": (TOLD, (512, 64, 1), 8, 5.944),
    "text:512x128": (TOLD, (512, 128, 1), 8, 5.944),
    "text:1024x128": (TOLD, (1024, 128, 1), 8, 11.889),
    "waveform:65536": ({"unet": 64_761_490}, (65_536, 1), 256, 2.972),
    "waveform:stereo": ({"unet": 64_762_580}, (131_072, 2), 512, 2.972),
    "waveform:drums": ({"unet": 11_975_378, "style": 33_280}, (32_768, 1), 256, 1.486),
    "text:minilm": ({"unet": 138_395_265, **READERS, "text": 198_016}, (256, 256, 1), 8, 2.972),  # tokens of width 384
}
KEYS = [
    *("seed", "num_steps", "batch_size", "dtype"),
    *("optim.learning_rate", "optim.decay_steps", "optim.micro_batch"),
    *("data.source", "data.cache_dir", "data.loader"),
    *("log_every", "sample_every", "checkpoint_every", "keep_checkpoints", "milestones"),
    "parallel.engine",
]
MEL_KEYS = ["vocoder.name"]  # of models whose x_0 is made of mels
SAMPLED_KEYS = ["sampler.name", "sampler.num_steps", "guidance.scale", "guidance.rescale"]


@functools.cache
def load(text):
    return configuration.load(text, [f"--config.conditions.text.path={ENCODER}"] if text == "text:t5" else []).config


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
    assert set(NUMBERS) | TINY | {"text:t5"} == set(PRESETS)
    defaults = {text.partition(":")[0]: text for text in reversed(PRESETS)}
    assert set(defaults.values()) == {
        "mel:256x256", "vae:256x256", "latent:256x256", "text:256x256", "waveform:65536",
    }  # fmt: skip


@functools.cache
def sizes(text):
    """What `musicdiff info --json` says of a configuration, but for its cost."""
    return summary.sizes(text)


@pytest.mark.parametrize("text", FULL_SIZE)
def test_the_numbers_hold_to_the_last_parameter(text):
    row = sizes(text)
    parts, shape, multiple, seconds = NUMBERS[text]
    assert (row["parts"], row["parameters"]) == (parts, sum(parts.values()))
    assert (tuple(row["shape"]), row["multiple"], row["clip_seconds"]) == (shape, multiple, seconds)
    assert (row["sample_rate"], row["channels"]) == ((44_100, 2) if text.endswith(":stereo") else (22_050, 1))
    assert row["frozen_parameters"] == ({"autoencoder": 83_607_691} if text.startswith("latent:") else {})


def test_a_text_encoder_changes_the_conditional_unet_where_it_reads_tokens():
    """Keys and values of 16 places of attention, and the null token, are as wide as the encoder's."""
    unet = jax.eval_shape(build("text:t5")[0].init, jax.random.key(0))["network"]
    widths = 2 * (5 * 128 + 5 * 256 + 5 * 512 + 512)  # two down and three up at each of three levels, and the middle
    assert count(unet) == 139_673_217 - (512 - 16) * widths


def test_the_unets_memory():
    assert sizes("mel:256x256")["mib"] == 433.6
    assert sizes("waveform:65536")["mib"] == 247.0  # 259 MB


@pytest.mark.parametrize(("channels", "parameters"), [(3, 113_673_219), (4, 113_675_524)])
def test_wider_latents_change_the_unets_ends_alone(channels, parameters):
    change = f"--config.vae.network.latent_channels={channels}"
    model = models.build(configuration.load("latent:256x256", [change]).config)
    assert count(jax.eval_shape(model.init, jax.random.key(0))) == parameters


def test_the_talks_recipe_is_the_default():
    for text in ("mel:256x256", "latent:256x256"):
        config = load(text)
        assert config["process"] == {
            "objective": "denoising", "schedule": "linear_beta", "prediction": "eps", "weight": "simple", "times": "uniform",
            "told": "index", **{f"{part}_options": {} for part in ("schedule", "prediction", "weight", "times")},
        }  # fmt: skip
        assert config["sampler"] == {"name": "ddim", "num_steps": 50, "grid": "auto"}
        assert grids.resolve("auto", build(text)[0].schedule) == "leading"
        assert config["batch_size"] == 16
        assert config["optim"] == {
            "learning_rate": 1e-4, "b1": 0.95, "b2": 0.999, "weight_decay": 1e-6, "warmup_steps": 500,
            "decay_steps": 40_000, "clip_norm": 1.0, "ema_max": 0.9999, "ema_profiles": (), "micro_batch": 0,
        }  # fmt: skip
        spec = config["mel"]
        assert (spec["sample_rate"], spec["n_fft"], spec["hop"], spec["db_range"]) == (22_050, 1_024, 256, 80.0)
    config, talk = load("waveform:65536"), load("mel:256x256")
    assert config["process"] == talk["process"] | {"schedule": "cosine", "prediction": "v", "told": "time"}
    assert all(config[section] == talk[section] for section in ("sampler", "optim", "batch_size"))
    assert (config["mel"]["sample_rate"], config["mel"]["channels"]) == (22_050, 1)
    table = schedules.build("linear_beta")
    log_snr = np.float64(table.log_snr(np.float32([0, 1])))
    expected = 1 - np.linspace(1e-4, 2e-2, 1_000, dtype=np.float64)
    alpha_bar = np.cumprod(expected)[[0, -1]]
    assert table.num_levels == 1_000
    np.testing.assert_allclose(log_snr, np.log(alpha_bar / (1 - alpha_bar)), rtol=1e-5)


@pytest.mark.parametrize(
    ("preset", "own"), [("256x256", "256x256"), ("text", "256x256"), ("tiny", "tiny"), ("tiny-text", "tiny-128")]
)
def test_an_autoencoder_trained_on_the_way_is_that_of_its_own_configuration(preset, own):
    """Nothing is lost between the two: what it has of its own is in `vae`, what they share is the latent run's."""
    latent, alone = load(f"latent:{preset}"), load(f"vae:{own}")
    derived = phases.autoencoder_config(latent)
    shared = {key: latent[key] for key in ("data", "mel", "seed", "dtype", "vocoder", "parallel")}
    assert derived == alone | shared
    assert not set(shared) & set(latent["vae"])
    assert latent["mel"] == alone["mel"] and latent["data"] == alone["data"]
    of_diffusion = ("vae", "process", "conditions", "sampler", "guidance")
    run_alone = {key: value for key, value in latent.items() if key not in of_diffusion}
    assert derived == run_alone | {key: value for key, value in latent["vae"].items() if key != "path"}


@pytest.mark.parametrize("text", [text for text in PRESETS if text.endswith(":tiny") and text != "waveform:tiny"])
def test_tiny_presets_are_long_enough_to_hear_rhythm(text):
    model, params = build(text)
    assert count(params) < 4e6
    assert load(text)["mel"]["num_mels"] == 32
    assert model.domain.multiple * model.domain.samples_per_frame <= 32 * load(text)["mel"]["hop"]
    if model.denoise_fn is not None:
        assert 5.9 < model.domain.seconds < 6


@pytest.mark.parametrize("text", ["waveform:drums", "waveform:tiny"])
def test_one_shots_are_whole_clips(text):
    """The longest that the source `drums` strikes; clips of longer tracks would begin anywhere in them."""
    model, params = build(text)
    assert load(text)["data"]["source"] == "drums"
    assert drums.LONGEST < model.domain.seconds < 1.5
    assert count(params) < (2e6 if text == "waveform:tiny" else 2e7)


@pytest.mark.parametrize("text", ["latent:tiny-text", "latent:tiny-pooled", "text:tiny"])
def test_small_conditional_presets_are_told_what_the_full_ones_are(text):
    config, full = load(text), load("text:256x256")
    assert config["conditions"].keys() == full["conditions"].keys() == {"text", "style", "tempo", "key"}
    for name in ("style", "tempo", "key"):
        assert config["conditions"][name] == full["conditions"][name]
    assert config["guidance"] == full["guidance"] == {"scale": 3.0, "rescale": 0.0}
    model, params = build(text)
    assert count(params) < 8e6 and 5.9 < model.domain.seconds < 6
    assert model.domain.multiple * model.domain.samples_per_frame <= 32 * config["mel"]["hop"]
    assert config["mel"]["num_mels"] == (32 if text == "text:tiny" else 128)  # 32 bins cannot carry a key


@pytest.mark.parametrize(
    "text", [text for text in PRESETS if text not in (*SAME_NETWORK, "latent:text", "text:minilm")]
)
def test_the_loss_of_a_batch_has_shapes(text):
    model, params = build(text)
    frozen = jax.eval_shape(model.init_frozen, jax.random.key(0))
    batch = {
        "x_0": jax.ShapeDtypeStruct((2, model.clip_frames, *model.domain.shape[1:]), jnp.float32),
        "cond": conditioning.tell_nothing(model.conditions, 2),
    }
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    values, metrics = jax.eval_shape(model.loss, params, frozen, batch, keys, jax.ShapeDtypeStruct((), jnp.int32))
    assert values.shape == (2,) and values.dtype == jnp.float32
    assert all(metric.shape == (2,) for metric in metrics.values())


@pytest.mark.parametrize("text", PRESETS)
def test_every_key_of_the_contract_is_there(text):
    config = load(text)
    model = config["model"]["name"]
    for key in KEYS + (SAMPLED_KEYS if model != "vae" else []) + (MEL_KEYS if model != "waveform" else []):
        functools.reduce(lambda section, name: section[name], key.split("."), config)
    check_settings(config, devices=1)
    loop.make_optimizer(models.build(config), config["optim"])


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


@pytest.mark.parametrize("text", ["mel:tiny", "vae:tiny", "vae:256x256", "latent:tiny", "text:tiny", "waveform:tiny"])
def test_a_key_that_nothing_reads_is_an_error(text, tmp_path):
    """In any section, by its full name. As it is, the configuration is refused for its data alone."""
    assert isinstance(run_without_data(load(text), tmp_path / "run"), DataError)
    for path in sections(load(text)):
        error = run_without_data(changed(load(text), (*path, "unheard_of"), 1), tmp_path / "run")
        owner = ".".join(("config", *path))
        match path:  # what is chosen by name says so
            case ("sampler",):
                owner = "sampler 'ddim'"
            case ("process",):
                owner = "objective 'denoising'"
            case ("process", options):
                part = options.removesuffix("_options")
                owner = f"{part} {load(text)['process'][part]!r}"
        assert isinstance(error, UsageError) and "\n" not in str(error)
        assert str(error).startswith(f"{owner} has no option 'unheard_of'; "), (path, error)


def test_a_key_beside_the_path_of_an_autoencoder_is_an_error_where_nothing_reads_it(tmp_path):
    """Though a run that is given its autoencoder trains none by that section. As it is, it is refused for the path alone."""
    given = changed(load("latent:tiny"), ("vae", "path"), str(tmp_path / "none"))
    assert isinstance(run_without_data(given, tmp_path / "run"), DataError)
    for path in sections(given["vae"]):
        error = run_without_data(changed(given, ("vae", *path, "unheard_of"), 1), tmp_path / "run")
        owner = ".".join(("config", "vae", *path))
        assert isinstance(error, UsageError)
        assert str(error).startswith(f"{owner} has no option 'unheard_of'; "), (path, error)


def test_of_an_autoencoder_that_is_given_only_the_keys_are_checked(tmp_path):
    """One batch that devices cannot share is no matter where nothing is trained on it."""
    given = changed(load("latent:tiny"), ("vae", "path"), str(tmp_path / "none"))
    error = run_without_data(changed(given, ("vae", "batch_size"), 0), tmp_path / "run")
    assert str(error).startswith(f"{tmp_path / 'none'} is not a workdir")


def test_a_section_of_an_autoencoder_without_its_model_says_so(tmp_path):
    given = load("latent:tiny")
    given = given | {"vae": {key: value for key, value in given["vae"].items() if key != "model"}}
    assert str(run_without_data(given, tmp_path / "run")) == "config.vae.model lacks the option 'name'"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seed",), -1, "config.seed must be 0 or more, not -1"),
        (("dtype",), "int8", "config.dtype must be one of float32, bfloat16, not 'int8'"),
        (("mel", "num_mels"), 30, "config.mel.num_mels=30 is not a multiple of 16, as the network asks; the nearest is 32"),
        (("guidance", "scale"), -1.0, "a guidance scale is 0 or more, and 1 is none, not -1.0"),
        (("conditions",), {"key": {"name": "key", "dropout": 2}}, "config.conditions.key.dropout must be a share from 0 to 1, not 2"),
        (("conditions",), {"key": 3}, "config.conditions.key must be a section with a name, not 3"),
        (("vae", "num_steps"), 0, "config.vae.num_steps must be a whole number above 0, not 0"),
        (("vae", "model", "frames"), 6, "config.vae.model.frames=6 is not a multiple of 4, as the network asks; the nearest is 8"),
        (("vae", "network", "channels"), (), "config.vae.network.channels must be 1 or more, not ()"),
    ],
)  # fmt: skip
def test_a_key_of_two_models_is_called_as_the_user_calls_it(path, value, message, tmp_path):
    assert str(run_without_data(changed(load("latent:tiny"), path, value), tmp_path / "run")) == message


RECIPES = re.findall(
    r"^--config\.(process=)\"(.*)\"$", (pathlib.Path(__file__).parents[2] / "docs/configs.md").read_text(), re.M
)


@pytest.mark.parametrize("recipe", ["".join(recipe) for recipe in RECIPES])
@pytest.mark.parametrize("name", ["mel", "latent", "waveform"])
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
