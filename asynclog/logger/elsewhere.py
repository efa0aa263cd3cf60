"""What would hold up the loop before its numbers can be looked at, and what brings it, for another thread to call.

That is: arrays on a device or still being computed, figures to be drawn (50 ms), images of PIL to be decoded, objects of
trimesh whose parts are computed when asked for; alone, in sequences and mappings, in value objects, and as parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from asynclog.logger.intake import on_device, to_host
from asynclog.logger.pictures import drawn, is_figure, is_pillow, pixels
from asynclog.logger.solids import is_trimesh, parts_of
from asynclog.values import Value

Way = Callable[[Any], Any]
Params = dict[str, Any]
# Kinds whose values have no arrays; a table's rows are many, and small.
_WORDS: Final = frozenset({"string", "config", "record", "table"})
_SEEN: Final = frozenset({"image", "video"})
_PLAIN: Final = frozenset({np.ndarray, float, int, str, bool, bytes, type(None)})
_LISTED: Final = frozenset({float, int, str, dict})
_DEEPEST: Final = 3  # a sequence of (image, label)


def elsewhere(kind: str, value: Any, params: Params) -> Callable[[], tuple[Any, Params]] | None:
    """What gives the value and its parameters with all in them that takes long done; None if nothing does."""
    if kind in _WORDS or (type(value) in _PLAIN and not params):
        return None
    if not (_takes_long(value) or any(map(_takes_long, params.values()))):
        return None
    # A palette's numbers are colours in a picture, and classes in its masks.
    look = pixels if kind in _SEEN else np.asarray
    return lambda: (_brought(value, look), {name: _brought(one, np.asarray) for name, one in params.items()})


def _way(value: Any, look: Way) -> Way | None:
    """What to do with one thing that takes long; None for what doesn't."""
    if is_pillow(value):
        return look
    if is_figure(value):
        return drawn
    if is_trimesh(value):
        return parts_of
    return to_host if on_device(value) else None


def _takes_long(value: Any, deepest: int = _DEEPEST) -> bool:
    if type(value) in _PLAIN:
        return False
    inner = _inner(value)
    if inner is None:
        return _way(value, pixels) is not None
    if not inner or not deepest:
        return False
    # A list goes on as it begins: with numbers, with words, with messages.
    if isinstance(value, list | tuple) and type(value[0]) in _LISTED:
        return False
    return any(type(one) not in _PLAIN and _takes_long(one, deepest - 1) for one in inner)


def _inner(value: Any) -> Any:
    """What lies in something that holds others."""
    if type(value) is list:
        return value
    if type(value) is dict or isinstance(value, Mapping):
        return value.values()
    if isinstance(value, Value):
        return vars(value).values()
    return value if isinstance(value, list | tuple) else None


def _brought(value: Any, look: Way) -> Any:
    if not _takes_long(value):
        return value
    if isinstance(value, Value):
        first, *others = (one.name for one in fields(value))
        made = {first: _brought(getattr(value, first), look)}
        return replace(value, **made, **{name: _brought(getattr(value, name), np.asarray) for name in others})
    if isinstance(value, Mapping):
        return {name: _brought(one, look) for name, one in value.items()}
    if isinstance(value, list | tuple):
        brought = [_brought(one, look) for one in value]
        return brought if isinstance(value, list) else tuple(brought)
    way = _way(value, look)
    return value if way is None else way(value)
