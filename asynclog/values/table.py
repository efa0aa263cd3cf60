"""Rows under columns: each write records those that it was given."""

import re
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar, Final

import numpy as np

from asynclog.normal.layouts import Fault
from asynclog.values.value import Array, Value

EXACT: Final = 2**53
"""Up to here, and down to its negative, float64 holds every whole number."""
FEW_ROWS: Final = 16
_MOST_ARRAYS: Final = 1024
"""Of a table; columns of numbers beyond are lists. A reader refuses events of very many arrays."""
PLAIN: Final = frozenset({float, int, str, bool, type(None)})
_SPANS: Final = frozenset({float, int, bool})
_NOTHING: Final = frozenset({type(None)})
_HEX: Final = re.compile(r"-?0x[0-9a-f]+")


@dataclass(frozen=True, eq=False)
class Table(Value):
    """columns: their names. Cells are in ``numbers`` or ``rest``, by the column's position, as text.

    numbers: arrays (rows,) of float64, int64 or bool, for columns that hold nothing else, None apart; a column of both floats
    and whole numbers holds floats if they are as exact. Of few rows there are none: they would cost more than lists.
    absent: (rows,) bool, where such a column has None. rest: the other columns, each a list of what msgpack can hold.
    wide: of those, the rows that hold a whole number beyond 64 bits, which is kept as text, hexadecimal.
    """

    kind: ClassVar[str] = "table"
    columns: list[str]
    numbers: dict[str, Array] = field(default_factory=dict)
    rest: dict[str, list[Any]] = field(default_factory=dict)
    absent: dict[str, Array] = field(default_factory=dict)
    wide: dict[str, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return max((len(one) for held in (self.numbers, self.rest) for one in held.values()), default=0)

    def __eq__(self, other: object) -> bool:
        """Whether names and cells are the same, NaN as NaN, however they are held."""
        if not isinstance(other, Table):
            return NotImplemented
        return self.columns == other.columns and repr(self.canonical()) == repr(other.canonical())

    __hash__ = None

    def canonical(self) -> list[tuple[Any, ...]]:
        """The rows, each a tuple of Python values."""
        return list(zip_longest(*(self.column(name) for name in self.columns)))

    def column(self, name: str) -> list[Any]:
        """One column's values."""
        return self.cells(self.columns.index(name))

    def cells(self, position: int) -> list[Any]:
        """The values of the column at a position; Python objects, None where there is nothing."""
        at = str(position)
        if at in self.numbers:
            held: list[Any] = self.numbers[at].tolist()
            for row in np.flatnonzero(self.absent[at]).tolist() if at in self.absent else ():
                held[row] = None
            return held
        held = list(self.rest.get(at, ()))
        for row in self.wide.get(at, ()):
            held[row] = int(held[row], 16)
        return held

    def fault(self) -> Fault | None:
        """Columns of unequal length, or cells that are none: what a file may hold, and ``of_columns`` never makes."""
        rows = len(self)
        places = {str(at) for at in range(len(self.columns))}
        held: dict[str, Sized] = {**self.rest, **self.numbers}
        if (rows and held.keys() != places) or any(one.ndim != 1 for one in (*self.numbers.values(), *self.absent.values())):
            return Fault(f"a column each for {', '.join(self.columns)}", f"{len(held)} columns")
        if any(one.dtype.kind != "b" for one in self.absent.values()):
            return Fault("bool where a cell is absent", "another dtype")
        odd = next((len(one) for one in (*held.values(), *self.absent.values()) if len(one) != rows), None)
        if odd is not None:
            return Fault(f"columns of {rows} rows", f"one of {odd}")
        for at, wide in self.wide.items():
            cells = [self.rest[at][row] for row in wide if 0 <= row < rows] if at in self.rest else []
            if len(cells) != len(wide) or not all(isinstance(one, str) and _HEX.fullmatch(one) for one in cells):
                return Fault("whole numbers in hexadecimal", f"column {at}")
        return None

    @classmethod
    def of_rows(cls, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
        """Rows, each as long as columns, of what msgpack can hold and of whole numbers of any size."""
        return cls.of_columns(columns, list(zip(*rows, strict=True)))

    @classmethod
    def of_columns(
        cls,
        columns: Sequence[str],
        cells: Iterable[Sequence[Any]],
        plain: Callable[[Sequence[Any]], Sequence[Any]] | None = None,
    ) -> "Table":
        """The same, column by column. cells: as many as columns, equally long; none for a table without rows. plain: makes
        a column's cells what msgpack can hold, where they aren't all numbers, text or None."""
        made = cls(list(columns))
        for at, given in enumerate(cells):
            place, values = str(at), given
            kinds = set(map(type, values))
            if plain is not None and not kinds <= PLAIN:
                values = plain(values)
                kinds = set(map(type, values))
            found = None if len(values) <= FEW_ROWS or len(made.numbers) >= _MOST_ARRAYS else as_numbers(values, kinds)
            if found is None:
                made.rest[place] = _narrow(made, place, values) if int in kinds else list(values)
                continue
            made.numbers[place], absent = found
            if absent is not None:
                made.absent[place] = absent
        return made


def as_numbers(values: Sequence[Any], kinds: set[type]) -> tuple[Array, Array | None] | None:
    """A column as (array, where it has None), if an array holds all there is in it. kinds: the types in it.

    0 or NaN stand for None. The array is of float64, int64 or bool; the second is None, too, if there is no None.
    """
    if not kinds >= _NOTHING:
        array = _array(values, kinds)
        return None if array is None else (array, None)
    kinds = kinds - _NOTHING
    array = _array(values if float in kinds else [0 if one is None else one for one in values], kinds)
    return None if array is None else (array, np.array([one is None for one in values]))


def _array(values: Sequence[Any], kinds: set[type]) -> Array | None:
    if not kinds or not kinds <= _SPANS:
        return None
    if kinds == {float}:
        return np.array(values, np.float64)
    if kinds == {bool}:
        return np.array(values, np.bool_)
    if kinds == {int}:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            return None
    if kinds == {int, float} and all(-EXACT <= one <= EXACT for one in values if type(one) is int):
        return np.array(values, np.float64)
    return None


def _narrow(made: Table, place: str, values: Sequence[Any]) -> list[Any]:
    """A column with its whole numbers beyond 64 bits as text, and a note where they are."""
    wide = [at for at, one in enumerate(values) if type(one) is int and not -(2**63) <= one < 2**64]
    narrow = list(values)
    if wide:
        made.wide[place] = wide
        for at in wide:
            narrow[at] = hex(narrow[at])
    return narrow
