"""Frozen text encoders: from folders in the published layout (config.json, model.safetensors, tokenizer.json) to a typing.Condition.

Nothing of them is trained here, and only tensors are read: a pickle is never opened.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from musicdiff import weights
from musicdiff.errors import DataError, UsageError
from musicdiff.networks.conditioned import PooledEmbedder, TokenEmbedder
from musicdiff.typing import Condition, Params

CONFIG, WEIGHTS, TOKENIZER = FILES = ("config.json", "model.safetensors", "tokenizer.json")
INSTEAD = {WEIGHTS: ("pytorch_model.bin", "AutoModel"), TOKENIZER: ("spiece.model", "AutoTokenizer")}
LONGEST = 512  # tokens that T5 was trained on, and positions that MiniLM has
BATCH = 8  # texts computed at once; short batches are filled, so that there is one compiled program


class Encoder(NamedTuple):
    """network(ids [B, L], mask [B, L]) -> states [B, L, D], its weights, and its tokenizer, which cuts texts to L tokens."""

    network: Any
    params: Params
    tokenizer: Any


def condition(load: Callable[[], Encoder], *, width: int, length: int, pooled: bool, fingerprint: str) -> Condition:
    """The condition that says a text by its frozen encoder's states, [n, length, width] and their mask [n, length].

    load: called once, when the first text is read: models can be built and counted without weights
    pooled: give the network the mean of the states as one vector, not the sequence to attend to
    fingerprint: of the encoder's files
    """
    loaded = functools.cache(load)

    def read(values: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
        states, mask = np.zeros((len(values), length, width), np.float32), np.zeros((len(values), length), bool)
        texts = list(dict.fromkeys(text for text in values if text is not None))
        encoded = dict(zip(texts, zip(*encode(loaded(), texts, length)))) if texts else {}
        for row, known, text in zip(states, mask, values):
            if text is not None:
                row[:], known[:] = encoded[text]
        return states, mask

    def remark(text: str) -> str | None:
        kept = loaded().tokenizer.encode(_spell(text))
        read, left = (
            sum(len(part.ids) - sum(part.special_tokens_mask) for part in parts) for parts in ([kept], kept.overflowing)
        )
        return f"is cut: its last {left} of {read + left} tokens are not read" if left else None

    return Condition(
        refuse=lambda value: None if isinstance(value, str) else f"must be text, not {value!r}",
        read=read,
        embedder=lambda vector_width: PooledEmbedder(vector_width) if pooled else TokenEmbedder(vector_width),
        fingerprint=hashlib.sha256(f"{fingerprint} {length}".encode()).hexdigest(),
        remark=remark,
    )


def encode(encoder: Encoder, texts: Sequence[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """(states float32 [n, length, D], zeros behind a text's end; mask bool [n, length]). A text's states do not depend on the others."""
    filled = -(-len(texts) // BATCH) * BATCH
    ids, mask = np.zeros((filled, length), np.int32), np.zeros((filled, length), bool)
    for row, known, text in zip(ids, mask, texts):
        tokens = encoder.tokenizer.encode(_spell(text)).ids
        row[: len(tokens)], known[: len(tokens)] = tokens, True
    batches = [slice(start, start + BATCH) for start in range(0, filled, BATCH)]
    states = [np.asarray(_apply(encoder.network, encoder.params, ids[batch], mask[batch])) for batch in batches]
    states, mask = np.concatenate(states)[: len(texts)], mask[: len(texts)]
    return np.where(mask[..., None], states, np.float32(0)), mask


def _spell(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # a command line's bytes that were no UTF-8 become "?"


@functools.partial(jax.jit, static_argnums=0)
def _apply(network: Any, params: Params, ids: jax.Array, mask: jax.Array) -> jax.Array:
    with jax.default_matmul_precision("float32"):  # so that a text says the same wherever it is encoded
        return network.apply({"params": params}, ids, mask)


def fingerprints(conditions: Mapping[str, Condition]) -> dict[str, str]:
    """{condition: fingerprint} of those that frozen encoders read: what a run records in its facts as `encoders`."""
    return {name: condition.fingerprint for name, condition in conditions.items() if condition.fingerprint}


def check_same(
    conditions: Mapping[str, Condition], config: Mapping[str, Any], facts: Mapping[str, Any], workdir: epath.PathLike
) -> None:
    """Raises DataError, one line with the remedy, for an encoder that is not the one that the run in `workdir` began with, by its facts."""
    began = facts.get("encoders", {})
    for name, now in fingerprints(conditions).items():
        if began.get(name, now) != now:
            section = config["conditions"][name]
            if "path" in section:
                remedy = f"restore it, or name the folder that holds that one as conditions.{name}.path (of a trained model: in its {CONFIG})"
            else:
                remedy = "use the release of musicdiff that it was trained with"
            raise DataError(
                f"condition {name!r}: {section.get('path', section['name'])} is another text encoder than {workdir} began with; {remedy}"
            )


def check_length(name: str, length: int) -> None:
    """Raises UsageError unless so many tokens hold one of a text beside its marks, and are no more than encoders were trained on."""
    if isinstance(length, bool) or not isinstance(length, int) or not 3 <= length <= LONGEST:
        raise UsageError(f"condition {name!r}: length={length!r}: a text has from 3 to {LONGEST} tokens")


def check_folder(folder: epath.PathLike) -> epath.Path:
    """The folder, if it holds what is read. Raises DataError, one line with what is missing and how to get it."""
    folder = epath.Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder; a text encoder is one with {', '.join(FILES)}, as published: name it in the condition's path "
            f"(of a trained model: in its workdir's {CONFIG})"
        )
    for name in FILES:
        if not (folder / name).exists():
            other, maker = INSTEAD.get(name, ("", ""))
            if other and (folder / other).exists():
                how = f"make it of {other}, which is not read: in transformers, {maker}.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            else:
                how = f"a text encoder is {', '.join(FILES)}, as published"
            raise DataError(f"{folder} lacks {name}; {how}")
    return folder


def read_config(folder: epath.Path) -> dict[str, Any]:
    """config.json. Raises DataError."""
    try:
        return dict(json.loads((folder / CONFIG).read_text()))
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / CONFIG} is no JSON object ({error}): fetch it again") from error


def fingerprint(folder: epath.Path) -> str:
    """Of the files that an encoder is made of, each read once as long as its size and time stay."""
    return " ".join(_sha256(folder / name, *_state(folder / name)) for name in FILES)


@functools.lru_cache(maxsize=32)
def _sha256(path: epath.Path, size: int, changed: int) -> str:
    return weights.sha256(path)


def _state(path: epath.Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.length, stat.mtime


def load(folder: epath.Path, network: Any, names: Mapping[str, str], length: int) -> Encoder:
    """The encoder of a folder.

    names: {our layer: theirs}, such as {'block_{}/query': 'encoder.layer.{}.attention.self.query'}, {} being the number of the block
    Raises DataError for what is damaged or does not fit together.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER
    try:
        tokenizer = Tokenizer.from_str(path.read_text())
    except Exception as error:  # the library raises no narrower one
        raise DataError(f"{path} cannot be read ({error}): fetch it again") from error
    if tokenizer.get_vocab_size() > network.vocabulary:
        raise DataError(f"{path} has {tokenizer.get_vocab_size()} tokens, {CONFIG} beside it {network.vocabulary}")
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    params = convert(weights.read_tensors(folder / WEIGHTS), network, names, str(folder / WEIGHTS))
    return Encoder(network, jax.device_put(params), tokenizer)


def convert(tensors: Mapping[str, np.ndarray], network: Any, names: Mapping[str, str], source: str) -> Params:
    """A published state dict as parameters of `network`; other tensors, such as a decoder's, are left. Raises DataError naming `source`."""
    layers = {ours.format(i): theirs.format(i) for ours, theirs in names.items() for i in range(network.num_layers)}
    tokens = jax.ShapeDtypeStruct((1, 1), int), jax.ShapeDtypeStruct((1, 1), bool)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *tokens)["params"]

    def take(path: tuple, leaf: Any) -> np.ndarray:
        *layer, kind = (part.key for part in path)
        name = f"{layers['/'.join(layer)]}.{'bias' if kind == 'bias' else 'weight'}"
        if name not in tensors:
            raise DataError(f"{source} lacks the tensor {name}")
        tensor = tensors[name].T if kind == "kernel" else tensors[name]  # torch's linear layers are [O, I]
        if tensor.shape != leaf.shape:
            raise DataError(f"{source}: {name} is {list(tensors[name].shape)}, which does not fit its config")
        return np.asarray(tensor, np.float32)

    return jax.tree_util.tree_map_with_path(take, shapes)
