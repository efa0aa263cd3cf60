"""Whether what came out of a file is what a value's fields are said to hold: dataclasses don't look, and sinks rely on it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from asynclog.values import Value

Fits = Callable[[Any], bool]
_NAMES: Final = frozenset({str})
_checks: dict[type[Value], list[tuple[str, Any, Fits]]] = {}


class Misfit(NamedTuple):
    """A field that holds something else than its type says."""

    name: str
    expected: str
    found: Any


def fitting(value: Value) -> Value:
    """The value. Raises TypeError if a field holds something else than its type says, also inside of lists and mappings."""
    wrong = misfit(value)
    if wrong is not None:
        raise TypeError(f"{wrong.name} is a {type(wrong.found).__name__}")
    return value


def misfit(value: Value) -> Misfit | None:
    """The first field that holds something else than its type says; None if all fit."""
    checks = _checks.get(type(value))
    if checks is None:
        checks = _checks[type(value)] = [(one.name, one.type, _fits(one.type)) for one in fields(value)]
    for name, expected, fits in checks:
        found = getattr(value, name)
        if not fits(found):
            return Misfit(name, _said(expected), found)
    return None


def _said(expected: Any) -> str:
    """A type in words: list[str] as it is written, an array as one."""
    if get_origin(expected) in (Union, UnionType):
        return " or ".join("None" if one is type(None) else _said(one) for one in get_args(expected))
    if isinstance(expected, type) and not get_args(expected):
        return expected.__name__
    whole = str(expected).replace("typing.", "").replace("collections.abc.", "")
    return "array" if "ndarray" in whole else whole


def _has_names(found: Any) -> bool:
    if not (type(found) is dict or isinstance(found, Mapping)):
        return False
    return _NAMES.issuperset(map(type, found)) or all(isinstance(name, str) for name in found)


def _classes(expected: Any) -> tuple[type, ...]:
    """The classes that a type stands for, where their instances need no further look; () for any other type."""
    if expected is float:
        return (float, int)
    found = get_origin(expected) or expected
    whole = isinstance(found, type) and not issubclass(found, list | tuple | Mapping)
    return (found,) if whole and found not in (Union, UnionType) else ()


def _fits(expected: Any) -> Fits:
    origin, arguments = get_origin(expected), get_args(expected)
    if expected is Any:
        return lambda found: True
    if expected is None:
        return lambda found: found is None
    if origin in (Union, UnionType):
        classes = [_classes(one) for one in arguments]
        if all(classes):
            either = tuple(one for some in classes for one in some)
            return lambda found: isinstance(found, either)
        choices = [_fits(one) for one in arguments]
        return lambda found: any(fits(found) for fits in choices)
    if origin is Literal:
        return lambda found: isinstance(found, str) and found in arguments
    if origin in (list, tuple):
        if arguments[0] is Any:
            # Of a table's million cells none can be wrong.
            return lambda found: isinstance(found, origin)
        inner = _fits(arguments[0])
        return lambda found: isinstance(found, origin) and all(map(inner, found))
    if origin is not None and issubclass(origin, Mapping):
        names, held = map(_fits, arguments)
        if arguments == (str, Any):
            # Of a rollout's messages and settings nearly all are so.
            return _has_names
        return lambda found: isinstance(found, Mapping) and all(names(name) and held(one) for name, one in found.items())
    if expected is float:
        # msgpack keeps a whole number whole.
        return lambda found: isinstance(found, float | int)
    return lambda found: isinstance(found, origin or expected)
