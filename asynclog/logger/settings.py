"""Settings of any make as plain values that msgpack can hold: mappings, dataclasses, argparse, OmegaConf, pydantic, attrs."""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def plain_settings(node: Any) -> Any:
    """A setting as msgpack can hold it; what it can't hold is kept as text. A dict for what has settings in it."""
    if node is None or isinstance(node, str | bool | float):
        return node
    if isinstance(node, int):
        return node if -(2**63) <= node < 2**64 else str(node)
    if isinstance(node, Enum):
        return plain_settings(node.value)
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is not None and omegaconf.OmegaConf.is_config(node):
        # Interpolations that can't be resolved are kept as they are written.
        return plain_settings(omegaconf.OmegaConf.to_container(node, resolve=not omegaconf.OmegaConf.missing_keys(node)))
    if isinstance(node, Mapping):
        return _named(node)
    if isinstance(node, list | tuple | set | frozenset):
        return [plain_settings(inner) for inner in node]
    if isinstance(node, np.generic):
        return plain_settings(node.item())
    inner = _parts(node)
    return str(node) if inner is None else _named(inner)


def _named(node: Mapping[Any, Any]) -> dict[str, Any]:
    """With str as keys; of two that are the same as text, the one that is no str says its type."""
    plain: dict[str, Any] = {name: plain_settings(inner) for name, inner in node.items() if isinstance(name, str)}
    for name, inner in node.items():
        if not isinstance(name, str):
            text = str(name) if str(name) not in plain else f"{name} ({type(name).__name__})"
            plain[text] = plain_settings(inner)
    return plain


def _parts(node: Any) -> Mapping[str, Any] | None:
    """What an object's settings are, or None for one that has none."""
    if callable(node) and not is_dataclass(node):
        return None
    if is_dataclass(node) and not isinstance(node, type):
        return {one.name: getattr(node, one.name) for one in fields(node)}
    dumped = getattr(type(node), "model_fields", None)
    if isinstance(dumped, Mapping):
        return {name: getattr(node, name) for name in dumped}
    held = getattr(node, "__dict__", None)
    return held or None
