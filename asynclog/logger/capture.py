"""From what a training loop logs to what can be copied: numbers as float or int, other kinds as value objects.

Only types, shapes and dtypes are looked at.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.intake import is_torch
from asynclog.logger.makers import MAKERS
from asynclog.logger.naming import described, shortened
from asynclog.normal.layouts import Fault
from asynclog.normal.parameters import PARAMETERS
from asynclog.values import Value


def number(value: Any, namespace: str, key: str) -> float | int:
    """A value as the number to record: whole numbers of 64 bits stay whole. Raises InvalidValue."""
    try:
        found = _as_number(value)
    except Exception as error:
        raise unreadable(error, "scalar", namespace, key) from error
    if isinstance(found, int) and not -(2**63) <= found < 2**63:
        raise InvalidValue(namespace=namespace, key=key, kind="scalar", expected="a whole number of 64 bits", got=repr(found))
    if not isinstance(found, float | int):
        raise InvalidValue(
            namespace=namespace,
            key=key,
            kind="scalar",
            expected="a number, or an array of no dimensions",
            got=described(value),
            hint=_better_call(value),
        )
    return found


def _as_number(value: Any) -> Any:
    """The number, or something that is none."""
    kind = type(value)
    if kind is float or kind is int:
        return value
    if isinstance(value, str | bytes | Value):
        return None
    if isinstance(value, np.generic | np.ndarray) or is_torch(value):
        found = value.item() if value.ndim == 0 else None
    elif hasattr(value, "__float__") and not np.ndim(value):
        found = value if isinstance(value, int) else float(value)
    else:
        found = None
    return int(found) if isinstance(found, bool) else found


def _better_call(value: Any) -> str | None:
    if isinstance(value, str):
        return "log_string takes text"
    if isinstance(value, Value):
        return f"log_{value.kind} takes it"
    return "log_tensor or log_histogram take arrays" if np.ndim(value) else None


def unreadable(error: Exception, kind: str, namespace: str, key: str) -> InvalidValue:
    """What a value's own code raised when it was looked at, as bad input."""
    got = f"{type(error).__name__}: {error}"
    return InvalidValue(namespace=namespace, key=key, kind=kind, expected="a value that can be read", got=got)


def value_of(kind: str, raw: Any, params: Mapping[str, Any], namespace: str, key: str) -> Value:
    """The value object of something logged. Raises InvalidValue, naming namespace, key, kind, expected, got and a hint."""
    try:
        made = raw if isinstance(raw, Value) and raw.kind == kind else MAKERS[kind](raw, params)
    except InvalidValue as wrong:
        raise _whose(wrong.kind, Fault(wrong.expected, wrong.got, wrong.hint), namespace, key) from wrong
    made = _with_settled_parameters(made, namespace, key)
    fault = made.fault()
    if fault is not None:
        raise _whose(kind, fault, namespace, key)
    return made


def _whose(kind: str, fault: Fault, namespace: str, key: str) -> InvalidValue:
    return InvalidValue(namespace=namespace, key=key, kind=kind, expected=fault.expected, got=fault.got, hint=fault.hint)


def _with_settled_parameters(made: Value, namespace: str, key: str) -> Value:
    settled: dict[str, Any] = {}
    for (kind, name), parameter in PARAMETERS.items():
        given = getattr(made, name, None) if kind == made.kind else None
        if kind != made.kind or (given is None and getattr(type(made), name, None) is None):
            continue
        settled[name] = parameter.settled(given)
        if settled[name] is None:
            raise _whose(kind, Fault(parameter.expected, f"{name}={shortened(repr(given))}"), namespace, key)
    return replace(made, **settled) if settled else made
