"""State dicts of a-unet's UNetV0 (PyTorch, MIT), the waveform U-Net of audio-diffusion-pytorch, to and from parameters of `networks.unet_1d`.

Its modules nest: each level holds the next one in the middle of its list of items, so that a name tells how deep it lies.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from musicdiff.errors import DataError
from musicdiff.networks.unet_1d import UNet1D

Path = tuple[str, ...]


class Tensor(NamedTuple):
    """One of their tensors. paths: ours, two where theirs holds keys and values; factor: of a step down, whose convolution is a matrix here."""

    name: str
    paths: tuple[Path, ...]
    factor: int = 0

    def to_ours(self, tensor: np.ndarray) -> list[np.ndarray]:
        """Their [O, I, size] or [O, I] as ours [size, I, O], [size I, O] or [I, O], in equal parts; vectors stay."""
        array = tensor.T
        return np.split(array.reshape(-1, array.shape[-1]) if self.factor else array, len(self.paths), axis=-1)

    def to_theirs(self, arrays: list[np.ndarray]) -> np.ndarray:
        """The inverse of `to_ours`."""
        array = np.concatenate(arrays, axis=-1)
        if self.factor and array.ndim == 2:
            array = array.reshape(self.factor, -1, array.shape[-1])
        return np.ascontiguousarray(array.T)


def to_torch(network: UNet1D, params: Mapping) -> dict[str, np.ndarray]:
    """Our parameters as a state dict of UNetV0(dim=1, ...)."""
    flat = flatten_dict(params)
    return {
        tensor.name: tensor.to_theirs([np.asarray(flat[path]) for path in tensor.paths]) for tensor in _tensors(network)
    }


def from_torch(network: UNet1D, state: Mapping[str, np.ndarray], source: str) -> dict:
    """A state dict of UNetV0(dim=1, ...) as our parameters; `source` is what messages call it.

    Raises DataError for tensors that are missing, unexpected or of another shape than the network has.
    """
    # The second of two equal layers, which share their weights, is stored too.
    state = {name: tensor for name, tensor in state.items() if not name.startswith("blocks.1.blocks.1.")}
    wanted = {tensor.name: tensor for tensor in _tensors(network)}
    for problem, names in (
        ("lacks", wanted.keys() - state.keys()),
        ("has, beyond its network,", state.keys() - wanted.keys()),
    ):
        if names:
            raise DataError(f"{source} {problem} {len(names)} tensor(s): {', '.join(sorted(names)[:3])}")
    shapes, flat = flatten_dict(param_shapes(network, _context_width(wanted, state))), {}
    for name, tensor in wanted.items():
        for path, array in zip(tensor.paths, tensor.to_ours(np.asarray(state[name], np.float32))):
            if array.shape != shapes[path].shape:
                raise DataError(
                    f"{source}: {name} is {list(state[name].shape)}, which is {'/'.join(path)} of another network"
                )
            flat[path] = jax.numpy.asarray(array)
    return unflatten_dict(flat)


def param_shapes(network: UNet1D, context_width: int | None = None) -> dict:
    """The parameters of a network as ShapeDtypeStructs. context_width: of the tokens that it attends to."""
    inputs = {"x": (1, network.multiple, network.in_channels), "c_noise": (1,)}
    if network.num_heads:
        inputs["tokens"] = (1, 1, context_width)
    shapes = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in inputs.items()}
    return jax.eval_shape(network.init, jax.random.key(0), **shapes)["params"]


def _context_width(wanted: Mapping[str, Tensor], state: Mapping[str, np.ndarray]) -> int | None:
    norms = (
        name for name, tensor in wanted.items() if tensor.paths[0][-3:] == ("cross_attention", "norm_tokens", "scale")
    )
    return next((len(state[name]) for name in norms), None)


def _tensors(network: UNet1D) -> Iterator[Tensor]:
    """Every tensor of a network."""
    yield Tensor("blocks.0.weights", (("noise_embedding", "frequencies"),))
    yield from _affine("blocks.0.to_out", ("noise_embedding", "dense_0"))
    yield from _affine("blocks.1.blocks.0.0", ("noise_embedding", "dense_1"))
    level = "blocks.2.net"
    for i, items in enumerate(network.items):
        attends = i in network.attention_levels
        length = 2 + attends + (attends and network.num_heads > 0)  # modules of an item
        inner = 1 + items * length  # where the next level stands
        last = i == len(network.items) - 1
        yield from _affine(f"{level}.block.blocks.0.block", (f"down_{i}_step",), factor=network.factors[i])
        for way, first in (("down", 1), ("up", inner + (not last))):
            for j in range(items):
                yield from _item(f"{level}.block.blocks", first + j * length, length, (f"{way}_{i}_item_{j}",))
        yield from _affine(f"{level}.block.blocks.{2 * inner - last}.block.1", (f"up_{i}_step",))
        yield from _affine(f"{level}.skip.blocks.0.1", (f"up_{i}_scale",))
        if i == 0 and network.in_channels != network.out_channels:
            yield from _affine(f"{level}.skip_adapter.block", (f"up_{i}_skip",), factor=1)
        level += f".block.blocks.{inner}"


def _item(blocks: str, first: int, length: int, path: Path) -> Iterator[Tensor]:
    for k in range(2):
        block = f"{blocks}.{first}.block.blocks.0.blocks.{k}"
        yield from _affine(f"{block}.0", (*path, "res", f"norm_{k}"), weight="scale")
        yield from _affine(f"{block}.2", (*path, "res", f"conv_{k}"))
    yield from _affine(f"{blocks}.{first + 1}.blocks.0.block.blocks.0.1", (*path, "modulation", "dense"))
    for name, number in zip(("attention", "cross_attention"), range(first + 2, first + length)):
        attention, ours = f"{blocks}.{number}.blocks.0.block", (*path, name)
        yield from _affine(f"{attention}.norm", (*ours, "norm"), weight="scale")
        yield from _affine(f"{attention}.norm_context", (*ours, "norm_tokens"), weight="scale")
        yield Tensor(f"{attention}.to_q.weight", ((*ours, "query", "kernel"),))
        yield Tensor(f"{attention}.to_kv.weight", ((*ours, "key", "kernel"), (*ours, "value", "kernel")))
        yield Tensor(f"{attention}.attention.blocks.0.weight", ((*ours, "out", "kernel"),))


def _affine(name: str, path: Path, weight: str = "kernel", factor: int = 0) -> Iterator[Tensor]:
    yield Tensor(f"{name}.weight", ((*path, weight),), factor)
    yield Tensor(f"{name}.bias", ((*path, "bias"),))
