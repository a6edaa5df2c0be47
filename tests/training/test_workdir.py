"""A workdir resumes its own run and no other: what may change between two starts, and what may not."""

import json

import micro
import pytest

from musicdiff import config as configuration
from musicdiff.errors import DataError, UsageError
from musicdiff.training import workdir

TEXT = {"name": "t5", "path": "here", "length": 64, "dropout": 0.1}
CONFIG = micro.make_config("latent") | {"conditions": {"text": TEXT}}


def changed(**changes):
    config = json.loads(json.dumps(CONFIG))
    for dotted, value in changes.items():
        *path, key = dotted.split("__")
        section = config
        for name in path:
            section = section[name]
        section[key] = value
    return config


def test_a_new_folder_holds_configuration_and_versions(tmp_path):
    folder = workdir.open_workdir(tmp_path / "a" / "b", CONFIG)
    assert configuration.from_json((folder / "config.json").read_text()) == CONFIG
    versions = json.loads((folder / "versions.json").read_text())
    assert {"python", "jax", "flax", "optax", "numpy"} <= set(versions)
    assert all(isinstance(version, str) for version in versions.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"num_steps": 9}, {"log_every": 3}, {"sample_every": 0}, {"checkpoint_every": 1},
        {"sampler__num_steps": 50}, {"sampler__name": "heun"}, {"sampler__eta": 0.5}, {"data__cache_dir": "elsewhere"},
        {"data__source": "folder:moved"}, {"optim__micro_batch": 2},
        {"guidance__scale": 4.0}, {"conditions": {"text": TEXT | {"path": "moved"}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_change_is_kept_as_it_is_now(tmp_path, changes):
    workdir.open_workdir(tmp_path, CONFIG)
    workdir.open_workdir(tmp_path, changed(**changes))
    assert configuration.from_json((tmp_path / "config.json").read_text()) == configuration.from_json(
        json.dumps(changed(**changes))
    )


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"optim__decay_steps": 21}, "optim.decay_steps: 20 there, 21 now"),
        ({"optim__learning_rate": 1.0}, "optim.learning_rate"),
        ({"network__channels": [8, 24]}, "network.channels: (8, 16) there, (8, 24) now"),
        ({"vae__num_steps": 7}, "vae.num_steps: 6 there, 7 now"),
        ({"conditions": {"text": TEXT | {"length": 32}}}, "conditions.text.length: 64 there, 32 now"),
        ({"vae__path": "elsewhere"}, "vae.path: '' there, 'elsewhere' now"),
        ({"extra": 1}, "extra: None there, 1 now"),
        ({"batch_size": 8, "mel__hop": 32}, "batch_size: 4 there, 8 now, mel.hop: 64 there, 32 now"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_another_configuration_is_refused_with_what_differs(tmp_path, changes, difference):
    workdir.open_workdir(tmp_path, CONFIG)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError) as caught:
        workdir.open_workdir(tmp_path, configuration.from_json(json.dumps(changed(**changes))))
    message = str(caught.value)
    assert difference in message and str(tmp_path) in message and "--workdir" in message and "\n" not in message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_configuration_is_not_overwritten(tmp_path):
    workdir.open_workdir(tmp_path, CONFIG)
    path = tmp_path / "config.json"
    path.write_text(path.read_text()[:-9])
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"config\.json is damaged"):
        workdir.open_workdir(tmp_path, CONFIG)
    assert path.read_bytes() == before
