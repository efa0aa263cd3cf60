"""Rows under columns: each write records those that it was given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from asynclog.values.value import Array, Value


@dataclass(frozen=True, eq=False)
class Table(Value):
    """columns: their names. numbers: position to an array (rows,), for columns of numbers alone. rest: the other columns, each
    a list of what msgpack can hold, by position."""

    kind: ClassVar[str] = "table"
    columns: list[str]
    numbers: dict[str, Array] = field(default_factory=dict)
    rest: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return max((len(one) for held in (self.numbers, self.rest) for one in held.values()), default=0)

    def canonical(self) -> list[tuple[Any, ...]]:
        """The rows, each a tuple of Python values."""
        return list(zip(*(self.column(name) for name in self.columns), strict=True))

    def column(self, name: str) -> list[Any]:
        """One column's values."""
        at = str(self.columns.index(name))
        held: list[Any] = self.numbers[at].tolist() if at in self.numbers else list(self.rest.get(at, ()))
        return held

    @classmethod
    def of_rows(cls, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
        """Rows as columns: those of floats alone as float64, of whole numbers of 64 bits alone as int64, others as they are."""
        numbers: dict[str, Array] = {}
        rest: dict[str, list[Any]] = {}
        for at, values in enumerate(zip(*rows, strict=True)):
            kinds = set(map(type, values))
            if kinds == {float}:
                numbers[str(at)] = np.array(values, np.float64)
            elif kinds == {int} and min(values) >= -(2**63) and max(values) < 2**63:
                numbers[str(at)] = np.array(values, np.int64)
            else:
                rest[str(at)] = list(values)
        return cls(list(columns), numbers, rest)
