"""CLAP's embedding of texts as laion_clap computes it: RoBERTa's tokens, 77 at most, become 512 numbers on the unit sphere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import Array

from musicdiff.errors import DataError
from musicdiff.evaluation.embedding import BATCH
from musicdiff.interop import pickles
from musicdiff.interop.laion_clap import convert_text
from musicdiff.networks.clap_text import PAD, ClapText
from musicdiff.pretrained.clap import PUBLISHED
from musicdiff.typing import Params
from musicdiff.weights import sha256

NETWORK = ClapText()
LENGTH = 77  # tokens, both marks among them
START, END = 0, 2  # marks around a text
MARKS = {START: "<s>", END: "</s>", PAD: "<pad>"}  # what an empty text begins with
TOKENIZER, VOCABULARY, MERGES = "tokenizer.json", "vocab.json", "merges.txt"


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """Texts -> vectors, in the space of an `Embedding` of the same weights.

    tokenizer: of the package tokenizers, cutting to LENGTH and filling up to it
    weights, tokenizer_sha256: of the files that both were read from
    """

    network: ClapText
    params: Params
    tokenizer: Any
    weights: str
    tokenizer_sha256: str

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, D], each of length 1, a batch of BATCH at a time; what a text gives does not depend on the others."""
        ids = np.full((-(-len(texts) // BATCH) * BATCH, LENGTH), PAD, np.int32)
        for row, text in zip(ids, texts):
            row[:] = self.tokenizer.encode(_spell(text)).ids
        vectors = [_apply(self.network, self.params, ids[i : i + BATCH]) for i in range(0, len(ids), BATCH)]
        return np.concatenate([np.zeros((0, self.network.projected), np.float32), *vectors])[: len(texts)]

    def is_cut(self, text: str) -> bool:
        """Whether a text has more tokens than are read."""
        return bool(self.tokenizer.encode(_spell(text)).overflowing)


def load(variant: str, weights: epath.PathLike | None = None) -> TextEmbedding:
    """The text half of the file that `clap:VARIANT` reads, by the tokenizer beside it.

    weights: the published file; None where it belongs
    Raises DataError for what is missing, damaged or another network's: which file, and where it is to be put.
    """
    path = epath.Path(weights or PUBLISHED[variant.partition("-")[0]].find())
    tokenizer, digest = read_tokenizer(path.parent)
    params = convert_text(pickles.read(path), NETWORK, str(path))
    return TextEmbedding(NETWORK, jax.device_put(params), tokenizer, sha256(path), digest)


def read_tokenizer(folder: epath.PathLike) -> tuple[Any, str]:
    """(RoBERTa's tokenizer, the sha256 of its files) of a folder with tokenizer.json, or with vocab.json and merges.txt. Raises DataError."""
    from tokenizers import Tokenizer

    folder = epath.Path(folder)
    names = [TOKENIZER] if (folder / TOKENIZER).exists() else [VOCABULARY, MERGES]
    files = [folder / name for name in names]
    if absent := [file.name for file in files if not file.exists()]:
        wanted = absent[0] if len(absent) == 1 else f"{TOKENIZER}, or {VOCABULARY} and {MERGES},"
        raise DataError(
            f"CLAP's texts need RoBERTa's tokenizer, in no package registry: put {wanted} of roberta-base (MIT) into {folder}"
        )
    try:
        tokenizer = Tokenizer.from_file(str(files[0])) if names == [TOKENIZER] else _byte_pairs(*files)
        tokenizer.enable_truncation(LENGTH)
        tokenizer.enable_padding(length=LENGTH, pad_id=PAD, pad_token=MARKS[PAD])
        size, empty = tokenizer.get_vocab_size(), tokenizer.encode("").ids
        marks = {number: tokenizer.id_to_token(number) for number in empty[: len(MARKS)]}
    except Exception as error:  # the library raises no narrower one
        raise DataError(f"{files[0]} cannot be read ({error}): fetch it again") from error
    if (size, marks) != (NETWORK.encoder.vocabulary, MARKS):
        raise DataError(
            f"{files[0]} is not that of roberta-base: it has {size} tokens, not {NETWORK.encoder.vocabulary}, or an empty text is "
            f"{marks}, not {MARKS}"
        )
    return tokenizer, hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def _byte_pairs(vocabulary: epath.Path, merges: epath.Path) -> Any:
    """Byte pairs as roberta-base joins them: a text begins without a space, and stands between two marks."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(
        (MARKS[END], END), (MARKS[START], START), add_prefix_space=False
    )
    tokenizer.add_special_tokens([*MARKS.values(), "<unk>", AddedToken("<mask>", lstrip=True)])
    return tokenizer


def _spell(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # half a character, which JSON can hold, becomes "?"


@partial(jax.jit, static_argnums=0)
def _apply(network: ClapText, params: Params, ids: Array) -> Array:
    with jax.default_matmul_precision("float32"):
        x = network.apply({"params": params}, ids)
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
