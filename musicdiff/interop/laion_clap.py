"""CLAP's two halves, of audio and of text, as the package laion_clap publishes them: a checkpoint of training, with much else in it."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

from musicdiff.errors import DataError
from musicdiff.interop import published
from musicdiff.networks import bert_encoder
from musicdiff.networks.clap_text import ClapText
from musicdiff.networks.htsat import FOLDS, network_of
from musicdiff.pretrained import clap
from musicdiff.typing import Params

BLOCK = {
    "norm_0": "norm1",
    "qkv": "attn.qkv",
    "out": "attn.proj",
    "norm_1": "norm2",
    "dense_0": "mlp.fc1",
    "dense_1": "mlp.fc2",
}
MERGE = {"norm": "downsample.norm", "dense": "downsample.reduction"}
WHOLE = {
    "patches": "audio_branch.patch_embed.proj",
    "norm_patches": "audio_branch.patch_embed.norm",
    "norm": "audio_branch.norm",
    "project_0": "audio_projection.0",
    "project_1": "audio_projection.2",
}
EPS = 1e-5  # of their batch normalisation
TEXT = {f"encoder/{ours}": f"text_branch.{theirs}" for ours, theirs in bert_encoder.NAMES.items()}
TEXT |= {"pool": "text_branch.pooler.dense", "project_0": "text_projection.0", "project_1": "text_projection.2"}
TABLES = ("tokens", "positions", "types")  # of the text's layers, those that are looked up in, and not multiplied by


def convert(checkpoint: Mapping[str, Any], source: str = "the checkpoint") -> Params:
    """A checkpoint, or the state dict in it, as parameters of `networks.htsat.Htsat`; `network_of` tells which one.

    Raises DataError, naming `source`, where tensors are missing or do not fit, and for networks with feature fusion, which compute more.
    """
    tensors = _tensors(checkpoint)
    if any(name.startswith("audio_branch.patch_embed.fusion_model") for name in tensors):
        raise DataError(
            f"{source} is a network with feature fusion; use one without: {' or '.join(file.name for file in clap.PUBLISHED.values())}"
        )

    def layers(names: Mapping[str, str], prefix: str = "") -> Params:
        return {ours: published.layer(tensors, prefix + theirs, source) for ours, theirs in names.items()}

    params = {**layers(WHOLE), **_mel_norm(tensors, source)}
    found = (re.match(r"audio_branch\.layers\.(\d+)\.blocks\.(\d+)\.", name) for name in tensors)
    blocks = sorted({(int(match[1]), int(match[2])) for match in found if match} | {(0, 0)})  # one, or its lack is told
    for stage, number in blocks:
        name = f"audio_branch.layers.{stage}.blocks.{number}."
        table = published.tensor(tensors, f"{name}attn.relative_position_bias_table", source)
        params[f"block_{stage}_{number}"] = layers(BLOCK, name) | {"distances": table}
    for stage in range(blocks[-1][0]):
        params[f"merge_{stage + 1}"] = layers(MERGE, f"audio_branch.layers.{stage}.")
    bins = len(params["scale"])
    return published.check(params, network_of(params), (1, FOLDS**2 * bins, bins), source)


def convert_text(
    checkpoint: Mapping[str, Any], network: ClapText | None = None, source: str = "the checkpoint"
) -> Params:
    """The other half of the same, as parameters of `networks.clap_text.ClapText`. network: None for the published one.

    Raises DataError, naming `source`, where tensors are missing or do not fit.
    """
    tensors, network, params = _tensors(checkpoint), network or ClapText(), {}
    blocks = range(network.encoder.num_layers)
    names = {ours.format(i): theirs.format(i) for ours, theirs in TEXT.items() for i in blocks}
    for ours, theirs in names.items():
        if ours.endswith(TABLES):
            params[ours] = {"embedding": published.tensor(tensors, f"{theirs}.weight", source)}
        else:
            params[ours] = published.layer(tensors, theirs, source)
    return published.check(unflatten_dict(params, sep="/"), network, (1, 2), source, np.int32)


def _tensors(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    tensors = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    return {str(name).removeprefix("module."): value for name, value in tensors.items()}


def _mel_norm(tensors: Mapping[str, Any], source: str) -> dict[str, np.ndarray]:
    """y = weight (x - mean) / sqrt(variance + eps) + bias as y = scale x + shift."""
    leaves = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (
        published.tensor(tensors, f"audio_branch.bn0.{leaf}", source).astype(np.float64) for leaf in leaves
    )
    scale = weight / np.sqrt(variance + EPS)
    return {"scale": scale.astype(np.float32), "shift": (bias - mean * scale).astype(np.float32)}
