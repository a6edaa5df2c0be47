"""Configurations: `file:preset` -> a plain nested dict; the only file that touches ml_collections.

A configuration is read once, at the top; below run_train.py and training/loop.py there are plain keyword arguments. Each section is exactly the
keyword arguments of one callable, bound by `choice.call`: that is how a key that nothing reads becomes an error.
"""

import dataclasses
import difflib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etils import epath

from musicdiff.errors import DataError, UsageError


class Loaded(NamedTuple):
    """A configuration with its name: `configs/latent.py:tiny` is 'latent-tiny'."""

    name: str
    config: dict[str, Any]


def installed_configs() -> Path:
    """The folder of the configurations that come with musicdiff: installed as musicdiff.configs, or configs/ of a checkout."""
    spec = importlib.util.find_spec("musicdiff.configs")
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parent.parent / "configs"


def presets() -> list[str]:
    """Every configuration that comes with musicdiff, as `name:preset`."""
    files = sorted(path for path in installed_configs().glob("*.py") if path.stem not in ("__init__", "base"))
    return [f"{path.stem}:{preset}" for path in files for preset in _module(path).PRESETS]


def base() -> dict[str, Any]:
    """What every configuration has before a variant changes it: configs/base.py, the one list of the keys that a run itself reads."""
    _provide_configs_package()
    return importlib.import_module("musicdiff.configs.base").get_config().to_dict()


def load(text: str, overrides: Sequence[str] = ()) -> Loaded:
    """Reads `configs/latent.py:tiny` or, from anywhere, `latent:tiny`, then applies overrides like '--config.optim.learning_rate=1e-4'.

    Raises UsageError, one line, for a missing file or preset, and for an override whose key or type does not fit.
    """
    file, _, preset = text.partition(":")
    path = Path(file)
    if path.suffix != ".py":
        path = installed_configs() / f"{file}.py"
    if not path.is_file():
        known = ", ".join(
            p.stem for p in sorted(installed_configs().glob("*.py")) if p.stem not in ("__init__", "base")
        )
        raise UsageError(f"no configuration {str(path)!r}; those that come with musicdiff: {known}")
    module = _module(path)
    preset = preset or next(iter(module.PRESETS))
    if preset not in module.PRESETS:
        raise UsageError(f"{path.name} has no preset {preset!r}; there are: {', '.join(module.PRESETS)}")
    return Loaded(f"{path.stem}-{preset}", _override(module.get_config(preset).to_dict(), overrides))


def reload(workdir: Any, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of a workdir with overrides. Raises DataError as `read`, UsageError as `load`."""
    return _override(read(workdir), overrides)


def read(workdir: Any) -> dict[str, Any]:
    """The configuration of a workdir, data alone: no code of it is ever run. Raises DataError when it is no workdir or damaged."""
    path = epath.Path(workdir) / "config.json"
    if not path.exists():
        raise DataError(
            f"{workdir} is not a workdir (no config.json); train one: python run_train.py --config=CONFIG --workdir={workdir}"
        )
    try:
        return _of_today(from_json(path.read_text()))
    except ValueError:
        raise DataError(
            f"{path} is damaged; take it from a copy of the run, or remove the folder and train anew"
        ) from None


def plugin_options(section: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a section that names a plugin: everything but its name."""
    return {key: value for key, value in section.items() if key != "name"}


def fingerprint(config: Any) -> str:
    """Twelve hex digits of the sha256 of a configuration's canonical JSON."""
    return hashlib.sha256(to_json(config).encode()).hexdigest()[:12]


def to_json(config: Any) -> str:
    """Canonical JSON: sorted keys, tuples as lists, dataclasses as objects."""
    return json.dumps(config, sort_keys=True, indent=2, default=dataclasses.asdict)


def from_json(text: str) -> dict[str, Any]:
    """The inverse of `to_json`, but for lists, which become the tuples that networks want."""
    return _frozen(json.loads(text))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old value, new value)} wherever two configurations differ; a key that one lacks counts as None there."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found.update(differences(a, b, f"{prefix}{key}."))
        elif _frozen(a) != _frozen(b):
            found[prefix + key] = (a, b)
    return found


def _of_today(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration from before models could be told anything, with the keys that say so: older workdirs stay of use."""
    if "process" not in config or "network" not in config:
        return config
    told_nothing = {"conditions": {}, "guidance": {"scale": 1.0, "rescale": 0.0}}
    return {**told_nothing, **config, "network": {"num_heads": 0, **config["network"]}}


def _module(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"_musicdiff_config_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    _provide_configs_package()
    spec.loader.exec_module(module)
    if not hasattr(module, "PRESETS") or not hasattr(module, "get_config"):
        raise UsageError(f"{path} is not a configuration: it needs PRESETS and get_config(preset)")
    return module


def _provide_configs_package() -> None:
    """Configuration files import their base as musicdiff.configs; in a checkout that is not installed, configs/ takes that name."""
    if importlib.util.find_spec("musicdiff.configs") is None:
        spec = importlib.machinery.ModuleSpec("musicdiff.configs", None, is_package=True)
        spec.submodule_search_locations = [str(installed_configs())]
        sys.modules["musicdiff.configs"] = importlib.util.module_from_spec(spec)


def _override(config: Any, overrides: Sequence[str]) -> dict[str, Any]:
    import ml_collections
    from absl import flags
    from ml_collections import config_flags

    _check_keys(config, overrides)
    values = flags.FlagValues()
    argv = ["musicdiff", *overrides]
    before, config = config, ml_collections.ConfigDict(_frozen(config)).lock()
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=argv)
        values(argv)
    except (flags.Error, TypeError, ValueError) as error:
        raise UsageError(f"unusable override: {' '.join(str(error).split())}") from None
    changed = _frozen(values.config.to_dict())
    for key, (old, new) in differences(_frozen(before), changed).items():
        # The flag's parser takes a tuple's items as they come.
        if isinstance(old, tuple) and old and not all(isinstance(item, type(old[0])) for item in new):
            raise UsageError(f"config.{key} takes items of type {type(old[0]).__name__}, as in {old}, not {new!r}")
    return changed


def _check_keys(config: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Raises UsageError, with what exists, for an argument that is no override or whose key the configuration lacks."""
    for override in overrides:
        name, is_override, key = override.partition("=")[0].partition("--config.")
        if name or not is_override:
            raise UsageError(f"unknown argument {override!r}; overrides look like --config.optim.learning_rate=1e-4")
        section, path = config, "config"
        for part in key.split("."):
            if not isinstance(section, Mapping) or part not in section:
                known = list(section) if isinstance(section, Mapping) else []
                close = difflib.get_close_matches(part, known, n=1)
                hint = (
                    f"did you mean {path}.{close[0]}?" if close else f"there are: {', '.join(known) or 'none below it'}"
                )
                raise UsageError(f"{path}.{part} does not exist; {hint}")
            section, path = section[part], f"{path}.{part}"


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return value
