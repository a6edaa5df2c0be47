"""Models: a representation + a network + a noise process. `config.model.name` is the name of a file here."""

import inspect
from collections.abc import Mapping
from typing import Any

from musicdiff import choice, plugins
from musicdiff.audio.mel import MelSpec
from musicdiff.config import plugin_options
from musicdiff.typing import Model


def build(config: Mapping[str, Any]) -> Model:
    """The model that a configuration describes. A model's factory receives, by its parameters' names, the sections that it reads.

    Raises UsageError, one line naming the key, for anything unknown, missing or inconsistent; nothing is compiled or allocated.
    """
    spec = choice.call("config.mel", MelSpec, config["mel"])
    vocoder = choice.call(
        "config.vocoder",
        plugins.load("vocoders", config["vocoder"]["name"]).build,
        plugin_options(config["vocoder"]),
        spec=spec,
    )
    factory = plugins.load("models", config["model"]["name"]).build
    given = {"spec": spec, "vocoder": vocoder, "dtype": config["dtype"]}
    parameters = inspect.signature(factory).parameters
    given |= {name: config[name] for name in parameters if name in config and name not in given}
    return choice.call("config.model", factory, plugin_options(config["model"]), **given)
