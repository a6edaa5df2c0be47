"""The config.json of UNet2DModel and AutoencoderKL, as the keyword arguments of our networks, and back."""

from collections.abc import Mapping
from typing import Any

from musicdiff.errors import DataError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

# What our networks compute whatever their fields say, as their configs name it: any other value would be another network.
UNET_FIXED = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "mid_block_type": "UNetMidBlock2D",
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "act_fn": "silu",
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
    "num_class_embeds": None,
}
AUTOENCODER_FIXED = {"act_fn": "silu", "shift_factor": None, "use_quant_conv": True, "use_post_quant_conv": True}


def build(kind: str, kwargs: Mapping[str, Any]) -> UNet2D | Autoencoder:
    """The network that `kwargs_of` describes."""
    return {"unet_2d": UNet2D, "autoencoder": Autoencoder}[kind](**kwargs)


def kwargs_of(config: Mapping[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    """A config.json as (kind, keyword arguments of the class). Raises DataError where ours would compute something else."""
    name = config.get("_class_name")
    if name not in ("UNet2DModel", "AutoencoderKL"):
        raise DataError(f"{source} describes a {name}; UNet2DModel and AutoencoderKL can be read")
    try:
        kwargs = _unet_kwargs(config) if name == "UNet2DModel" else _autoencoder_kwargs(config)
    except KeyError as error:
        raise DataError(f"{source} has no {error}") from None
    kind = "unet_2d" if name == "UNet2DModel" else "autoencoder"
    # What we kept, written again, must give the same entries: this catches fixed values, block types and repeated channels alike.
    for key, value in config_of(build(kind, kwargs)).items():
        if (theirs := config.get(key, value)) != value:
            raise DataError(f"{source}: {key}={theirs!r} is not supported, only {value!r}")
    return kind, kwargs


def _unet_kwargs(config: Mapping[str, Any]) -> dict[str, Any]:
    attention = [i for i, block in enumerate(config["down_block_types"]) if block == "AttnDownBlock2D"]
    return {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "channels": tuple(config["block_out_channels"]),
        "num_res_blocks": config["layers_per_block"],
        "attention_levels": tuple(attention),
        "head_width": config["attention_head_dim"],
        "groups": config["norm_num_groups"],
    }


def _autoencoder_kwargs(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "in_channels": config["in_channels"],
        "latent_channels": config["latent_channels"],
        "channels": tuple(config["block_out_channels"]),
        "num_res_blocks": config["layers_per_block"],
        "attention": config.get("mid_block_add_attention", True),
        "groups": config["norm_num_groups"],
    }


def config_of(module: UNet2D | Autoencoder) -> dict[str, Any]:
    """The config.json of a network, the inverse of `kwargs_of`."""
    levels = range(len(module.channels))
    shared = {
        "in_channels": module.in_channels,
        "block_out_channels": list(module.channels),
        "layers_per_block": module.num_res_blocks,
        "norm_num_groups": module.groups,
    }
    if isinstance(module, Autoencoder):
        return {
            "_class_name": "AutoencoderKL",
            **shared,
            "out_channels": module.in_channels,
            "latent_channels": module.latent_channels,
            "mid_block_add_attention": module.attention,
            "down_block_types": ["DownEncoderBlock2D" for _ in levels],
            "up_block_types": ["UpDecoderBlock2D" for _ in levels],
            **AUTOENCODER_FIXED,
        }
    kinds = ["Attn" if i in module.attention_levels else "" for i in levels]
    return {
        "_class_name": "UNet2DModel",
        **shared,
        "out_channels": module.out_channels,
        "attention_head_dim": module.head_width,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        **UNET_FIXED,
    }
