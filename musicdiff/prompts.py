"""What a user tells a model: a mapping {condition: value} for each clip, the guidance that goes with it, and what is to be said of it."""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from musicdiff import choice, conditioning
from musicdiff.conditioning import key
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import DataError, UsageError
from musicdiff.typing import Condition, Model

Told = Mapping[str, Any]
Mix = tuple[
    tuple[float, Told], ...
]  # several at once, each with its weight: predictions of the model told each are added up
# The words of a title, in their order. Of texts it has the first bytes; of keys no signs, which file names lose.
WORDS = {"text": "{}", "style": "{}", "tempo": "{} bpm", "key": "{}", "length": "of {} s"}
WORDS_BYTES = 40
TONICS = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


def read_file(path: epath.PathLike) -> list[str]:
    """The prompts of a text file, one a line; empty lines are none. Raises DataError for a file that is no text or has no prompt."""
    path = epath.Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    prompts = [line.strip() for line in re.split(r"\r?\n", text)]
    if not any(prompts):
        raise DataError(f"{path} has no prompts: write one on each line")
    return [prompt for prompt in prompts if prompt]


def mix_of(row: Told | Mix) -> Mix:
    """A row as a mix; what is told alone has all the weight. Raises UsageError for a mix of nothing, and for weights that do not sum to 1."""
    if isinstance(row, Mapping):
        return ((1.0, row),)
    weights = [float(weight) for weight, _ in row]
    if not weights or not all(map(math.isfinite, weights)) or abs(sum(weights) - 1.0) > 1e-6:
        raise UsageError(
            f"the weights of a mix are numbers whose sum is 1, not {', '.join(f'{w:g}' for w in weights) or 'none'}"
        )
    return tuple(zip(weights, (told for _, told in row)))


def known(row: Told | Mix) -> dict[str, Any] | Mix:
    """What is told indeed, in types that JSON has: '' and None tell nothing."""
    if not isinstance(row, Mapping):
        return tuple((weight, known(told)) for weight, told in mix_of(row))
    told = {name: value for name, value in row.items() if conditioning.is_known(value)}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in told.items()}


def choose_guidance(
    asked: Guidance | None,
    config: Mapping[str, Any],
    model: Model,
    told: Sequence[Told | Mix],
    negative: Told,
    weaker: bool,
) -> Guidance | None:
    """What is asked for; or, where clips are told something, the guidance of the configuration; or none.

    weaker: whether it leads away from a weaker model, instead of from what the model makes told `negative`
    Raises UsageError for guidance that could do nothing, and for what it lacks.
    """
    told_something = any(alone for row in told for _, alone in mix_of(row)) or bool(negative)
    if weaker and asked is None:
        raise UsageError("a generator with a weaker model needs a scale to be guided by: guidance=Guidance(2.0), say")
    if weaker and negative:
        raise UsageError("a weaker model is told what the model is told: --negative does not go with --autoguide")
    if asked and not weaker and not model.conditions:
        raise UsageError(
            "this model has no conditions: guidance needs a weaker model, an earlier milestone of the run (--autoguide MILESTONE)"
        )
    if asked and not weaker and not told_something and asked.scale != 1.0:
        raise UsageError(
            "guidance leads towards what a model is told, and it is told nothing: add --prompt TEXT, say, or leave out --guidance"
        )
    if asked is None and told_something:
        asked = choice.call("config.guidance", Guidance, config["guidance"])
    if negative and asked.scale == 1.0:
        raise UsageError("at a guidance scale of 1 nothing leads away from what is negative: --guidance 3, say")
    return asked


def notes_on(conditions: Mapping[str, Condition], told: Sequence[Told | Mix]) -> tuple[str, ...]:
    """What to say of clips that are told nothing though they could be, and of values that are not read to their end."""
    notes = []
    told = [alone for row in told for _, alone in mix_of(row)]
    if conditions and (silent := sum(not row for row in told)):
        which = "" if silent == len(told) else f"{silent} of {len(told)} clips are "
        notes.append(
            f"note: {which}told nothing: any of what was learned may come; this model can be told {', '.join(sorted(conditions))}"
        )
    for name, condition in conditions.items():
        remarks = [(row[name], remark) for row in told if name in row and (remark := condition.remark(row[name]))]
        if remarks:
            value, remark = remarks[0]
            more = f"; {len(remarks)} of {len(told)} clips are told such a {name}" if len(told) > 1 else ""
            notes.append(f"note: {name} {str(value)[:24]!r}... {remark}{more}")
    return tuple(notes)


def record(told: Told | Mix) -> dict[str, Any]:
    """What a file says that its clip was told."""
    if not isinstance(told, Mapping):
        return {"mix": [{"weight": weight, **record(alone)} for weight, alone in told]}
    return {"prompt": told.get("text"), "conditions": {name: told[name] for name in told if name != "text"}}


def say(told: Told | Mix) -> str:
    """What a clip is told, for its title: 'calm piano', 'lofi 94 bpm A minor ad9696fd'.

    What differs for a model differs in the file names of its titles: only a text of plain words needs no digest for that.
    """
    if not isinstance(told, Mapping):
        return " and ".join(f"{weight:g} of {say(alone) or 'nothing'}" for weight, alone in told)
    meant = {name: _meant(name, told[name]) for name in WORDS if name in told}
    words = " ".join(WORDS[name].format(_shorten(value)) for name, value in meant.items())
    # Digits would do as a tempo, a scale or a digest, and some file systems do not tell A from a.
    if meant == {"text": words} and words.replace(" ", "").isalpha() and words == words.casefold():
        return words
    return f"{words} {hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()[:8]}".strip()


def _meant(name: str, value: Any) -> str | float:
    """The same for all spellings of a value."""
    if not isinstance(value, str):
        return float(value)
    if name == "key" and (number := key.parse(value)) is not None:
        return f"{TONICS[number % 12]} {'minor' if number >= 12 else 'major'}"
    return value


def _shorten(value: str | float) -> str:
    """A number, or the first words of a text, without signs."""
    if isinstance(value, float):
        return f"{value:g}"
    words = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", value)))
    return words.encode()[:WORDS_BYTES].decode(errors="ignore").strip()
