"""What people write beside their audio: sidecar files, a table, the names of folders; each fills what the one before leaves open."""

import csv
import json
import math
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from etils import epath

from musicdiff.errors import DataError

FIELDS = ("caption", "style", "tempo", "key", "licence")
TABLE = "metadata.csv"
FILE_COLUMNS = ("file", "file_name")


def read_labels(root: epath.Path, audio: Collection[str], others: Collection[str]) -> dict[str, dict[str, Any]]:
    """The labels of each audio file: of its .json, its .txt (a caption), its row of metadata.csv, the folder it is in (a style).

    A caption that nobody wrote is put together from style, tempo and key.

    Args:
        audio: files, relative to the root
        others: the other files there are, relative to the root

    Returns:
        {file: {'caption', 'style', 'key', 'licence': str, 'tempo': float}}, '' and nan where unknown

    Raises:
        DataError: a label file that cannot be read, naming it.
    """
    table = _table(root / TABLE, audio) if TABLE in others else {}
    labels = {}
    for file in audio:
        path = PurePosixPath(file)
        known = {"style": path.parent.name.replace("_", " "), **table.get(file, {})}
        if (sidecar := str(path.with_suffix(".txt"))) in others:
            known["caption"] = _text(root / sidecar).strip()
        if (sidecar := str(path.with_suffix(".json"))) in others:
            known |= _object(root / sidecar)
        known = dict.fromkeys(FIELDS, "") | {"tempo": math.nan} | known
        labels[file] = known | {"caption": known["caption"] or describe(known["style"], known["tempo"], known["key"])}
    return labels


def describe(style: str, tempo: float, key: str) -> str:
    """'bossa nova, 120 bpm, C minor', of what is known."""
    return ", ".join(part for part in (style, "" if math.isnan(tempo) else f"{tempo:g} bpm", key) if part)


def _table(path: epath.Path, audio: Collection[str]) -> dict[str, dict[str, Any]]:
    rows = csv.DictReader(_text(path).splitlines())
    column = next((name for name in rows.fieldnames or () if name in FILE_COLUMNS), None)
    if column is None:
        raise DataError(f"{path}: has no column 'file'; it should hold paths relative to {path.parent}")
    table = {row[column]: _known(row, path) for row in rows}
    if not table.keys() & set(audio):
        raise DataError(
            f"{path}: names none of the audio files; its column {column!r} should hold paths relative to {path.parent}"
        )
    return table


def _object(path: epath.Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or remove it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: should be an object with any of {', '.join(FIELDS)}")
    return _known(content, path)


def _known(content: Mapping[str, Any], path: epath.Path) -> dict[str, Any]:
    """The fields that say something, each in its type."""
    content = {"licence": content.get("license"), **content}
    known = {field: str(content[field]).strip() for field in FIELDS if content.get(field) not in (None, "")}
    if "tempo" in known:
        try:
            known["tempo"] = float(known["tempo"])
        except ValueError as error:
            raise DataError(f"{path}: tempo should be a number of beats a minute; got {known['tempo']!r}") from error
    return known


def _text(path: epath.Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # spreadsheets put a byte order mark before their tables
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; save it again as UTF-8") from error
