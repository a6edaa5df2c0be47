"""What a configuration is, without training it: the rows of `musicdiff info`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from musicdiff import config as configuration
from musicdiff import models
from musicdiff.training import forecast
from musicdiff.training.estimate import cost

NETWORKS = ("autoencoder", "discriminator")  # named at the top of params or frozen; a U-Net alone has its layers there


def describe(text: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """One configuration: `sizes`, and GFLOP and memory of an evaluation and of a training step of one clip.

    overrides: as of configuration.load, '--config.network.patch=2'; the row names them
    """
    model = models.build(configuration.load(text, overrides).config)
    trained = forecast.step_cost(model, 1)
    row = sizes(text, overrides) | {
        "train_gflop_per_clip": round(trained.flops / 1e9, 2),
        "train_memory_mb_per_clip": round(trained.peak_bytes / 1e6),
        "state_memory_mb": round(forecast.state_bytes(model) / 1e6),
    }
    if model.denoise_fn is not None:
        params = jax.eval_shape(model.init, jax.random.key(0))
        frozen = jax.eval_shape(model.init_frozen, jax.random.key(0))
        x = jax.ShapeDtypeStruct((1, *model.domain.shape), jnp.float32)
        level = jax.ShapeDtypeStruct((), jnp.float32)
        once = cost(lambda p, f, x, level: model.denoise_fn(p, f)(x, level, {}), params, frozen, x, level)
        row |= {"evaluation_gflop": round(once.flops / 1e9, 2), "evaluation_memory_mb": round(once.peak_bytes / 1e6)}
    return row


def sizes(text: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """One configuration: parameters in all and by network, MiB in fp32, and the domain; `multiple` as model.frames or model.samples counts."""
    config = configuration.load(text, overrides).config
    model = models.build(config)
    domain, key = model.domain, jax.random.key(0)
    params, frozen = jax.eval_shape(model.init, key), jax.eval_shape(model.init_frozen, key)
    count, frame = forecast.count(params), 1 if model.feature == "audio" else config["mel"]["hop"]
    return {
        "config": " ".join((text, *overrides)),
        "model": config["model"]["name"],
        "parameters": count,
        "parts": _by_network(params),
        "mib": round(count * 4 / 2**20, 1),
        "frozen_parameters": {name: forecast.count(part) for name, part in frozen.items() if name in NETWORKS},
        "shape": list(domain.shape),
        "multiple": domain.multiple * domain.samples_per_frame // frame,
        "sample_rate": domain.sample_rate,
        "channels": domain.channels,
        "clip_seconds": round(domain.seconds, 3),
    }


def _by_network(params: Any) -> dict[str, int]:
    """Parameters of the U-Net and of what embeds each condition, or of the networks that an autoencoder is trained with."""
    parts = {name: params[name] for name in NETWORKS if name in params}
    if "embedders" in params:
        parts = {"unet": params["network"]} | params["embedders"]
    return {name: forecast.count(part) for name, part in (parts or {"unet": params}).items()}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people."""
    heads = (
        "config",
        "parameters",
        "MiB",
        "clip",
        "seconds",
        "GFLOP/evaluation",
        "GFLOP/training clip",
        "MB/training clip",
    )
    cells = [
        (
            row["config"],
            " + ".join(f"{name} {count:,}" for name, count in row["parts"].items()),
            f"{row['mib']:.1f}",
            "x".join(map(str, row["shape"])),
            f"{row['clip_seconds']:.2f}",
            f"{row['evaluation_gflop']:,}" if "evaluation_gflop" in row else "-",
            f"{row['train_gflop_per_clip']:,}",
            f"{row['train_memory_mb_per_clip']:,}",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in (heads, *cells)]
    return "\n".join(lines)
