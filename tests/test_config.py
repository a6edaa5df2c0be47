"""Configurations: from `file:preset` to a plain dict, to a workdir's JSON and back; whatever nothing reads is an error of one line."""

import json

import pytest

from musicdiff import config as configuration
from musicdiff.errors import DataError, UsageError

OWN = '''"""A configuration of one's own."""
from ml_collections import ConfigDict
from musicdiff.configs import base
PRESETS = {"small": None, "large": None}
def get_config(preset="small"):
    config = base.get_config()
    config.num_steps = 7
    config.model.frames = {"small": 64, "large": 128}[preset]
    return config
'''


def refusal(function, *args, **kwargs):
    """The message of the UsageError that a call raises: one line."""
    with pytest.raises(UsageError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def test_a_name_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = configuration.load("mel:512x128")
    assert loaded.name == "mel-512x128"
    assert (loaded.config["model"]["frames"], loaded.config["mel"]["num_mels"]) == (512, 128)


def test_a_path_is_the_same_as_a_name():
    path = configuration.installed_configs() / "latent.py"
    assert configuration.load(f"{path}:tiny") == configuration.load("latent:tiny")


def test_the_first_preset_is_the_default():
    assert configuration.load("mel") == configuration.load("mel:256x256")


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    loaded = configuration.load(f"{tmp_path}/mine.py:large")
    assert loaded.name == "mine-large"
    assert (loaded.config["num_steps"], loaded.config["model"]["frames"]) == (7, 128)


def test_a_configuration_is_plain_data():
    def check(value):
        assert isinstance(value, dict | tuple | str | int | float | bool | type(None)), value
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
            check(item)

    for text in configuration.presets():
        check(configuration.load(text).config)


def test_every_configuration_has_the_keys_of_the_base():
    base = configuration.base()
    for text in configuration.presets():
        config = configuration.load(text).config
        assert set(base) <= set(config)
        assert all(set(base[section]) == set(config[section]) for section in ("data", "mel", "optim", "parallel"))


def test_overrides_keep_their_types():
    changes = [
        "--config.optim.learning_rate=1e-3", "--config.num_steps=12", "--config.data.strict=True",
        "--config.network.channels=(8, 16)", "--config.data.source=folder:/some/where", "--config.milestones=(5,)",
    ]  # fmt: skip
    config = configuration.load("mel:tiny", changes).config
    assert config["optim"]["learning_rate"] == 1e-3
    assert config["num_steps"] == 12 and config["data"]["strict"] is True
    assert config["network"]["channels"] == (8, 16) and config["milestones"] == (5,)
    assert config["data"]["source"] == "folder:/some/where"


def test_a_number_may_stand_for_a_tuple_of_one():
    assert configuration.load("mel:tiny", ["--config.network.attention_levels=2"]).config["network"][
        "attention_levels"
    ] == (2,)


def test_overrides_change_nothing_else():
    before, after = (configuration.load("latent:tiny", o).config for o in ([], ["--config.vae.num_steps=3"]))
    assert configuration.differences(before, after) == {"vae.num_steps": (before["vae"]["num_steps"], 3)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("--config.optim.learnin_rate=1", ["learnin_rate", "learning_rate"]),
        ("--config.optin.learning_rate=1", ["optin"]),
        ("--config.num_steps=many", ["num_steps", "many"]),
        ("--config.num_steps=1.5", ["num_steps", "1.5"]),
        ("--config.optim.learning_rate=fast", ["learning_rate", "fast"]),
        ("--config.data.strict=perhaps", ["strict", "perhaps"]),
        ("--config.network.channels=wide", ["channels"]),
        ("--config.optim=3", ["optim"]),
        ("--learning_rate=1", ["learning_rate"]),
        ("num_steps=3", ["num_steps=3", "--config.optim.learning_rate=1e-4"]),
    ],
)
def test_an_unusable_override_is_named(change, words):
    message = refusal(configuration.load, "mel:tiny", [change])
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mell:tiny", ["mell", "latent, mel, text, vae"]),
        ("mel:tny", ["mel.py", "'tny'", "256x256", "tiny"]),
        ("configs/none.py", ["none.py", "latent, mel, text, vae"]),
        ("", ["latent, mel, text, vae"]),
        ("base", ["base"]),
    ],
)
def test_an_unknown_configuration_lists_what_exists(text, words):
    message = refusal(configuration.load, text)
    assert all(word in message for word in words), message


def test_a_file_that_is_no_configuration(tmp_path):
    (tmp_path / "other.py").write_text("x = 1")
    assert "PRESETS" in refusal(configuration.load, f"{tmp_path}/other.py")


def test_json_brings_a_configuration_back():
    config = configuration.load("latent:tiny").config
    assert configuration.from_json(configuration.to_json(config)) == config


def test_fingerprints_are_of_the_content():
    a = {"b": (1, 2), "c": {"d": 0.1}}
    assert configuration.fingerprint(a) == configuration.fingerprint({"c": {"d": 0.1}, "b": [1, 2]})
    assert configuration.fingerprint(a) != configuration.fingerprint({"b": (2, 1), "c": {"d": 0.1}})
    assert len(configuration.fingerprint(a)) == 12


def test_differences_are_dotted():
    old = {"a": 1, "b": {"c": (1, 2), "d": 3}, "e": 4}
    new = {"a": 1, "b": {"c": [1, 2], "d": 5}, "f": 6}
    assert configuration.differences(old, new) == {"b.d": (3, 5), "e": (4, None), "f": (None, 6)}


def test_reload_reads_a_workdir(tmp_path):
    config = configuration.load("mel:tiny").config
    (tmp_path / "config.json").write_text(configuration.to_json(config))
    assert configuration.reload(tmp_path) == config
    assert configuration.reload(tmp_path, ["--config.num_steps=9"])["num_steps"] == 9
    with pytest.raises(DataError, match=rf"{tmp_path}/none is not a workdir \(no config\.json\); train one"):
        configuration.reload(tmp_path / "none")


@pytest.mark.parametrize("name", ["mel:tiny", "latent:tiny"])
def test_a_workdir_from_before_conditions_is_read_as_told_nothing(tmp_path, name):
    config = configuration.load(name).config
    old = {key: value for key, value in config.items() if key not in ("conditions", "guidance")}
    old["network"] = {key: value for key, value in config["network"].items() if key != "num_heads"}
    (tmp_path / "config.json").write_text(configuration.to_json(old))
    assert configuration.read(tmp_path) == config


def test_a_damaged_workdir_is_named(tmp_path):
    (tmp_path / "config.json").write_text(configuration.to_json({"seed": 0})[:-3])
    with pytest.raises(DataError, match=r"config\.json is damaged"):
        configuration.read(tmp_path)


def test_a_workdir_holds_data_not_code(tmp_path):
    """Strings that look like code stay strings."""
    (tmp_path / "config.json").write_text(json.dumps({"seed": 0, "model": {"name": "__import__('os').abort()"}}))
    assert configuration.reload(tmp_path)["model"]["name"] == "__import__('os').abort()"


def test_plugin_options_leave_the_name_out():
    assert configuration.plugin_options({"name": "ddim", "eta": 0.5}) == {"eta": 0.5}
