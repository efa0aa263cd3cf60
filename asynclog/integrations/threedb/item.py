"""An item's way through a record, and back to what it was.

A record holds plain values, with str as keys. 3DB's items have more in them: ``render_args`` is keyed by (control, attribute)
tuples, ``control_order`` lists tuples, ``outputs`` may be an array. So the item travels as plain values that anybody can
read, a joined key for a tuple and an array's description for an array, beside marks that say where what was.

    render_args: {("camera", "zoom"): 1.5}    →    render_args: {"camera.zoom": 1.5}    keys: [[[render_args, camera.zoom],
                                                                                                [camera, zoom]]]

What a record can't hold at all (a Path, a datetime) comes back as its text, as settings do. So does what lies in itself, or
too deep for those who read it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.logger.intake import is_torch
from asynclog.logger.naming import described
from asynclog.logger.settings import plain_settings
from asynclog.values import Array

ITEMS: Final = "threedb"
CHANNELS: Final = "threedb/channels"
INSIDE: Final = "threedb/inside"
"""Namespaces of a result's record, its channels, and the arrays that were found in its item; below the logger's own."""

Path = tuple[str | int, ...]
_MARKS: Final = ("keys", "tuples", "arrays")
_DEEPEST: Final = 60  # as of settings


class Taken(NamedTuple):
    """fields: of the record. arrays: those found in the item, in the order of ``fields["arrays"]``."""

    fields: dict[str, Any]
    arrays: list[Any]


def taken_apart(item: Mapping[Any, Any]) -> Taken:
    """An item as fields of a record, and the arrays in it, at any depth."""
    walk = _Walk()
    plain = walk.down(item, ())
    marks = {name: found for name in _MARKS if (found := getattr(walk, name))}
    return Taken({"item": plain, **marks}, walk.found)


def put_together(fields: Mapping[str, Any], arrays: Sequence[Array]) -> dict[Any, Any]:
    """The inverse. Arrays that didn't come stay as their descriptions."""
    keys = {tuple(at): _key(key) for at, key in fields.get("keys", ())}
    tuples = {tuple(at) for at in fields.get("tuples", ())}
    places = dict(zip((tuple(at) for at in fields.get("arrays", ())), arrays, strict=False))

    def up(node: Any, at: Path) -> Any:
        if at in places:
            return places[at]
        if isinstance(node, dict):
            return {keys.get((*at, name), name): up(inner, (*at, name)) for name, inner in node.items()}
        if isinstance(node, list):
            inner = [up(one, (*at, number)) for number, one in enumerate(node)]
            return tuple(inner) if at in tuples else inner
        return node

    whole: dict[Any, Any] = up(fields["item"], ())
    return whole


def _key(plain: Any) -> Any:
    """A key of a record as one of a dict. One that can't be any, which went as a dict, stays the text of it."""
    if isinstance(plain, list):
        return tuple(map(_key, plain))
    return str(plain) if isinstance(plain, dict) else plain


class _Walk:
    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.tuples: list[Any] = []
        self.arrays: list[Any] = []
        self.found: list[Any] = []
        self._within: list[int] = []
        """The identities of what is walked through."""

    def down(self, node: Any, at: Path) -> Any:
        if isinstance(node, Mapping | list | tuple):
            if id(node) in self._within or len(at) >= _DEEPEST:
                return described(node)
            self._within.append(id(node))
            plain = self._mapping(node, at) if isinstance(node, Mapping) else self._sequence(node, at)
            self._within.pop()
            return plain
        if isinstance(node, np.ndarray) or is_torch(node):
            self.arrays.append(list(at))
            self.found.append(node)
            return described(node)
        return plain_settings(node)

    def _mapping(self, node: Mapping[Any, Any], at: Path) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, inner in node.items():
            name = self._named(key, at, node, plain)
            plain[name] = self.down(inner, (*at, name))
        return plain

    def _sequence(self, node: Sequence[Any], at: Path) -> list[Any]:
        if isinstance(node, tuple):
            self.tuples.append(list(at))
        return [self.down(one, (*at, number)) for number, one in enumerate(node)]

    def _named(self, key: Any, at: Path, beside: Mapping[Any, Any], taken: Mapping[str, Any]) -> str:
        if isinstance(key, str):
            return str(key)
        parts = [plain_settings(one) for one in key] if isinstance(key, tuple) else plain_settings(key)
        name = ".".join(map(str, parts)) if isinstance(parts, list) else str(parts)
        while name in beside or name in taken:
            name += "'"
        self.keys.append([[*at, name], parts])
        return name
