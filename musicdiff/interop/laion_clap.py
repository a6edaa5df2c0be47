"""CLAP's audio half as the package laion_clap publishes it: a checkpoint of training, with the text's half and much else."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from musicdiff.errors import DataError
from musicdiff.interop import published
from musicdiff.networks.htsat import FOLDS, network_of
from musicdiff.typing import Params

FILES = {"audio": "630k-audioset-best.pt", "music": "music_audioset_epoch_15_esc_90.14.pt"}
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


def convert(checkpoint: Mapping[str, Any], source: str = "the checkpoint") -> Params:
    """A checkpoint, or the state dict in it, as parameters of `networks.htsat.Htsat`; `network_of` tells which one.

    Raises DataError, naming `source`, where tensors are missing or do not fit, and for networks with feature fusion, which compute more.
    """
    tensors = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    tensors = {str(name).removeprefix("module."): value for name, value in tensors.items()}
    if any(name.startswith("audio_branch.patch_embed.fusion_model") for name in tensors):
        raise DataError(f"{source} is a network with feature fusion; use one without: {' or '.join(FILES.values())}")

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


def _mel_norm(tensors: Mapping[str, Any], source: str) -> dict[str, np.ndarray]:
    """y = weight (x - mean) / sqrt(variance + eps) + bias as y = scale x + shift."""
    leaves = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (
        published.tensor(tensors, f"audio_branch.bn0.{leaf}", source).astype(np.float64) for leaf in leaves
    )
    scale = weight / np.sqrt(variance + EPS)
    return {"scale": scale.astype(np.float32), "shift": (bias - mean * scale).astype(np.float32)}
