"""The config.json of UNet2DModel, UNet2DConditionModel and AutoencoderKL, as the keyword arguments of our networks, and back."""

from collections.abc import Mapping
from typing import Any

from musicdiff.errors import DataError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D

# What our networks compute whatever their fields say, as their configs name it: any other value would be another network.
BOTH_UNETS_FIXED = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "class_embed_type": None,
    "num_class_embeds": None,
}
UNET_FIXED = BOTH_UNETS_FIXED | {
    "mid_block_type": "UNetMidBlock2D",
    "downsample_type": "conv",
    "upsample_type": "conv",
    "attn_norm_num_groups": None,
    "add_attention": True,
}
CONDITIONAL_UNET_FIXED = BOTH_UNETS_FIXED | {
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_attention_heads": None,  # their attention_head_dim is the number of heads, and this one must not be given
    "transformer_layers_per_block": 1,
    "reverse_transformer_layers_per_block": None,
    "only_cross_attention": False,
    "dual_cross_attention": False,
    "cross_attention_norm": None,
    "attention_type": "default",
    "use_linear_projection": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "addition_embed_type": None,
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
}
AUTOENCODER_FIXED = {"act_fn": "silu", "shift_factor": None, "use_quant_conv": True, "use_post_quant_conv": True}
# What their configs may say level by level, and ours says once.
SAID_ONCE = ("layers_per_block", "attention_head_dim", "cross_attention_dim")


def build(kind: str, kwargs: Mapping[str, Any]) -> UNet2D | Autoencoder:
    """The network that `kwargs_of` describes."""
    return {"unet_2d": UNet2D, "autoencoder": Autoencoder}[kind](**kwargs)


def kwargs_of(config: Mapping[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    """A config.json as (kind, keyword arguments of the class). Raises DataError where ours would compute something else."""
    name = config.get("_class_name")
    if name not in ("UNet2DModel", "UNet2DConditionModel", "AutoencoderKL"):
        raise DataError(f"{source} describes a {name}; UNet2DModel, UNet2DConditionModel and AutoencoderKL can be read")
    for key in SAID_ONCE:
        if isinstance(value := config.get(key), list):
            raise DataError(f"{source}: {key}={value} is not supported, only one number for all levels")
    try:
        kwargs = _autoencoder_kwargs(config) if name == "AutoencoderKL" else _unet_kwargs(config)
        context_width = config["cross_attention_dim"] if name == "UNet2DConditionModel" else None
    except KeyError as error:
        raise DataError(f"{source} has no {error}") from None
    kind = "autoencoder" if name == "AutoencoderKL" else "unet_2d"
    # What we kept, written again, must give the same entries: this catches fixed values, block types and repeated channels alike.
    for key, value in config_of(build(kind, kwargs), context_width).items():
        if (theirs := config.get(key, value)) != value:
            raise DataError(f"{source}: {key}={theirs!r} is not supported, only {value!r}")
    return kind, kwargs


def _unet_kwargs(config: Mapping[str, Any]) -> dict[str, Any]:
    # Their attention_head_dim is a width in one class and, by an old mistake that stayed, a number of heads in the other.
    prefix, heads = ("Attn", "head_width") if config["_class_name"] == "UNet2DModel" else ("CrossAttn", "num_heads")
    attention = [i for i, block in enumerate(config["down_block_types"]) if block == f"{prefix}DownBlock2D"]
    return {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "channels": tuple(config["block_out_channels"]),
        "num_res_blocks": config["layers_per_block"],
        "attention_levels": tuple(attention),
        heads: config["attention_head_dim"],
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


def config_of(module: UNet2D | Autoencoder, context_width: int | None = None) -> dict[str, Any]:
    """The config.json of a network, the inverse of `kwargs_of`. context_width: of the tokens that it attends to, None without."""
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
    conditional = module.num_heads > 0
    prefix = "CrossAttn" if conditional else "Attn"
    kinds = [prefix if i in module.attention_levels else "" for i in levels]
    return {
        "_class_name": "UNet2DConditionModel" if conditional else "UNet2DModel",
        **shared,
        "out_channels": module.out_channels,
        "attention_head_dim": module.num_heads if conditional else module.head_width,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        **(CONDITIONAL_UNET_FIXED | {"cross_attention_dim": context_width} if conditional else UNET_FIXED),
    }
