"""Folders of the PyTorch library diffusers, read and written without it: config.json and safetensors.

Of UNet2DModel, UNet2DConditionModel and AutoencoderKL.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from etils import epath

from musicdiff import weights
from musicdiff.errors import DataError, UsageError
from musicdiff.interop.config import build, config_of, kwargs_of
from musicdiff.interop.tensors import context_width_of, from_torch, to_torch
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

WEIGHTS = "diffusion_pytorch_model.safetensors"
PICKLED = "diffusion_pytorch_model.bin"


class Network(NamedTuple):
    """A network from elsewhere: the file in networks/ that holds its class, the class's arguments, and its parameters."""

    kind: str  # 'unet_2d' or 'autoencoder'
    kwargs: dict[str, Any]
    params: dict


class Pipeline(NamedTuple):
    """The parts of an AudioDiffusionPipeline.

    autoencoder: None where the U-Net works on mels
    latent_scale: the U-Net's latents are this times the autoencoder's; None without one
    mel: keyword arguments of `audio.mel.MelSpec`; None where the folder names none
    num_frames: of one clip; None with mel
    scheduler: scheduler_config.json as it is
    """

    unet: Network
    autoencoder: Network | None
    latent_scale: float | None
    mel: dict[str, Any] | None
    num_frames: int | None
    scheduler: dict[str, Any]


def read_network(folder: str) -> Network:
    """Reads a network's folder; float16 and bfloat16 weights become float32.

    Raises:
        DataError: a file is missing or broken, the network is not one of ours, or its tensors are not its config's
    """
    folder = epath.Path(folder)
    config = read_json(folder / "config.json")
    kind, kwargs = kwargs_of(config, source=str(folder / "config.json"))
    module = build(kind, kwargs)
    shapes = param_shapes(module, config.get("cross_attention_dim"))
    params = from_torch(_read_tensors(folder), shapes, len(module.channels), source=str(folder))
    return Network(kind, kwargs, params)


def write_network(folder: str, module: UNet2D | Autoencoder, params: Mapping, **settings: Any) -> None:
    """Writes a folder that diffusers' from_pretrained opens.

    Args:
        settings: further entries of config.json: a U-Net's sample_size=[F, T], which their pipelines ask for, or an autoencoder's
            scaling_factor

    Raises:
        UsageError: the network has something that diffusers' class lacks
    """
    if module.patch != 1:
        raise UsageError(
            f"patch={module.patch}: diffusers knows no space-to-depth; only networks of patch=1 can be written"
        )
    if module.padding != "zeros":
        raise UsageError("padding='circular': diffusers pads with zeros; write the network with padding='zeros'")
    tensors = to_torch(params, len(module.channels))
    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(safetensors.numpy.save(tensors, metadata={"format": "pt"}))
    (folder / "config.json").write_text(
        json.dumps(config_of(module, context_width_of(params)) | settings, indent=2) + "\n"
    )


def read_pipeline(folder: str) -> Pipeline:
    """Reads an AudioDiffusionPipeline's folder: unet/, scheduler/, and where they are vqvae/ (or vae/) and mel/. Raises DataError."""
    folder = epath.Path(folder)
    unet = read_network(folder / "unet")
    if unet.kind != "unet_2d":
        raise DataError(f"{folder / 'unet'} holds no U-Net")
    autoencoder = latent_scale = mel = num_frames = None
    for name in ("vqvae", "vae"):
        if (folder / name).exists():
            autoencoder = read_network(folder / name)
            latent_scale = read_json(folder / name / "config.json").get("scaling_factor", 0.18215)
    if (folder / "mel").exists():
        config = read_json(folder / "mel" / "mel_config.json")
        mel, num_frames = _mel_of(config, source=str(folder / "mel" / "mel_config.json"))
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    return Pipeline(unet, autoencoder, latent_scale, mel, num_frames, scheduler)


def param_shapes(module: UNet2D | Autoencoder, context_width: int | None = None) -> dict:
    """The parameters of a network as ShapeDtypeStructs; nothing is computed. context_width: of the tokens that it attends to."""
    inputs = {"x": jax.ShapeDtypeStruct((1, *module.multiple, module.in_channels), np.float32)}
    if isinstance(module, UNet2D):
        inputs["c_noise"] = jax.ShapeDtypeStruct((1,), np.float32)
        if module.num_heads:
            inputs["tokens"] = jax.ShapeDtypeStruct((1, 1, context_width), np.float32)
    return jax.eval_shape(module.init, jax.random.key(0), **inputs)["params"]


def read_json(path: epath.Path) -> dict[str, Any]:
    """A JSON file. Raises DataError where it is missing or broken."""
    if not path.exists():
        raise DataError(f"{path} is missing; a folder that diffusers' save_pretrained wrote has it")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None


def _read_tensors(folder: epath.Path) -> dict[str, np.ndarray]:
    index = folder / f"{WEIGHTS}.index.json"
    files = sorted(set(read_json(index).get("weight_map", {}).values())) if index.exists() else [WEIGHTS]
    if files == [WEIGHTS] and not (folder / WEIGHTS).exists() and (folder / PICKLED).exists():
        raise DataError(
            f"{folder / PICKLED} is pickled: open it with diffusers once, and save_pretrained writes {WEIGHTS}"
        )
    tensors = {}
    for name in files:
        for key, array in weights.read_tensors(folder / name).items():
            # A quantised network's integers mean nothing without their scales.
            if not jax.numpy.issubdtype(array.dtype, np.floating):
                raise DataError(f"{folder / name}: {key} is {array.dtype}; only floating-point weights can be read")
            tensors[key] = array.astype(np.float32)
    return tensors


def _mel_of(config: Mapping[str, Any], source: str) -> tuple[dict[str, Any], int]:
    try:
        mel = {
            "sample_rate": config["sample_rate"],
            "n_fft": config["n_fft"],
            "hop": config["hop_length"],
            "num_mels": config["y_res"],
            "db_range": float(config["top_db"]),
            "level": "clip",
        }
        return mel, config["x_res"]
    except KeyError as error:
        raise DataError(f"{source} has no {error}") from None
