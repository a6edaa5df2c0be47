"""folder:PATH: every audio file of a tree is a track, named by its path relative to the root."""

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from etils import epath

from musicdiff.audio.io import EXTENSIONS, read
from musicdiff.data.labels import read_labels
from musicdiff.data.track import Track, TrackSource
from musicdiff.errors import DataError, UsageError

SAMPLED_BYTES = 1 << 16  # of each end of a file


def build(argument: str) -> TrackSource:
    """The audio files under a local or remote folder, with the labels that `labels.read_labels` finds beside them.

    The fingerprint is of relative paths, labels, and each file's size and both ends: a tree that is moved or touched keeps it.

    Raises:
        UsageError: no path given.
        DataError: no such folder, no audio in it, or labels that cannot be read.
    """
    if not argument:
        raise UsageError("folder: needs a path: folder:PATH")
    root = epath.Path(argument).expanduser()
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path")
    paths = [(folder / name).relative_to(root) for folder, _, names in root.walk() for name in names]
    # Hidden files, such as the ._twins that macOS leaves on foreign disks, have audio's extensions and no audio.
    files = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    audio = [file for file in files if file.lower().endswith(EXTENSIONS)]
    if not audio:
        raise DataError(f"{root}: holds no audio; musicdiff reads {', '.join(EXTENSIONS)}")
    labels = read_labels(root, audio, set(files) - set(audio))
    tracks = tuple(Track(name=file, read=partial(read, root / file), **labels[file]) for file in audio)
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda file: _stamp(root / file), audio))
    content = json.dumps([(file, stamp, labels[file]) for file, stamp in zip(audio, stamps)], sort_keys=True)
    return TrackSource(f"folder:{argument}", tracks, hashlib.sha256(content.encode()).hexdigest()[:16])


def _stamp(path: epath.Path) -> str:
    """Size and a hash of both ends. The ends hold the header, and the sum of its frames in most formats, and cost the same for any length."""
    with path.open("rb") as file:
        head = file.read(SAMPLED_BYTES)
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - SAMPLED_BYTES, 0))
        return f"{size}:{hashlib.sha256(head + file.read()).hexdigest()}"
