"""Functions by name, options by signature: every bad name or option is one UsageError that lists what exists."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from musicdiff.errors import UsageError


def by_name(*functions: Callable) -> dict[str, Callable]:
    """{function name: function}: what a config may name."""
    return {function.__name__: function for function in functions}


def check(what: str, name: str, known: Iterable[str]) -> str:
    """`name`, if it is one of `known`. Raises UsageError with the list of what exists."""
    if name not in known:
        raise UsageError(f"no {what} {name!r}; there are: {', '.join(sorted(known))}")
    return name


def call(what: str, function: Callable, options: Mapping[str, Any]) -> Any:
    """function(**options). Raises UsageError with the options that exist where they do not fit the signature."""
    known = inspect.signature(function).parameters
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"{what} has no option {unknown[0]!r}; there are: {', '.join(known) or 'none'}")
    return function(**options)
