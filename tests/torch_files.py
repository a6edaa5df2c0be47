"""Files of torch.save without torch, and networks in the layouts in which VGGish and CLAP are published: what tests have in the weights' place."""

import pickle
import zipfile

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from musicdiff.interop import laion_clap, torchvggish


def save(path, tensors):
    """{name: float32 array} as torch.save writes a state dict, in a zip archive."""
    data = b"\x80\x02}"
    with zipfile.ZipFile(path, "w") as file:
        for i, (name, array) in enumerate(tensors.items()):
            strides = tuple(stride // 4 for stride in np.ascontiguousarray(array).strides)
            storage = b"".join(map(_plain, (str(i), "cpu", array.size)))
            storage = b"(" + _plain("storage") + b"ctorch\nFloatStorage\n" + storage + b"tQ"
            slot = b"".join(map(_plain, (0, array.shape, strides, False)))
            data += _plain(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + slot + b"tRs"
            file.writestr(f"it/data/{i}", np.asarray(array, "<f4").tobytes())
        file.writestr("it/data.pkl", data + b".")
    return path


def draw(network, inputs, seed=0, dtype=np.float32):
    """Weights such that every layer matters and no variance is negative."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct(inputs, dtype))["params"]
    rng = np.random.default_rng(seed)

    def one(path, leaf):
        drawn = rng.standard_normal(leaf.shape).astype(np.float32)
        if path[-1].key == "embedding":
            return drawn
        return abs(drawn) if leaf.ndim == 1 else drawn * np.float32(leaf.shape[-1] / leaf.size) ** 0.5

    return jax.tree_util.tree_map_with_path(one, shapes)


def vggish(params):
    """Parameters of networks.vggish.Vggish as torchvggish names and lays them."""
    names = {ours: f"features.{number}" for ours, number in torchvggish.LAYERS.items()}
    names |= {ours: f"embeddings.{number}" for ours, number in torchvggish.DENSE.items()}
    return _layers(params, names)


def clap(params):
    """Parameters of networks.htsat.Htsat as laion_clap names and lays them; its batch normalisation is one that leaves mean and variance."""
    tensors = _layers(params, laion_clap.WHOLE)
    for name, inside in params.items():
        kind, *place = name.split("_")
        if kind == "block":
            block = "audio_branch.layers.{}.blocks.{}.".format(*place)
            tensors |= _layers(inside, laion_clap.BLOCK, block)
            tensors[f"{block}attn.relative_position_bias_table"] = inside["distances"]
        if kind == "merge":
            tensors |= _layers(inside, laion_clap.MERGE, f"audio_branch.layers.{int(place[0]) - 1}.")
    mean, variance = np.zeros_like(params["scale"]), np.full_like(params["scale"], 1 - laion_clap.EPS)
    leaves = {"weight": params["scale"], "bias": params["shift"], "running_mean": mean, "running_var": variance}
    return tensors | {f"audio_branch.bn0.{leaf}": value for leaf, value in leaves.items()}


def clap_text(params):
    """Parameters of networks.clap_text.ClapText as laion_clap names and lays them."""
    layers = {}
    for path, value in flatten_dict(params, sep="/").items():
        layer, _, leaf = path.rpartition("/")
        layers.setdefault(layer, {})[leaf] = value
    blocks = range(sum(name.endswith("/query") for name in layers))
    return _layers(
        layers, {ours.format(i): theirs.format(i) for ours, theirs in laion_clap.TEXT.items() for i in blocks}
    )


def _layers(params, names, prefix=""):
    tensors = {}
    for ours, theirs in names.items():
        for leaf, value in params[ours].items():
            value = np.moveaxis(value, (-1, -2), (0, 1)) if leaf == "kernel" else value
            tensors[f"{prefix}{theirs}.{'bias' if leaf == 'bias' else 'weight'}"] = value
    return tensors


def _plain(value):
    return pickle.dumps(value, 2)[2:-1]
