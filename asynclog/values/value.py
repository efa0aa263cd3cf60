"""The root of everything recorded beside numbers: a value comes apart into parameters and arrays, and together again.

A value is taken apart to be recorded and put together to be read; nothing here copies, scales or converts. The raw value is
recorded; canonical forms are made by ``normal`` when somebody looks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.layouts import Fault

Array = NDArray[Any]
_INNER: Final = "."  # between a field's name and a key, or a place, of what it holds


@dataclass(frozen=True, eq=False)
class Value:
    """A field holds an array, a mapping or tuple of arrays, or what msgpack can hold."""

    kind: ClassVar[str]

    def arrays(self) -> dict[str, Array]:
        """The arrays by field name, in field order; those of a mapping or tuple as "field.key" or "field.0"."""
        return dict(self._arrays())

    def _arrays(self) -> Iterator[tuple[str, Array]]:
        for one in fields(self):
            held = getattr(self, one.name)
            if isinstance(held, np.ndarray):
                yield one.name, held
            elif _holds_arrays(held):
                inner = held.items() if isinstance(held, Mapping) else enumerate(held)
                yield from ((f"{one.name}{_INNER}{key}", array) for key, array in inner)

    def params(self) -> dict[str, Any]:
        """What is not an array, by field name, without what has its default."""
        found = {one.name: (getattr(self, one.name), one) for one in fields(self)}
        return {
            name: held
            for name, (held, one) in found.items()
            if not isinstance(held, np.ndarray) and not _holds_arrays(held) and not _is_default(held, one)
        }

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
            self.params() == other.params()
            and mine.keys() == theirs.keys()
            and all(same_array(mine[name], theirs[name]) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]


REAL: Final = "biuf"
"""The dtype kinds that a screen can show: bool, whole numbers, floating point."""


def numeric(array: Array, kinds: str = REAL) -> Fault | None:
    """What is wrong with an array's dtype."""
    if array.dtype.kind in kinds:
        return None
    hint = "abs() or np.angle() make it real" if array.dtype.kind == "c" and "f" in kinds else None
    return Fault("whole numbers" if kinds == "iu" else "numbers", f"dtype {array.dtype}", hint)


def as_long(name: str, held: Any, count: int, of: str) -> Fault | None:
    """What is wrong with the length of something that goes along with something else, if there is any."""
    if held is None or len(held) == count:
        return None
    return Fault(f"as many {name} as {of}, {count}", f"{len(held)}")


def _is_default(held: Any, one: "Field[Any]") -> bool:
    default = one.default if one.default_factory is MISSING else one.default_factory()
    return default is not MISSING and type(held) is type(default) and bool(held == default)


def _holds_arrays(held: Any) -> bool:
    if not isinstance(held, Mapping | tuple) or not held:
        return False
    return all(isinstance(one, np.ndarray) for one in (held.values() if isinstance(held, Mapping) else held))


def same_array(one: Array, other: Array) -> bool:
    """Equal dtype, shape and bytes: NaN equals NaN, and -0.0 differs from 0.0."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
