"""From what a training loop logs to what can be copied: numbers as float or int, other kinds as value objects.

Only types, shapes and dtypes are looked at.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from operator import index
from typing import Any, Final

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.intake import PROTOCOLS, array, is_torch
from asynclog.logger.makers import MAKERS
from asynclog.logger.naming import described, shortened
from asynclog.normal.layouts import Fault
from asynclog.normal.parameters import PARAMETERS
from asynclog.values import Histogram, Rollout, Table, Value
from asynclog.wire.fields import misfit


def number(value: Any, namespace: str, key: str) -> float | int:
    """A value as the number to record: whole numbers of 64 bits stay whole. Raises InvalidValue."""
    try:
        found = _as_number(value)
    except Exception as error:
        raise unreadable(error, "scalar", namespace, key) from error
    if isinstance(found, int) and not -(2**63) <= found < 2**63:
        expected = "a whole number of 64 bits, -2**63 to 2**63 - 1"
        raise InvalidValue(namespace=namespace, key=key, kind="scalar", expected=expected, got=repr(found), hint=_TOO_LARGE)
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


_TOO_LARGE: Final = "log_string(str(value)) keeps it exact, float(value) rounds it"


def _as_number(value: Any) -> Any:
    """The number, or something that is none."""
    if isinstance(value, float | int):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, str | bytes | list | tuple | Mapping | Value):
        return None
    if isinstance(value, np.generic | np.ndarray) or is_torch(value):
        found = value.item() if value.ndim == 0 and _is_real(value) else None
    elif isinstance(value, memoryview) or any(hasattr(value, one) for one in PROTOCOLS):
        held = array(value)
        found = held.item() if held.ndim == 0 and held.dtype.kind in "biuf" else None
    elif hasattr(value, "__index__"):
        found = index(value)
    else:
        return float(value) if hasattr(value, "__float__") else None
    if isinstance(found, bool):
        return int(found)
    # An extended float of numpy, or a narrow one of another library's, gives itself as its item.
    return float(found) if found is not None and not isinstance(found, int | float) else found


def _is_real(value: Any) -> bool:
    if is_torch(value):
        return not value.is_complex()
    return value.dtype.kind not in "cmMSUO"


def _better_call(value: Any) -> str | None:
    if isinstance(value, str):
        return "log_string takes text"
    if isinstance(value, Value):
        return f"log_{value.kind} takes it"
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        return "abs(value), value.real and value.imag are numbers"
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        return "astype('int64') makes it a number"
    if isinstance(value, list | tuple):
        return "value[0] is a number" if len(value) == 1 else "log_tensor or log_histogram take arrays"
    shape = tuple(getattr(value, "shape", ()))
    if shape and set(shape) == {1}:
        return "value.item() is a number"
    return "log_tensor or log_histogram take arrays" if shape else None


def unreadable(error: Exception, kind: str, namespace: str, key: str) -> InvalidValue:
    """What a value's own code raised when it was looked at, as bad input."""
    got = f"{type(error).__name__}: {error}"
    return InvalidValue(namespace=namespace, key=key, kind=kind, expected="a value that can be read", got=got)


def value_of(kind: str, raw: Any, params: Mapping[str, Any], namespace: str, key: str) -> Value:
    """The value object of something logged. Raises InvalidValue, naming namespace, key, kind, expected, got and a hint."""
    try:
        made = _given(raw) if isinstance(raw, Value) and raw.kind == kind else MAKERS[kind](raw, params)
    except InvalidValue as refused:
        raise _whose(refused.kind, Fault(refused.expected, refused.got, refused.hint), namespace, key) from refused
    made = _with_settled_parameters(made, namespace, key)
    # One that was given as it should be was looked at already.
    wrong = None if made is raw and not isinstance(made, Histogram | Table) else misfit(made)
    if wrong is not None:
        raise _whose(kind, Fault(f"{wrong.expected} as {wrong.name}", described(wrong.found)), namespace, key)
    fault = made.fault()
    if fault is not None:
        raise _whose(kind, fault, namespace, key)
    return made


def _given(raw: Value) -> Value:
    """A value object as its fields are said to be: torch's tensors, lists and the like in it become arrays."""
    if misfit(raw) is None or isinstance(raw, Histogram | Table):
        return raw
    first, *others = (one.name for one in fields(raw))
    rest = {name: getattr(raw, name) for name in others if getattr(raw, name) is not None}
    data = getattr(raw, first)
    if isinstance(raw, Rollout):
        return MAKERS[raw.kind]({first: data, **rest}, {})
    if first in raw.TUPLES and (_are_arrays(data) or str(rest.get("layout", "")).startswith("N")):
        rest["several"] = True
    return MAKERS[raw.kind](data, rest)


def _are_arrays(data: Any) -> bool:
    return isinstance(data, tuple | list) and bool(data) and not isinstance(data[0], int | float | list | tuple)


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
