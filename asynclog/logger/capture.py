"""From what a training loop logs to what can be copied: numbers as float or int, arrays as numpy views.

Only shapes and dtypes are looked at. torch is used where its tensors come in, which means that it was imported already.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from asynclog import values
from asynclog.errors import InvalidValue
from asynclog.logger.naming import described, shortened
from asynclog.normal.shapes import PARAMETERS, fault
from asynclog.values import Array, Value


def is_torch(value: Any) -> bool:
    """Whether this is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def on_device(value: Any) -> bool:
    """Whether reading this tensor would wait for a device."""
    return is_torch(value) and value.device.type != "cpu"


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


def array(value: Any) -> Array:
    """An array as numpy sees it, without a copy where there is a way: numpy, torch, DLPack, ``__array__``, buffers, lists."""
    if isinstance(value, np.ndarray):
        return value
    if is_torch(value):
        tensor = value.detach()
        if tensor.device.type != "cpu":
            tensor = tensor.cpu()
        torch = sys.modules["torch"]
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.float()
        return tensor.resolve_conj().resolve_neg().numpy()  # type: ignore[no-any-return]
    return np.asarray(value)


def value_of(kind: str, raw: Any, params: Mapping[str, Any], namespace: str, key: str) -> Value:
    """The value object of something logged. Raises InvalidValue, naming namespace, key, kind, expected and got."""
    if isinstance(raw, Value) and raw.kind == kind:
        made = raw
    elif kind == "string":
        if not isinstance(raw, str):
            raise InvalidValue(namespace=namespace, key=key, kind=kind, expected="a str", got=described(raw))
        return values.Text(raw)
    elif kind == "config":
        return _config(raw, namespace, key)
    else:
        made = _of_arrays(kind, raw, params, namespace, key)
    made = _with_settled_parameters(made, namespace, key)
    for name, found in made.arrays().items():
        wrong = fault(kind, name, found.shape, found.dtype)
        if wrong is not None:
            expected, got, hint = wrong
            raise InvalidValue(namespace=namespace, key=key, kind=kind, expected=expected, got=got, hint=hint)
    return made


def _with_settled_parameters(made: Value, namespace: str, key: str) -> Value:
    settled: dict[str, Any] = {}
    for (kind, name), parameter in PARAMETERS.items():
        given = getattr(made, name) if kind == made.kind else None
        if kind != made.kind or (given is None and getattr(type(made), name) is None):
            continue
        settled[name] = parameter.settled(given)
        if settled[name] is None:
            got = f"{name}={shortened(repr(given))}"
            raise InvalidValue(namespace=namespace, key=key, kind=kind, expected=parameter.expected, got=got)
    return replace(made, **settled) if settled else made


def _of_arrays(kind: str, raw: Any, params: Mapping[str, Any], namespace: str, key: str) -> Value:
    try:
        data = array(raw)
        given = {name: array(one) if name == "colors" and one is not None else one for name, one in params.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidValue(
            namespace=namespace, key=key, kind=kind, expected="an array", got=f"{described(raw)} ({error})"
        ) from error
    if data.dtype.kind not in "biufc":
        raise InvalidValue(namespace=namespace, key=key, kind=kind, expected="an array of numbers", got=described(raw))
    if kind == "histogram":
        return values.Samples(data)
    if kind == "point_cloud":
        return values.PointCloud(data, **given)
    make: Any = values.KINDS[kind]
    return make(data, **given)  # type: ignore[no-any-return]


def _config(raw: Any, namespace: str, key: str) -> Value:
    settings = plain_settings(raw)
    if not isinstance(settings, dict):
        raise InvalidValue(namespace=namespace, key=key, kind="config", expected="a mapping", got=described(raw))
    return values.Config(settings)


def plain_settings(node: Any) -> Any:
    """A setting as msgpack can hold it; what it can't hold is kept as text. A dict for what has settings in it."""
    if isinstance(node, Mapping):
        return {str(name): plain_settings(inner) for name, inner in node.items()}
    if isinstance(node, list | tuple | set | frozenset):
        return [plain_settings(inner) for inner in node]
    if node is None or isinstance(node, str | bool | float):
        return node
    if isinstance(node, int):
        return node if -(2**63) <= node < 2**64 else str(node)
    if isinstance(node, np.generic):
        return plain_settings(node.item())
    if hasattr(node, "__dataclass_fields__") or hasattr(node, "__dict__"):
        inner = vars(node) if hasattr(node, "__dict__") else {name: getattr(node, name) for name in node.__dataclass_fields__}
        if inner and not callable(node):
            return plain_settings(inner)
    return str(node)
