"""The same parameters under flax's and diffusers' names and layouts.

Their pictures have mel bins as rows and time as columns, ours time first. With torch's [O, I, rows, columns] against flax's [rows, columns, I, O]
every kernel's layout is therefore exactly reversed, the linear layers' [O, I] against [I, O] too, and vectors stay: array.T, both ways.
"""

import re
from collections.abc import Mapping

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from musicdiff.errors import DataError

NAMES = {
    "noise_embedding": "time_embedding",
    "dense_0": "linear_1",
    "dense_1": "linear_2",
    "middle": "mid_block",
    "norm_out": "conv_norm_out",
    "moments": "quant_conv",
    "latent": "post_quant_conv",
    "norm_0": "norm1",
    "conv_0": "conv1",
    "time": "time_emb_proj",
    "norm_1": "norm2",
    "norm_2": "norm3",
    "conv_1": "conv2",
    "shortcut": "conv_shortcut",
    "downsample": "downsamplers.0.conv",
    "upsample": "upsamplers.0.conv",
    "norm": "group_norm",
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "out": "to_out.0",
    "norm_in": "norm",
    "project_in": "proj_in",
    "block": "transformer_blocks.0",
    "self_attention": "attn1",
    "cross_attention": "attn2",
    "feed_forward": "ff",
    "expand": "net.0.proj",
    "contract": "net.2",
    "project_out": "proj_out",
    "kernel": "weight",
    "scale": "weight",
}
LISTS = {"down": "down_blocks", "up": "up_blocks", "res": "resnets", "attention": "attentions"}
# Attention as older checkpoints name it.
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def torch_name(path: tuple[str, ...], num_levels: int) -> str:
    """diffusers' name of one of our parameters: ('up_4', 'res_1', 'conv_0', 'kernel') -> 'up_blocks.0.resnets.1.conv1.weight' of 5 levels."""
    return ".".join(_torch_part(part, num_levels) for part in path)


def _torch_part(part: str, num_levels: int) -> str:
    if match := re.fullmatch(r"(down|up|res|attention)_(\d+)", part):
        kind, i = match[1], int(match[2])
        return f"{LISTS[kind]}.{num_levels - 1 - i if kind == 'up' else i}"  # they count the way up from the bottom
    return NAMES.get(part, part)


def context_width_of(params: Mapping) -> int | None:
    """The width of the tokens that a network attends to, from its parameters; None where it attends to none."""
    flat = flatten_dict(params)
    widths = (value.shape[0] for path, value in flat.items() if path[-3:] == ("cross_attention", "key", "kernel"))
    return next(widths, None)


def to_torch(params: Mapping, num_levels: int) -> dict[str, np.ndarray]:
    """Our parameters as a state dict of diffusers."""
    flat = flatten_dict(params)
    return {torch_name(path, num_levels): np.ascontiguousarray(np.asarray(value).T) for path, value in flat.items()}


def from_torch(tensors: Mapping[str, np.ndarray], shapes: Mapping, num_levels: int, source: str) -> dict:
    """A state dict of diffusers as our parameters.

    Args:
        shapes: our parameters, or their ShapeDtypeStructs: what must be there
        source: what messages call the tensors' origin

    Raises:
        DataError: tensors are missing, unexpected or of another shape
    """
    tensors = {_current_name(name): value for name, value in tensors.items()}
    wanted = {torch_name(path, num_levels): (path, leaf.shape) for path, leaf in flatten_dict(shapes).items()}
    missing, unknown = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    for problem, names in (("lacks", missing), ("has, beyond its config,", unknown)):
        if names:
            raise DataError(f"{source} {problem} {len(names)} tensor(s): {', '.join(sorted(names)[:3])}")
    for name, (_, shape) in wanted.items():
        if tensors[name].shape != shape[::-1]:
            raise DataError(f"{source}: {name} is {list(tensors[name].shape)}, its config makes it {list(shape[::-1])}")
    return unflatten_dict(
        {path: jax.numpy.asarray(tensors[name].T, jax.numpy.float32) for name, (path, _) in wanted.items()}
    )


def _current_name(name: str) -> str:
    return re.sub(r"(?<=attentions\.\d\.)(query|key|value|proj_attn)(?=\.)", lambda match: OLD_NAMES[match[1]], name)
