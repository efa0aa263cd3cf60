"""The root of everything recorded beside numbers: a value comes apart into parameters and arrays, and together again.

A value is taken apart to be recorded and put together to be read; nothing here copies, scales or converts. The raw value is
recorded; canonical forms are made by ``normal`` when somebody looks.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.layouts import Fault

Array = NDArray[Any]
_defaults: "dict[type[Value], dict[str, Any]]" = {}
_NEVER: Final = frozenset({type(None), bool, int, float, str, list})  # hold no arrays: told without a look at what they are
_INNER: Final = "."  # between a field's name and a key, or a place, of what it holds


@dataclass(frozen=True, eq=False)
class Value:
    """A field holds an array, a mapping or tuple of arrays, or what msgpack can hold."""

    kind: ClassVar[str]

    def arrays(self) -> dict[str, Array]:
        """The arrays by field name, in field order; those of a mapping or tuple as "field.key" or "field.0"."""
        return self.parts()[1]

    def params(self) -> dict[str, Any]:
        """What is not an array, by field name, without what has its default."""
        return self.parts()[0]

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """(params, arrays), in one look at each field."""
        params: dict[str, Any] = {}
        arrays: dict[str, Array] = {}
        for name, default in _defaults_of(type(self)).items():
            held = getattr(self, name)
            if held is default:
                continue
            if isinstance(held, np.ndarray):
                arrays[name] = held
            elif type(held) not in _NEVER and _holds_arrays(held):
                inner = held.items() if isinstance(held, Mapping) else enumerate(held)
                arrays.update((f"{name}{_INNER}{key}", array) for key, array in inner)
            elif type(held) is not type(default) or held != default:
                params[name] = held
        return params, arrays

    @classmethod
    def from_parts(cls, params: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """The inverse of ``params`` and ``arrays``; names this version doesn't know are left out."""
        gathered: dict[str, Any] = {**params}
        groups: dict[str, dict[str, Array]] = {}
        for name, array in arrays.items():
            field, inner, key = name.partition(_INNER)
            if inner:
                groups.setdefault(field, {})[key] = array
            else:
                gathered[name] = array
        for field, group in groups.items():
            numbered = all(key == str(at) for at, key in enumerate(group))
            gathered[field] = tuple(group.values()) if numbered and field in cls.TUPLES else group
        known = {one.name for one in fields(cls)}
        return cls(**{name: held for name, held in gathered.items() if name in known})

    def fault(self) -> Fault | None:
        """What is wrong with this value, told from shapes and dtypes alone; None if nothing is."""
        return None

    TUPLES: ClassVar[frozenset[str]] = frozenset()
    """Fields that hold a tuple of arrays."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Value)
        mine, theirs = self.arrays(), other.arrays()
        return (
            same_plain(self.params(), other.params())
            and mine.keys() == theirs.keys()
            and all(same_array(mine[name], theirs[name]) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]


_WORDS: Final = {
    "biufc": "numbers",
    "biuf": "numbers",
    "iuf": "whole numbers or floating point",
    "biu": "whole numbers or bool",
    "iu": "whole numbers",
    "f": "floating point numbers",
}
REAL: Final = "biuf"
"""The dtype kinds that a screen can show: bool, whole numbers, floating point."""


def numeric(array: Array, kinds: str = REAL) -> Fault | None:
    """What is wrong with an array's dtype."""
    if array.dtype.kind in kinds:
        return None
    hint = "abs() or np.angle() make it real" if array.dtype.kind == "c" and "f" in kinds else None
    return Fault(_WORDS[kinds], f"dtype {array.dtype}", hint)


def as_long(name: str, held: Any, count: int, of: str) -> Fault | None:
    """What is wrong with the length of something that goes along with something else, if there is any."""
    if held is None or len(held) == count:
        return None
    return Fault(f"as many {name} as {of}, {count}", f"{len(held)}")


def _defaults_of(kind: "type[Value]") -> dict[str, Any]:
    """A kind's fields, each with its default; MISSING where it has none."""
    found = _defaults.get(kind)
    if found is None:
        made = {one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(kind)}
        found = _defaults[kind] = made
    return found


def _holds_arrays(held: Any) -> bool:
    if not held or not (type(held) is dict or isinstance(held, Mapping | tuple)):
        return False
    inner = held if isinstance(held, tuple) else held.values()
    return isinstance(next(iter(inner)), np.ndarray) and all(isinstance(one, np.ndarray) for one in inner)


def same_plain(one: Any, other: Any) -> bool:
    """Equal types and numbers, inside of lists and mappings too: NaN equals NaN, and -0.0 differs from 0.0."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_plain(held, other[name]) for name, held in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_plain, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    return bool(one == other)


def same_array(one: Array, other: Array) -> bool:
    """Equal dtype, shape and bytes: NaN equals NaN, and -0.0 differs from 0.0."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
