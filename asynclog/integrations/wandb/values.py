"""What a program gives ``log``, as a logger takes it: nested mappings flat, and each value by what it is."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any, Final

import numpy as np

from asynclog.integrations.outbox import Said
from asynclog.integrations.wandb import picture
from asynclog.integrations.wandb.media import Media, of_one_class
from asynclog.integrations.wandb.picture import Image
from asynclog.integrations.wandb.said import once
from asynclog.integrations.wandb.table import Table
from asynclog.values import Value

_FEW: Final = 32
"""Of so many numbers W&B logs an array as a list, of more as a histogram."""


def flat(values: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one, their keys joined by dots, as W&B shows them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def plain(value: Any) -> Any:
    """A number or a text, where a value is one: of an array or tensor with one item, whatever its shape."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) and all(one == 1 for one in shape):
        return value.reshape(())
    return value


def said(key: str, value: Any) -> list[Said]:
    """How a value is logged; nothing, and a word about it, for one that no recording can hold."""
    if isinstance(value, Media):
        return value.said(key)
    if isinstance(value, str):
        return [Said("log_string", key, value)]
    if isinstance(value, bool | int | float | np.generic) or getattr(value, "shape", None) == ():
        return [Said("log_scalar", key, value)]
    if isinstance(value, Value):
        return [Said(f"log_{type(value).kind}", key, value)]
    if type(value).__module__.startswith("wandb."):
        name = type(value).__name__
        once("log({%r: …}): this is the real wandb's %s; asynclog.integrations.wandb.%s makes one", key, name, name)
        return []
    if hasattr(value, "itertuples"):
        return Table(dataframe=value).said(key)
    if hasattr(value, "savefig") or hasattr(value, "getbands"):
        return Image(value).said(key)
    if hasattr(value, "shape"):
        return _array(key, value)
    if isinstance(value, Sequence):
        return _sequence(key, list(value))
    once("log({%r: …}): a %s is not recorded", key, type(value).__name__)
    return []


def _array(key: str, value: Any) -> list[Said]:
    size = int(np.prod(value.shape))
    if size == 0:
        return []
    return [Said("log_tensor" if size <= _FEW else "log_histogram", key, value)]


def _sequence(key: str, values: list[Any]) -> list[Said]:
    if of_one_class(values, Image):
        return picture.several(key, values)
    if of_one_class(values, Media):
        return [said for one in values for said in one.said(key)]
    if values and all(isinstance(one, bool | int | float | np.number) for one in values):
        return [Said("log_tensor", key, np.asarray(values))]
    return [Said("log_string", key, json.dumps(values, default=str, ensure_ascii=False))]
