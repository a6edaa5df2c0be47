"""Layers of torch's state dicts as flax's, for networks that are only read: what is there, and that it fits."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from musicdiff.errors import DataError
from musicdiff.typing import Params


def layer(tensors: Mapping[str, np.ndarray], name: str, source: str) -> dict[str, np.ndarray]:
    """A dense layer, a convolution or a norm: torch's [O, I, ...] becomes flax's kernel [..., I, O], and a vector of weights its scale.

    Raises DataError, naming `source`, for a weight that is not there; without a bias there is none in the result.
    """
    weight = tensor(tensors, f"{name}.weight", source)
    if weight.ndim == 1:
        leaves = {"scale": weight}
    else:
        leaves = {"kernel": np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-1, -2)))}
    if f"{name}.bias" in tensors:
        leaves["bias"] = tensor(tensors, f"{name}.bias", source)
    return leaves


def tensor(tensors: Mapping[str, np.ndarray], name: str, source: str) -> np.ndarray:
    """One tensor in float32. Raises DataError where there is none of this name."""
    if not isinstance(found := tensors.get(name), np.ndarray):
        raise DataError(f"{source} lacks the tensor {name}: it is another network's file, or damaged")
    return np.array(found, np.float32)


def check(params: Params, network: Any, inputs: tuple[int, ...], source: str, dtype: Any = np.float32) -> Params:
    """The parameters, if they are all that the network has, in its shapes. Raises DataError. inputs, dtype: shape and type of what it takes."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct(inputs, dtype))["params"]
    wanted = {"/".join(path): leaf.shape for path, leaf in flatten_dict(shapes).items()}
    found = {"/".join(path): leaf.shape for path, leaf in flatten_dict(params).items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise DataError(f"{source}: {name} is {found.get(name)}, the network makes it {wanted.get(name)}")
    return params
