"""Plugins are files: `load('samplers', 'ddim')` is the module musicdiff/samplers/ddim.py. There is no registry to keep in step."""

import importlib
import pkgutil
import re
from types import ModuleType

from musicdiff.errors import UsageError

NAME = re.compile(r"[a-z0-9_]+")


def names(folder: str) -> list[str]:
    """The plugins of a folder of `musicdiff` ('samplers', 'data.sources', ...): the names of its modules, sorted."""
    package = importlib.import_module(f"musicdiff.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if NAME.fullmatch(module.name))


def load(folder: str, name: str) -> ModuleType:
    """The module `musicdiff.<folder>.<name>`. Raises UsageError with the list of what exists when there is none."""
    known = names(folder)
    if name not in known:
        raise UsageError(f"no {name!r} in musicdiff/{folder.replace('.', '/')}; there are: {', '.join(known)}")
    return importlib.import_module(f"musicdiff.{folder}.{name}")
