"""folder:PATH: every audio file of a tree is a track, named by its path relative to the root."""

import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from etils import epath

from musicdiff.audio.io import EXTENSIONS, read
from musicdiff.data.labels import read_labels
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import DataError, UsageError

SAMPLED_BYTES = 1 << 16  # of each end of a file


def build(argument: str) -> TrackSource:
    """The audio files under a local or remote folder, with the labels that `labels.read_labels` finds beside them.

    A file whose name is no text and a folder that cannot be opened are tracks that cannot be read. The fingerprint is of relative paths and of
    each file's size and both ends: a tree that is moved or touched keeps it.

    Raises:
        UsageError: no path given.
        DataError: no such folder, or no audio in it.
    """
    if not argument:
        raise UsageError("folder: needs a path: folder:PATH")
    if not _is_text(argument):
        raise DataError(
            f"folder:{_escaped(argument)}: the path is not UTF-8 or holds control characters; rename the folder"
        )
    root = epath.Path(argument).expanduser()
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path")
    closed: list[OSError] = []
    files = _visible(root, [path / name for path, _, names in root.walk(on_error=closed.append) for name in names])
    folders = _visible(root, [error.filename for error in closed])
    audio = [file for file in files if file.lower().endswith(EXTENSIONS)]
    if not audio and not folders:
        raise DataError(f"{root}: holds no audio; musicdiff reads {', '.join(EXTENSIONS)}")

    named = [file for file in audio if _is_text(file)]
    unusable = {
        file: "the name is not UTF-8 or holds control characters; rename it" for file in audio if not _is_text(file)
    }
    unusable |= dict.fromkeys(folders, "the folder cannot be opened; check its permissions")
    labels, unread = read_labels(root, named, set(files) - set(audio))
    tracks = [Track(name=file, read=partial(_read, root / file), **labels[file]) for file in named]
    tracks += [Track(name=_escaped(file), read=partial(_refuse, reason)) for file, reason in unusable.items()]
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda file: _stamp(root / file), named))
    audio_fingerprint = _digest([list(zip(named, stamps)), unusable])
    return TrackSource(f"folder:{argument}", tuple(tracks), audio_fingerprint, _digest([labels, unread]), tuple(unread))


def _visible(root: epath.Path, paths: Iterable[epath.PathLike]) -> list[str]:
    """Paths relative to the root, sorted, without the hidden: the ._twins that macOS leaves on foreign disks are called audio and are none."""
    relative = [epath.Path(path).relative_to(root) for path in paths]
    return sorted(path.as_posix() for path in relative if not any(part.startswith(".") for part in path.parts))


def _is_text(name: str) -> bool:
    """Whether a name can be printed and stored: neither bytes that are no UTF-8 (Python holds them as surrogates) nor control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def _escaped(name: str) -> str:
    return repr(name)[1:-1]


def _read(path: epath.Path, **wanted: int | None) -> tuple[np.ndarray, int]:
    try:
        return read(path, **wanted)
    except DataError as error:
        raise DataError(str(error).removeprefix(f"{path}: ")) from error


def _refuse(reason: str, **wanted: int | None) -> tuple[np.ndarray, int]:
    raise DataError(reason)


def _stamp(path: epath.Path) -> str:
    """Size and a hash of both ends. The ends hold the header, and the sum of its frames in most formats, and cost the same for any length."""
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLED_BYTES)
            size = file.seek(0, io.SEEK_END)
            file.seek(max(size - SAMPLED_BYTES, 0))
            return f"{size}:{hashlib.sha256(head + file.read()).hexdigest()}"
    except OSError:  # `read` will say it
        return "unreadable"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
