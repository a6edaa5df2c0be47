"""Models: a representation + a network + a noise process. `config.model.name` is the name of a file here."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice, plugins
from musicdiff.audio.mel import MelSpec
from musicdiff.config import plugin_options
from musicdiff.errors import UsageError
from musicdiff.representations import Representation
from musicdiff.typing import Model, Objective

PARTS = ("spec", "vocoder", "where")  # what a model's factory is given that is no section of the configuration


def build(config: Mapping[str, Any], where: str = "config") -> Model:
    """The model that a configuration describes; `where` is what messages call the configuration.

    Raises UsageError, one line naming the key, for anything unknown, missing or inconsistent; nothing is compiled or allocated.
    """
    name = config["model"]["name"]
    factory = plugins.load("models", name).build
    for section in sections(name):
        if section not in config:
            raise UsageError(f"{where} lacks {section!r}, which a {name} model reads")
    spec = choice.call(f"{where}.mel", MelSpec, config["mel"])
    vocoder = choice.call(
        f"{where}.vocoder",
        plugins.load("vocoders", config["vocoder"]["name"]).build,
        plugin_options(config["vocoder"]),
        spec=spec,
    )
    given = {"spec": spec, "vocoder": vocoder, "where": where} | {key: config[key] for key in sections(name)}
    return choice.call(f"{where}.model", factory, plugin_options(config["model"]), **given)


def sections(name: str) -> list[str]:
    """The sections and keys of a configuration that models/<name>.py reads, besides `mel`, `vocoder` and its own options.

    They are what its factory takes before the star; keyword-only are the options of the section `model`.
    """
    parameters = inspect.signature(plugins.load("models", name).build).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in PARTS]


def compose(representation: Representation, network: Any, objective: Objective) -> Model:
    """The model that generates x_0 of a representation: network(x_t, c_noise [B, ...]), trained and sampled as the objective says."""

    def init(key):
        clip = jax.ShapeDtypeStruct((1, *representation.domain.shape), jnp.float32)
        c_noise = jax.ShapeDtypeStruct((1, *objective.c_noise_shape), jnp.float32)
        return network.lazy_init(key, clip, c_noise)["params"]

    def loss(params, frozen, batch, keys, step):
        x_0 = representation.of_tracks(frozen, batch["x_0"])
        return objective.loss(lambda x_t, c_noise: network.apply({"params": params}, x_t, c_noise), x_0, keys)

    def denoise_fn(params, frozen, padding="zeros"):
        padded = network.clone(padding=padding)
        return lambda x_t, log_snr, cond, to=None: objective.denoise(
            lambda x, c_noise: padded.apply({"params": params}, x, c_noise), x_t, log_snr, to
        )

    return representation.model(
        init=init,
        loss=loss,
        denoise_fn=denoise_fn,
        reconstruct=lambda params, frozen, x_0: representation.of_tracks(frozen, x_0),
        schedule=objective.schedule,
        flow_map=objective.flow_map,
    )
