"""CLAP score (arXiv 2211.06687): the cosine between a clip and its prompt, each as CLAP embeds it, in the mean over clips.

    score = E <a_i, t_i>,    null = E <a_i, t_j>

a_i is the mean of a clip's windows on the unit sphere, t_i its prompt, t_j the prompt of another clip. The null says what of the score any prompt
would have: what is left of it, the gain, is what a clip owes to its own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from etils import epath

from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import clap_text, listening, resampling, rows
from musicdiff.evaluation import embedding as embeddings
from musicdiff.evaluation import key as keys
from musicdiff.evaluation.clap_text import TextEmbedding
from musicdiff.evaluation.embedding import Embedding
from musicdiff.evaluation.key import Key
from musicdiff.evaluation.listening import Heard

LEAST = 3  # clips that are named for people
FIELDS = (
    "prompt",
    "caption",
)  # of NAME.json: what musicdiff told a clip, or what people wrote of it; then there is NAME.txt


@dataclass(frozen=True)
class Mean:
    """A mean over clips, its standard error, and where it is with 95 %."""

    value: float
    error: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ClapScore:
    """`dataclasses.asdict` is its JSON.

    score: of clips with their own prompts
    null, gain: of the same clips with others' prompts, and score - null clip by clip; None where more than half of the clips have one prompt
    prompts: different ones; errors are those of their sampling, or with one prompt of the clips'
    cosines: of each clip
    cut: clips of whose prompts only the first 77 tokens are read
    unprompted, unusable: {clip: reason} of those that are not in the score
    padded: share of the windows that are padded, of more than 5 % each
    """

    score: Mean
    null: Mean | None
    gain: Mean | None
    prompts: int
    cosines: Mapping[str, float]
    cut: tuple[str, ...]
    unprompted: Mapping[str, str]
    unusable: Mapping[str, str]
    padded: float
    key: Key


def of_folder(
    path: epath.PathLike,
    name: str = "clap:music",
    weights: epath.PathLike | None = None,
    *,
    max_padded: float = rows.MAX_PADDED,
    cache_dir: epath.PathLike | None = None,
    progress: bool = True,
    seed: int = 0,
) -> ClapScore:
    """The score of a folder's clips by the prompts that lie beside them.

    name, weights: of the embedding; its file has both halves. cache_dir, progress: as in listening.folder. The rest: as in `measure`.
    Raises UsageError for an embedding that hears no texts, and what embedding.load, clap_text.load, listening.folder and `measure` raise.
    """
    plugin, _, variant = name.partition(":")
    if plugin != "clap":
        raise UsageError(f"{name} embeds no texts: the CLAP score is by clap, clap:music and their like")
    embedding = embeddings.load(name, weights)
    texts = clap_text.load(variant or embedding.name.partition(":")[2], weights)
    heard = listening.folder(embedding, path, cache_dir=cache_dir, progress=progress)
    prompts, unprompted = read_prompts(path, heard.embedded.names)
    return measure(embedding, texts, heard, prompts, unprompted, max_padded=max_padded, seed=seed)


def read_prompts(folder: epath.PathLike, names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """({clip: prompt}, {clip: why it has none}) of NAME.json ('prompt', else 'caption'), else NAME.txt, beside each clip."""
    prompts, unprompted = {}, {}
    for name in names:
        path = epath.Path(folder).expanduser() / name
        try:
            found = _prompt(path)
        except (OSError, ValueError, RecursionError) as error:
            unprompted[name] = f"what lies beside it cannot be read: {' '.join(str(error).split())}"
        else:
            if found:
                prompts[name] = found
            else:
                unprompted[name] = f"no prompt in {path.stem}.json or {path.stem}.txt"
    return prompts, unprompted


def _prompt(path: epath.Path) -> str:
    sidecar, text = path.with_suffix(".json"), path.with_suffix(".txt")
    content = json.loads(sidecar.read_bytes()) if sidecar.exists() else {}
    told = [content.get(field) for field in FIELDS] if isinstance(content, dict) else []
    told += [text.read_bytes().decode("utf-8-sig")] if text.exists() else []
    return next((each.strip() for each in told if isinstance(each, str) and each.strip()), "")


def measure(
    embedding: Embedding,
    texts: TextEmbedding,
    heard: Heard,
    prompts: Mapping[str, str],
    unprompted: Mapping[str, str],
    *,
    max_padded: float = rows.MAX_PADDED,
    seed: int = 0,
) -> ClapScore:
    """The score of what was heard.

    Args:
        embedding, texts: two halves of one file
        prompts: {clip: prompt} of `heard`; clips that are not in it are not scored
        unprompted: {clip: reason} of those
        max_padded: of the windows of clips with prompts
        seed: of the prompts that clips change in the null

    Raises:
        UsageError: halves of two files
        DataError: fewer than 2 clips with a prompt, or more padding than may be
    """
    if embedding.weights != texts.weights:
        raise UsageError(
            f"{embedding.name} and the embedding of texts are halves of two files: give both the same weights"
        )
    chosen = np.array([i for i, name in enumerate(heard.embedded.names) if name in prompts], int)
    if len(chosen) < 2:
        raise DataError(
            f"{len(chosen)} of {heard.embedded.clips} clips have a prompt, and 2 are needed at least: "
            "it is read from 'prompt' in NAME.json, or from NAME.txt, beside NAME.wav"
        )
    own = rows.part(heard, chosen)
    if own.padded > max_padded:
        raise DataError(
            f"{own.padded:.0%} of the windows are padded, {max_padded:.0%} may be: {embedding.name} listens to "
            f"{embedding.window / embedding.sample_rate:.3g} s at once; use longer clips, or allow more"
        )
    told = [prompts[name] for name in own.embedded.names]
    different = sorted(set(told))
    number = {prompt: i for i, prompt in enumerate(different)}
    which = np.array([number[prompt] for prompt in told])
    audio, text = own.embedded.means, texts.embed(different).astype(np.float64)
    audio /= np.maximum(np.linalg.norm(audio, axis=1, keepdims=True), 1e-12)
    cosines = np.einsum("id,id->i", audio, text[which])

    groups = which if len(different) > 1 else np.arange(len(which))
    null = gain = None
    if (others := derange(which, seed)) is not None:
        strange = np.einsum("id,id->i", audio, text[which[others]])
        null, gain = mean(strange, groups), mean(cosines - strange, groups)
    reads = f"RoBERTa's first {clap_text.LENGTH} tokens by {texts.tokenizer_sha256[: keys.SHOWN]}"
    key = keys.of(embedding, own, f"prompts {hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()}")
    return ClapScore(
        score=mean(cosines, groups),
        null=null,
        gain=gain,
        prompts=len(different),
        cosines=dict(zip(own.embedded.names, cosines.tolist())),
        cut=tuple(name for name, prompt in zip(own.embedded.names, told) if texts.is_cut(prompt)),
        unprompted=dict(unprompted),
        unusable=dict(heard.unusable),
        padded=own.padded,
        key=replace(key, protocol=f"{key.protocol}; {reads}"),
    )


def mean(values: np.ndarray, groups: np.ndarray) -> Mean:
    """The mean of [clips], its error by leaving out one group after the other: of clips with groups of their own, their deviation / sqrt(n).

    groups: int [clips], 0 ... G - 1: clips of one prompt are alike, and tell less of other prompts than as many clips of different ones
    """
    sizes = np.bincount(groups)
    value, error = resampling.jackknife(np.bincount(groups, values) / sizes, sizes)
    return Mean(value, error, resampling.interval(value, error, len(sizes)))


def derange(groups: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """A permutation of the clips, int [clips], that gives each one of another group; None where one group has more than half of them."""
    sizes = np.bincount(groups)
    if 2 * sizes.max() > len(groups):
        return None
    rng = np.random.default_rng(seed)
    place, order = rng.permutation(len(sizes)), rng.permutation(len(groups))
    order = order[np.argsort(place[groups[order]], kind="stable")]  # group beside group: so far on, none meets its own
    others = np.empty_like(order)
    others[order] = np.roll(order, -sizes.max())
    return others


def render(found: ClapScore) -> str:
    """The same for people, with the clips that are least like their prompts."""
    none = "none, for more than half of the clips have one prompt"
    lines = [f"CLAP score by {found.key.embedding} {_say(found.score)}"]
    facts = {
        "null": f"{_say(found.null)}, of clips with others' prompts" if found.null else none,
        "gain": f"{_say(found.gain)}, of the score over the null" if found.gain else none,
        "clips": f"{found.key.clips} with {found.prompts} different prompts",
        "padded": f"{found.padded:.1%} of the windows",
        "cut": f"{len(found.cut)} prompts are read to their {clap_text.LENGTH}th token only",
    }
    facts |= {name: keys.show(name, getattr(found.key, name)) for name in ("seconds", "rate", "weights", "reference")}
    facts["protocol"] = found.key.protocol
    least = sorted(found.cosines, key=found.cosines.get)[:LEAST]
    facts["least"] = ", ".join(f"{name} {found.cosines[name]:.3f}" for name in least)
    lines += [f"    {name:<12}{fact}" for name, fact in facts.items()]
    for title, clips in (("without a prompt", found.unprompted), ("unusable", found.unusable)):
        lines += [f"    {title}: {len(clips) or 'none'}", *(f"        {name}: {why}" for name, why in clips.items())]
    return "\n".join(lines)


def _say(mean: Mean) -> str:
    low, high = mean.interval
    return f"{mean.value:.4f} ± {mean.error:.2g} (95 %: {low:.4f} to {high:.4f})"
