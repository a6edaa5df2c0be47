"""Functions by name, options by signature: every bad name or option is one UsageError that lists what exists."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, get_args

from musicdiff.errors import UsageError

NO_NUMBER = (NoneType, str, Mapping, list, tuple)  # a traced array is one


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
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    checked = [name for name in options if name in given or not takes_any]
    check_options(what, checked, [name for name in named if name not in given])
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in {**given, **options}:
            raise UsageError(f"{what} lacks the option {name!r}")
        if name in options:
            _check_number(f"{what}: {name}", parameter, options[name])
    return function(**given, **options)


def check_options(what: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raises UsageError for the first of the options that is not known: the nearest that exists, or the list of them."""
    known = list(known)
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"
            raise UsageError(f"{what} has no option {name!r}; {hint}")


def _check_number(what: str, parameter: inspect.Parameter, value: Any) -> None:
    """Raises UsageError for what is no number where the default is one, unless the annotation allows it, such as None in int | None."""
    wants_number = isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
    if wants_number and isinstance(value, NO_NUMBER) and type(value) not in get_args(parameter.annotation):
        raise UsageError(f"{what} must be a number, not {value!r}")
