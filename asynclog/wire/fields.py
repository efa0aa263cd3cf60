"""Whether what came out of a file is what a value's fields are said to hold: dataclasses don't look, and sinks rely on it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from asynclog.values import Value

Fits = Callable[[Any], bool]
_checks: dict[str, list[tuple[str, Fits]]] = {}


def fitting(value: Value) -> Value:
    """The value. Raises TypeError if a field holds something else than its type says, also inside of lists and mappings."""
    checks = _checks.get(value.kind)
    if checks is None:
        checks = _checks[value.kind] = [(one.name, _fits(one.type)) for one in fields(value)]
    for name, fits in checks:
        found = getattr(value, name)
        if not fits(found):
            raise TypeError(f"{name} is a {type(found).__name__}")
    return value


def _fits(expected: Any) -> Fits:
    origin, arguments = get_origin(expected), get_args(expected)
    if expected is Any:
        return lambda found: True
    if expected is None:
        return lambda found: found is None
    if origin in (Union, UnionType):
        choices = [_fits(one) for one in arguments]
        return lambda found: any(fits(found) for fits in choices)
    if origin is Literal:
        return lambda found: isinstance(found, str) and found in arguments
    if origin in (list, tuple):
        inner = _fits(arguments[0])
        return lambda found: isinstance(found, origin) and all(map(inner, found))
    if origin is not None and issubclass(origin, Mapping):
        names, held = map(_fits, arguments)
        return lambda found: isinstance(found, Mapping) and all(names(name) and held(one) for name, one in found.items())
    if expected is float:
        # msgpack keeps a whole number whole.
        return lambda found: isinstance(found, float | int)
    return lambda found: isinstance(found, origin or expected)
