"""Sidecars: the .json beside an audio file, in which people write and the tagger fills what they left open.

    {"tempo": 94, "key": "C minor", "tagged": {"tempo": {"value": 94, "confidence": 0.97, "source": "beat tracker of musicdiff 0.1.0"}}}

A field is the tagger's as long as it holds what `tagged` remembers, and is then made anew. Everything else is a person's, and stays.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from etils import epath

from musicdiff.data import labels
from musicdiff.errors import DataError

Sidecar = dict[str, Any]


class Finding(NamedTuple):
    """What the tagger has to say in a field, how sure it is, 0 .. 1, and how it knows.

    confidence: of a list {item: its confidence}; None where it is that of the fields it is made of
    """

    value: Any
    confidence: float | Mapping[str, float] | None
    source: str


def read(path: epath.Path) -> Sidecar:
    """{} where there is none, or nothing in it. Raises DataError for what is no JSON object: a person's, which must not be written over.

    A write that was cut short is brought to its end first.
    """
    try:
        _recover(path)
        text = path.read_bytes()
        content = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{path.name} cannot be read, and is left as it is: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not JSON, and is left as it is: mend or remove it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is no JSON object, and is left as it is: mend or remove it")
    return content


def write(path: epath.Path, content: Sidecar) -> None:
    """Writes a copy first, so that one of the two is always whole. Raises DataError where files cannot be written."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    copy = _copy(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (copy, path):
            file.write_bytes(text.encode())
        copy.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); give another folder by --out") from error


def _copy(path: epath.Path) -> epath.Path:
    return path.with_name(f"{path.name}.musicdiff-copy")


def _recover(path: epath.Path) -> None:
    """A copy is left where `write` was cut short. It becomes the file if that is a beginning of it; else it is cut short itself, or outdated."""
    try:
        whole = _copy(path).read_bytes()
    except FileNotFoundError:
        return
    if path.exists() and whole.startswith(path.read_bytes()) and _is_json(whole):
        path.write_bytes(whole)
    _copy(path).unlink(missing_ok=True)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def split(content: Sidecar) -> tuple[Sidecar, dict[str, Finding]]:
    """(what a person wrote, what the tagger wrote and nobody has changed)."""
    ours = {}
    for name in labels.heard_fields(content):
        made = content[labels.TAGGED][name]
        ours[name] = Finding(made["value"], made.get("confidence"), made.get("source", ""))
    return {name: value for name, value in content.items() if name not in ours and name != labels.TAGGED}, ours


def join(theirs: Mapping[str, Any], found: Mapping[str, Finding]) -> Sidecar:
    """A sidecar of what a person wrote, and of what the tagger says in other fields."""
    values = {name: finding.value for name, finding in found.items()}
    return {
        **theirs,
        **values,
        **({labels.TAGGED: {name: _remember(finding) for name, finding in found.items()}} if found else {}),
    }


def _remember(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in finding._asdict().items() if value is not None}


def is_open(theirs: Mapping[str, Any], name: str) -> bool:
    """Whether nothing is written there; as data.labels reads it, an empty text or null is nothing."""
    value = theirs.get(name)
    return value is None or (isinstance(value, str) and not value.strip())
