"""What people write beside their audio: sidecar files, a table, the names of folders; each fills what the one before leaves open.

A label file is never a reason to stop: what can be read of it is read, and the rest is told.
"""

import codecs
import csv
import io
import json
import math
import re
import reprlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from etils import epath

Labels = dict[str, Any]
FIELDS = ("caption", "style", "tempo", "key", "licence")
TABLE = "metadata.csv"
TAGGED = "tagged"  # in a .json: what musicdiff.tagging heard, {field: {'value', ...}}
FILE_COLUMNS = ("file", "file_name")
TEMPO = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:bpm)?", re.ASCII | re.IGNORECASE)
FASTEST = 1000.0  # beats a minute
# What is left of UTF-16 without its mark, of half a character, of bytes of another encoding.
NO_TEXT = re.compile("[\0\ud800-\udfff\ufffd]")
LISTED = 3  # faults told of one file


def read_labels(
    root: epath.Path, audio: Collection[str], others: Collection[str]
) -> tuple[dict[str, Labels], list[dict[str, str]]]:
    """The labels of each audio file: of its .json, its .txt (a caption), its row of metadata.csv, the folder it is in (a style).

    What the tagger heard fills in what none of them says. A caption that nobody wrote is put together from style, tempo and key.

    Args:
        audio: files, relative to the root
        others: the other files there are, relative to the root

    Returns:
        {file: {'caption', 'style', 'key', 'licence': str, 'tempo': float}}, '' and nan where unknown;
        [{'name', 'reason'}] of the label files that could not be read, or not wholly
    """
    unread: dict[str, str] = {}

    def read(name: str, parse: Callable[[str], tuple[Labels, list[str]]]) -> Labels:
        if name not in others:
            return {}
        try:
            text = _decode((root / name).read_bytes())
        except OSError as error:
            found, faults = {}, [f"cannot be opened ({error.strerror or error})"]
        else:
            found, faults = parse(text) if text.strip() else ({}, ["empty"])
        if faults:
            more = f" (and {len(faults) - LISTED} more)" if len(faults) > LISTED else ""
            unread[name] = "; ".join(faults[:LISTED]) + more
        return found

    table = read(TABLE, partial(_table, audio=frozenset(audio)))
    labels = {}
    for file in audio:
        path = PurePosixPath(file)
        known = dict.fromkeys(FIELDS, "") | {"tempo": math.nan, "style": path.parent.name.replace("_", " ")}
        sidecar = read(str(path.with_suffix(".json")), _object)
        heard = sidecar.pop(TAGGED, frozenset())
        known |= {field: sidecar.pop(field) for field in heard & set(sidecar)}
        known |= table.get(file, {})
        known |= read(str(path.with_suffix(".txt")), _caption)
        known |= sidecar
        labels[file] = known | {"caption": known["caption"] or describe(known["style"], known["tempo"], known["key"])}
    return labels, [{"name": name, "reason": reason} for name, reason in unread.items()]


def heard_fields(content: Mapping[str, Any]) -> frozenset[str]:
    """The fields of a sidecar that hold what the tagger heard: one that a person has changed does not."""
    made = content.get(TAGGED)
    made = made if isinstance(made, dict) else {}
    return frozenset(
        field
        for field, entry in made.items()
        if field in content and isinstance(entry, dict) and "value" in entry and entry["value"] == content[field]
    )


def describe(style: str, tempo: float, key: str) -> str:
    """'bossa nova, 120 bpm, C minor', of what is known."""
    return ", ".join(part for part in (style, "" if math.isnan(tempo) else f"{tempo:g} bpm", key) if part)


def _decode(content: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark as Windows writes it; what is neither becomes NO_TEXT."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace")


def _caption(text: str) -> tuple[Labels, list[str]]:
    return _known({"caption": text})


def _object(text: str) -> tuple[Labels, list[str]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return {}, [f"not JSON ({error})"]
    except (ValueError, RecursionError):  # Python's own limits
        return {}, ["a number too long or brackets too deep for a label"]
    if not isinstance(content, dict):
        return {}, [f"should be an object with any of {', '.join(FIELDS)}"]
    known, faults = _known(content)
    return known | {TAGGED: heard_fields(content)}, faults


def _table(text: str, audio: Collection[str]) -> tuple[dict[str, Labels], list[str]]:
    """{file: labels} of the rows that name one of `audio`. Spreadsheets separate by comma, semicolon or tab, as their country does."""
    text = text.lstrip("\r\n")
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    table: dict[str, Labels] = {}
    faults = []
    try:
        header = [name.strip().lower() for name in next(rows)]
        column = next((name for name in FILE_COLUMNS if name in header), None)
        if column is None:
            return {}, ["has no column 'file', which should hold paths relative to its folder"]
        for cells in rows:
            row = dict(zip(header, cells))
            file, wrong = row.get(column, "").strip(), []
            if NO_TEXT.search(file):
                wrong = ["file is not UTF-8 text: save it as UTF-8"]
            elif file in audio and len(cells) > len(header):  # which field is which?
                wrong = [f"{len(cells)} fields under {len(header)} columns; put quotes around text with {delimiter!r}"]
            elif file in audio:
                table[file], wrong = _known(row)
                if len(cells) < len(header):
                    wrong.append(f"{len(cells)} fields under {len(header)} columns")
            faults += [f"line {rows.line_num}: {fault}" for fault in wrong]
    except csv.Error as error:
        faults.append(f"line {rows.line_num}: {error}; nothing is read from there on")
    if not table and not faults:
        faults.append(f"names no audio file; its column {column!r} should hold paths relative to its folder")
    return table, faults


def _known(content: Mapping[str, Any]) -> tuple[Labels, list[str]]:
    """The fields that say something, each in its type; and what is wrong with others."""
    content = {**content, "licence": content.get("licence") or content.get("license")}
    known, faults = {}, []
    for field in FIELDS:
        value = content.get(field)
        value = value.strip() if isinstance(value, str) else value
        if value in (None, ""):
            continue
        try:
            known[field] = _tempo(value) if field == "tempo" else _words(value)
        except ValueError as error:
            faults.append(f"{field} {error}")
    return known, faults


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"should be text, not {reprlib.repr(value)}")
    if NO_TEXT.search(value):
        raise ValueError("is not UTF-8 text: save it as UTF-8")
    return value


def _tempo(value: Any) -> float:
    """94, '94', '94.5 bpm', '94,5 BPM'."""
    if isinstance(value, str) and (match := TEMPO.fullmatch(value)):
        value = float(match[1].replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= FASTEST:
        raise ValueError(f"should be a number of beats a minute, not {reprlib.repr(value)}")
    return float(value)
