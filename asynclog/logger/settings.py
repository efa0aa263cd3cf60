"""Settings of any make as plain values that msgpack can hold: mappings, dataclasses, argparse, OmegaConf, pydantic, attrs."""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import prod
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from asynclog.logger.intake import array, is_torch
from asynclog.logger.naming import described

_LARGEST: Final = 10_000
"""Numbers of an array among settings. A larger one is data: it is named, and not kept."""
_NAMES: Final = frozenset({str})
_KEPT: Final = frozenset({str, bool, float, type(None)})
_DEEPEST: Final = 60  # msgpack's readers stop at some depth, and nobody nests settings so


def plain_settings(node: Any) -> Any:
    """A setting as msgpack can hold it; what it can't hold is kept as text. A dict for what has settings in it."""
    return _plain(node, ())


def _plain(node: Any, within: tuple[int, ...]) -> Any:
    """within: the identities of what this is a part of."""
    if type(node) in _KEPT:
        return node
    if type(node) is dict or type(node) is list:
        return _held(node, within)
    if node is None or isinstance(node, str | bool):
        return node
    if isinstance(node, Enum):
        return _plain(node.value, within)
    if isinstance(node, float):
        return float(node)
    if isinstance(node, int):
        return int(node) if -(2**63) <= node < 2**64 else str(node)
    if isinstance(node, np.generic | np.ndarray) or is_torch(node) or hasattr(type(node), "__array__"):
        return _numbers(node)
    if id(node) in within or len(within) >= _DEEPEST:
        return described(node)
    within = (*within, id(node))
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is not None and omegaconf.OmegaConf.is_config(node):
        return _plain(_resolved(node, omegaconf), within)
    if isinstance(node, Mapping):
        return _named(node, within)
    if isinstance(node, list | tuple):
        return [_plain(inner, within) for inner in node]
    if isinstance(node, set | frozenset):
        # Their order changes from run to run, and would look like a change of the settings.
        return sorted((_plain(inner, within) for inner in node), key=lambda one: (type(one).__name__, str(one)))
    inner = _parts(node)
    return _as_text(node) if inner is None else _named(inner, within)


def _held(node: Any, within: tuple[int, ...]) -> Any:
    """A plain dict or list, as messages and settings are made of: without asking each what else it might be."""
    whole = node.values() if type(node) is dict else node
    if _KEPT.issuperset(map(type, whole)) and (whole is node or _NAMES.issuperset(map(type, node))):
        return node.copy()
    if id(node) in within or len(within) >= _DEEPEST:
        return described(node)
    within = (*within, id(node))
    if whole is not node:
        return _named(node, within)
    return [one if type(one) in _KEPT else _plain(one, within) for one in node]


def _numbers(node: Any) -> Any:
    """An array as lists, one of no dimensions as its number."""
    if prod(getattr(node, "shape", ())) > _LARGEST:
        return described(node)
    found = array(node)
    if found.dtype.kind == "f" and found.dtype.itemsize > 8:
        found = found.astype(np.float64)
    if found.dtype.kind in "biuf":
        return found.tolist()
    return np.vectorize(str, otypes=[object])(found).tolist() if found.size else []


def _named(node: Mapping[Any, Any], within: tuple[int, ...]) -> dict[str, Any]:
    """With str as keys; of two that are the same as text, the one that is no str says its type."""
    plain: dict[str, Any] = {
        str(name): inner if type(inner) in _KEPT else _plain(inner, within)
        for name, inner in node.items()
        if isinstance(name, str)
    }
    if len(plain) == len(node):
        return plain
    for name, inner in node.items():
        if not isinstance(name, str):
            text = str(name) if str(name) not in plain else f"{name} ({type(name).__name__})"
            plain[text] = _plain(inner, within)
    return plain


def _resolved(node: Any, omegaconf: Any) -> Any:
    """What OmegaConf holds, with its interpolations resolved. One that can't be, and a missing value, stay as written."""
    try:
        return omegaconf.OmegaConf.to_container(node, resolve=True)
    except omegaconf.errors.OmegaConfBaseException:
        written = omegaconf.OmegaConf.to_container(node, resolve=False)
    if isinstance(written, list):
        return [_leaf(node, at, inner, omegaconf) for at, inner in enumerate(written)]
    if isinstance(written, dict):
        return {name: _leaf(node, name, inner, omegaconf) for name, inner in written.items()}
    return written


def _leaf(node: Any, name: Any, written: Any, omegaconf: Any) -> Any:
    if omegaconf.OmegaConf.is_missing(node, name):
        return written
    try:
        found = node[name]
    except omegaconf.errors.OmegaConfBaseException:
        return written
    return _resolved(found, omegaconf) if omegaconf.OmegaConf.is_config(found) else found


def _parts(node: Any) -> Mapping[str, Any] | None:
    """What an object's settings are, or None for one that has none."""
    if is_dataclass(node) and not isinstance(node, type):
        return {one.name: getattr(node, one.name) for one in fields(node)}
    if callable(node):
        return None
    declared = getattr(type(node), "model_fields", None)
    if isinstance(declared, Mapping):
        # Of pydantic; what it was given beyond its fields lies apart.
        return {name: getattr(node, name) for name in declared} | (getattr(node, "model_extra", None) or {})
    attributes = getattr(type(node), "__attrs_attrs__", None)
    if attributes is not None:
        return {one.name: getattr(node, one.name) for one in attributes}
    held = getattr(node, "__dict__", None)
    argparse = sys.modules.get("argparse")
    if isinstance(node, SimpleNamespace) or (argparse is not None and isinstance(node, argparse.Namespace)):
        return held
    # What is private may be a secret, as in a SecretStr of pydantic.
    return {name: one for name, one in (held or {}).items() if not name.startswith("_")} or None


def _as_text(node: Any) -> str:
    """Without the address in memory that functions and bare objects show: it differs from run to run."""
    name = getattr(node, "__qualname__", None)
    if callable(node) and isinstance(name, str):
        return f"{node.__module__}.{name}"
    kind: Any = type(node)
    if kind.__repr__ is object.__repr__ and kind.__str__ is object.__str__:
        return f"{kind.__module__}.{kind.__qualname__}"
    return str(node)
