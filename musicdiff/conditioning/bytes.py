"""Text as the bytes of UTF-8, understood by a small encoder that is trained along: it needs no weights and takes any language."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicdiff.errors import UsageError
from musicdiff.networks.byte_encoder import BEGIN, ByteEncoder
from musicdiff.networks.conditioned import Encoded, PooledEmbedder, TokenEmbedder
from musicdiff.typing import Condition


def build(
    *, length: int = 128, width: int = 512, layers: int = 4, heads: int = 8, buckets: int = 4096, pooled: bool = False
) -> Condition:
    """Value: (ids int32 [n, length], mask bool [n, length]), a beginning and then bytes.

    Args:
        length: tokens of a text; a longer one is cut, between two characters
        width: of a token
        layers, heads: of the encoder
        buckets: rows of its table of words, for each length of 2 to 8 bytes
        pooled: the text is one vector, without tokens to attend to
    Raises:
        UsageError: sizes that do not fit together
    """
    if min(length, width, layers, heads, buckets) < 1 or length < 2 or width % heads:
        raise UsageError(
            f"condition 'bytes': length={length}, width={width}, layers={layers}, heads={heads}, buckets={buckets}: a text has 2 tokens or "
            "more, there is one of each at least, and heads must divide the width"
        )

    def read(values: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
        ids, mask = np.zeros((len(values), length), np.int32), np.zeros((len(values), length), bool)
        for row, known, text in zip(ids, mask, values):
            if text is not None:
                tokens = [BEGIN, *encode(text, length - 1)]
                row[: len(tokens)], known[: len(tokens)] = tokens, True
        return ids, mask

    def embedder(vector_width: int) -> Encoded:
        head = PooledEmbedder(vector_width) if pooled else TokenEmbedder(vector_width)
        return Encoded(ByteEncoder(width, layers, heads, buckets), head)

    def remark(text: str) -> str | None:
        whole, kept = (len(encode(text, size)) for size in (None, length - 1))
        return f"is cut: its last {whole - kept} of {whole} bytes are not read" if kept < whole else None

    return Condition(refuse, read, embedder, remark=remark)


def refuse(value: Any) -> str | None:
    """Whatever is text can be said."""
    return None if isinstance(value, str) else f"must be text, not {value!r}"


def encode(text: str, length: int | None) -> bytes:
    """At most `length` bytes (None: all) of the text in the one spelling of its characters (NFKC), without case, with single spaces."""
    text = " ".join(unicodedata.normalize("NFKC", text.casefold()).split())
    return text.encode("utf-8", "replace")[:length].decode("utf-8", "ignore").encode()
