"""Arrays as rows of a table: of any library, as Python's numbers; those on a device stay there until they may be waited for."""

from array import ArrayType
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.intake import array, on_device, to_host
from asynclog.logger.naming import described
from asynclog.values import Value
from asynclog.values.table import PLAIN

_NO_ARRAY: Final = (TypeError, ValueError, RuntimeError, BufferError)
"""What ``array`` raises."""


class Source:
    """An array on a device, brought to the host when its numbers are first asked for."""

    __slots__ = ("_found", "_value")

    def __init__(self, value: Any) -> None:
        self._value: Any = value
        self._found: list[Any] | None = None

    def found(self) -> list[Any]:
        """All of it, as lists."""
        if self._found is None:
            self._found = plain(to_host(self._value))[0]
            self._value = None
        return self._found


class Waiting(Sequence[Any]):
    """A row of an array on a device. at: which; None if all of the array is one. width: its cells. places: for each cell which
    of the array's it is, -1 for None; None for all in their order."""

    __slots__ = ("_at", "_places", "_source", "_width")

    def __init__(self, source: Source, at: int | None, width: int, places: Sequence[int] | None = None) -> None:
        self._source, self._at, self._width, self._places = source, at, width, places

    def __len__(self) -> int:
        return self._width

    def __getitem__(self, at: Any) -> Any:
        return self.cells()[at]

    def cells(self) -> list[Any]:
        """Waits for the device."""
        row = self._source.found() if self._at is None else self._source.found()[self._at]
        return list(row) if self._places is None else [row[at] if at >= 0 else None for at in self._places]

    def under(self, places: Sequence[int]) -> "Waiting":
        """The same under other columns."""
        return Waiting(self._source, self._at, len(places), places)


def is_array(value: Any) -> bool:
    """Whether it has a protocol of arrays, or is a buffer of numbers; value objects are none."""
    # Of the type: an object that answers to any name is no array.
    kind = type(value)
    if hasattr(kind, "__array__") or hasattr(kind, "__dlpack__"):
        return not isinstance(value, Value)
    return isinstance(value, memoryview | ArrayType)


def is_nested_array(one: Any) -> bool:
    """Whether this is an array of one dimension at least. One on a device that has no shape to tell is taken for a cell."""
    if type(one) in PLAIN or not is_array(one):
        return False
    shape = getattr(one, "shape", None)
    if shape is None and not on_device(one):
        try:
            shape = array(one).shape
        except _NO_ARRAY:
            return False
    return bool(shape)


def opened(value: Any) -> Any:
    """What an array has in it, as a list; of one of no dimensions its number. Of one on a device no more than the shape is
    asked for: it gives a list of its rows. Raises InvalidValue for what can't be read."""
    shape = getattr(value, "shape", None)
    if shape and on_device(value):
        source = Source(value)
        return [as_row(value)] if len(shape) == 1 else [Waiting(source, at, shape[1]) for at in range(shape[0])]
    try:
        return plain(value)[0]
    except _NO_ARRAY as error:
        raise InvalidValue(kind="table", expected="rows", got=described(value), hint=str(error)) from error


def as_row(one: Any) -> Any:
    """An array among rows as a row; itself if it has no dimensions, or can't be read."""
    if not is_nested_array(one):
        return one
    if on_device(one):
        return Waiting(Source(one), None, one.shape[0])
    try:
        return plain(one)[0]
    except _NO_ARRAY:
        return one


def plain(value: Any) -> tuple[Any, bool]:
    """An array on the host as nested lists, and whether these have nothing but Python's numbers in them.

    Dates are text as ISO 8601 has it, NaT and masked whole numbers None. Raises what ``array`` does.
    """
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "biu":
        return value.tolist(), False
    held = array(value)
    if held.dtype.kind == "f" and held.dtype.itemsize > 8:
        held = held.astype(np.float64)
    if held.dtype.kind not in "mM":
        return held.tolist(), held.dtype.kind in "biuf"
    told = np.empty(held.shape, object)
    told.reshape(-1)[:] = [None if np.isnat(one) else str(one) for one in held.reshape(-1)]
    return told.tolist(), False
