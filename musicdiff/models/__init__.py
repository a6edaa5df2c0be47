"""Models: a representation + a network + a noise process. `config.model.name` is the name of a file here."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import choice, conditioning, plugins
from musicdiff.audio.mel import MelSpec
from musicdiff.config import plugin_options
from musicdiff.errors import UsageError
from musicdiff.networks import conditioned
from musicdiff.representations import Representation
from musicdiff.typing import Model, Objective

PARTS = ("spec", "where")  # what a model's factory is given that is no section of the configuration


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
    given = {"spec": spec, "where": where} | {key: config[key] for key in sections(name)}
    if "vocoder" in given:  # built, of a model that has one
        vocoder = plugins.load("vocoders", config["vocoder"]["name"]).build
        given["vocoder"] = choice.call(f"{where}.vocoder", vocoder, plugin_options(config["vocoder"]), spec=spec)
    return choice.call(f"{where}.model", factory, plugin_options(config["model"]), **given)


def sections(name: str) -> list[str]:
    """The sections and keys of a configuration that models/<name>.py reads, besides `mel` and its own options.

    They are what its factory takes before the star; keyword-only are the options of the section `model`.
    """
    parameters = inspect.signature(plugins.load("models", name).build).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in PARTS]


def compose(
    representation: Representation,
    network: Any,
    objective: Objective,
    conditions: Mapping[str, Mapping[str, Any]],
    unconditional: float,
    where: str,
) -> Model:
    """The model that generates x_0 of a representation: network(x_t, c_noise [B, ...]), trained and sampled as the objective says.

    conditions: of conditioning.build; without any, the parameters are the network's own
    unconditional: share of the examples that are told nothing in training, whatever is known of them
    """
    told, dropout = conditioning.build(conditions, f"{where}.conditions")
    conditioning.check_share(f"{where}.model.unconditional", unconditional)
    embedders = {name: condition.embedder(network.embedding_width) for name, condition in told.items()}
    _check_tokens(conditioned.shapes(embedders, conditioning.tell_nothing(told, 1)), network.num_heads, where)

    def bind(params, cond, padding="zeros"):
        padded = network.clone(padding=padding)
        if not told:
            return lambda x, c_noise: padded.apply({"params": params}, x, c_noise)

        def conditional(x, c_noise):
            embedded = conditioned.embed(
                embedders, params["embedders"], cond or conditioning.tell_nothing(told, len(x))
            )
            return padded.apply({"params": params["network"]}, x, c_noise, **embedded)

        return conditional

    def init(key):
        clip = jax.ShapeDtypeStruct((1, *representation.domain.shape), jnp.float32)
        c_noise = jax.ShapeDtypeStruct((1, *objective.c_noise_shape), jnp.float32)
        if not told:
            return network.lazy_init(key, clip, c_noise)["params"]
        return conditioned.init(network, embedders, key, clip, c_noise, conditioning.tell_nothing(told, 1))

    def loss(params, frozen, batch, keys, step):
        x_0 = representation.of_tracks(frozen, batch["x_0"])
        if not told:
            return objective.loss(bind(params, {}), x_0, keys, None)
        keys, drop_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        cond = conditioning.drop(batch["cond"], drop_keys, dropout, unconditional)
        return objective.loss(bind(params, cond), x_0, keys, bind(params, conditioning.silence(cond)))

    def denoise_fn(params, frozen, padding="zeros"):
        return lambda x_t, log_snr, cond, to=None: objective.denoise(bind(params, cond, padding), x_t, log_snr, to)

    return representation.model(
        init=init,
        loss=loss,
        denoise_fn=denoise_fn,
        reconstruct=lambda params, frozen, x_0: representation.of_tracks(frozen, x_0),
        schedule=objective.schedule,
        flow_map=objective.flow_map,
        conditions=told,
    )


def _check_tokens(told: Mapping[str, conditioned.Embedding], num_heads: int, where: str) -> None:
    """Raises UsageError, naming the keys, for tokens that no network attends to, for the reverse, and for tokens of two widths."""
    widths = {
        f"{where}.conditions.{name}": part.tokens.shape[-1] for name, part in told.items() if part.tokens is not None
    }
    names = " and ".join(widths)
    if widths and not num_heads:
        raise UsageError(
            f"{names}: tokens need a network that attends to them; set {where}.network.num_heads=8, say, or pooled=True there"
        )
    if num_heads and not widths:
        raise UsageError(
            f"{where}.network.num_heads={num_heads}: there are no tokens to attend to; give it a condition of tokens, such as bytes, "
            "or set it to 0"
        )
    if len(set(widths.values())) > 1:
        raise UsageError(
            f"{names}: tokens of widths {', '.join(map(str, widths.values()))} cannot be one sequence; set one width"
        )
