"""Functions by name, options by signature: every bad name or option is one UsageError that lists what exists."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from musicdiff.errors import UsageError


def by_name(*functions: Callable) -> dict[str, Callable]:
    """{function name: function}: what a config may name."""
    return {function.__name__: function for function in functions}


def check(what: str, name: str, known: Iterable[str]) -> str:
    """`name`, if it is one of `known`. Raises UsageError with the list of what exists."""
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"no {what} {name!r}; there are: {', '.join(sorted(known))}")
    return name


def call(what: str, function: Callable, options: Mapping[str, Any], **given: Any) -> Any:
    """function(**given, **options): `options` are a user's, `given` ours, which a user cannot set.

    what: the options' owner in messages, such as "config.network" or "sampler 'ddim'"
    Raises UsageError that names the option which the signature lacks, which it asks for and nobody gave, or which is no number
    where the signature's own value is one.
    """
    parameters = inspect.signature(function).parameters.values()
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        check_options(what, options, [name for name in named if name not in given])
    for name, value in options.items():
        if name in given:
            raise UsageError(f"{what} has no option {name!r}")
        default = named[name].default if name in named else None
        if isinstance(default, int | float) and isinstance(value, str | Mapping | Sequence | None):
            raise UsageError(f"{what}: {name} must be a number, not {value!r}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in {**given, **options}:
            raise UsageError(f"{what} lacks the option {name!r}")
    return function(**given, **options)


def check_options(what: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raises UsageError for the first of the options that is not known: the nearest that exists, or the list of them."""
    known = list(known)
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"
            raise UsageError(f"{what} has no option {name!r}; {hint}")
