"""A text as the states of T5's frozen encoder, out of a folder in the published layout; none of its sizes comes with musicdiff."""

from typing import Any

from etils import epath

from musicdiff import text_encoders
from musicdiff.errors import DataError
from musicdiff.networks.t5_encoder import T5Encoder
from musicdiff.typing import Condition

CONFIG = {
    "vocab_size": "vocabulary",
    "d_model": "width",
    "num_layers": "num_layers",
    "num_heads": "num_heads",
    "d_kv": "head_width",
    "d_ff": "hidden",
    "relative_attention_num_buckets": "num_buckets",
    "layer_norm_epsilon": "eps",
}
OPTIONAL = {"relative_attention_max_distance": "max_distance"}  # folders of the first years lack it
FEED_FORWARD = {"relu": False, "gated-gelu": True}
BLOCK = "encoder.block.{}.layer"
NAMES = {
    "tokens": "shared",
    "distances": f"{BLOCK.format(0)}.0.SelfAttention.relative_attention_bias",
    "block_{}/norm_0": f"{BLOCK}.0.layer_norm",
    "block_{}/query": f"{BLOCK}.0.SelfAttention.q",
    "block_{}/key": f"{BLOCK}.0.SelfAttention.k",
    "block_{}/value": f"{BLOCK}.0.SelfAttention.v",
    "block_{}/out": f"{BLOCK}.0.SelfAttention.o",
    "block_{}/norm_1": f"{BLOCK}.1.layer_norm",
    "block_{}/dense_0": f"{BLOCK}.1.DenseReluDense.wi",
    "block_{}/dense_1": f"{BLOCK}.1.DenseReluDense.wo",
    "norm": "encoder.final_layer_norm",
}
GATED = NAMES | {
    "block_{}/dense_0": f"{BLOCK}.1.DenseReluDense.wi_0",
    "block_{}/dense_gate": f"{BLOCK}.1.DenseReluDense.wi_1",
}


def build(*, path: str, length: int = 64, pooled: bool = False) -> Condition:
    """T5 of the folder `path`, which holds config.json, model.safetensors and tokenizer.json; texts are cut after `length` tokens.

    Raises DataError for a folder that lacks or cannot be one of these.
    """
    text_encoders.check_length("t5", length)
    folder = text_encoders.check_folder(path)
    network = network_of(text_encoders.read_config(folder), folder)
    return text_encoders.condition(
        lambda: text_encoders.load(folder, network, GATED if network.gated else NAMES, length),
        width=network.width,
        length=length,
        pooled=pooled,
        fingerprint=text_encoders.fingerprint(folder),
    )


def network_of(config: dict[str, Any], folder: epath.Path) -> T5Encoder:
    """The network that a published config.json describes. Raises DataError for another kind of model."""
    if config.get("model_type") != "t5":
        raise DataError(f"{folder} holds a model of type {config.get('model_type')!r}, not 't5'")
    if lacking := CONFIG.keys() - config.keys():
        raise DataError(f"{folder / text_encoders.CONFIG} lacks {', '.join(sorted(lacking))}")
    kind = config.get("feed_forward_proj", "relu")
    if kind not in FEED_FORWARD:
        raise DataError(f"{folder}: feed_forward_proj {kind!r} is not one of {', '.join(FEED_FORWARD)}")
    sizes = {ours: config[theirs] for theirs, ours in (CONFIG | OPTIONAL).items() if theirs in config}
    return T5Encoder(**sizes, gated=FEED_FORWARD[kind])
