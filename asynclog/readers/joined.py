"""A table as one: the rows of all its writes, of all writers, under all the columns it ever had.

Columns of numbers are arrays, however many writes they came in; None, and a column that a write didn't have, are bits in a
mask beside them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.readers.series import Name
from asynclog.sink import Event
from asynclog.sinks.strict_json import json_text
from asynclog.values import Table
from asynclog.values.table import EXACT, as_numbers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_NUMBERS: Final = frozenset({"<f8", "<i8", "|b1"})
_PIECE: Final = 8192  # rows that become Python objects at a time

_Array = NDArray[Any]


class _Part(NamedTuple):
    """A write's cells of a column, from row ``start`` on. cells: an array of numbers, or a list."""

    start: int
    cells: "_Array | list[Any]"
    absent: "NDArray[np.bool_] | None"


class _Column(NamedTuple):
    """values: (n,) float64, int64, bool or object. absent: (n,) where there is nothing; None if there is something everywhere,
    and for objects, which can be None."""

    values: _Array
    absent: "NDArray[np.bool_] | None"


class JoinedTable:
    """All rows of one (phase, namespace, key), in order of time, then as they were logged.

    columns: their names, in order of first appearance. step, time_ns: (n,) int64, of the write that recorded each row, the
    latter since 1970. writes: how many events the rows came in.
    """

    def __init__(
        self,
        name: Name,
        columns: dict[str, _Column],
        step: NDArray[np.int64],
        time_ns: NDArray[np.int64],
        writes: int,
    ) -> None:
        self.phase, self.namespace, self.key = name
        self.columns = tuple(columns)
        self.step, self.time_ns, self.writes = step, time_ns, writes
        self._columns = columns

    @property
    def name(self) -> str:
        """namespace/key, or the key alone."""
        return Name(self.phase, self.namespace, self.key).path

    @cached_property
    def time(self) -> NDArray[np.float64]:
        """(n,) float64, seconds since 1970."""
        return self.time_ns / 1e9

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, column: str) -> _Array:
        """(n,) one column: bool, int64, or float64 where all cells are such, NaN where floats are missing; whole numbers of
        which some are missing as float64, too, if that holds them; else objects, None where there is nothing."""
        values, absent = self._columns[column]
        if absent is None or values.dtype.kind == "f":
            return values
        if values.dtype.kind == "i" and _exact(values):
            return np.where(absent, np.nan, values)
        loose = values.astype(object)
        loose[absent] = None
        return loose

    def missing(self, column: str) -> NDArray[np.bool_]:
        """(n,) where the column has None, or wasn't there."""
        values, absent = self._columns[column]
        if absent is not None:
            return absent
        return (
            np.array([one is None for one in values], np.bool_) if values.dtype.kind == "O" else np.zeros(len(self), np.bool_)
        )

    def rows(self, start: int = 0, stop: int | None = None) -> list[tuple[Any, ...]]:
        """Rows as tuples of Python values, None where there is nothing; start and stop as in a slice."""
        within = slice(start, stop)
        cells = [_cells(one, within) for one in self._columns.values()]
        return list(zip(*cells, strict=True))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for at in range(0, len(self), _PIECE):
            yield from self.rows(at, at + _PIECE)

    def at_step(self, step: int) -> "JoinedTable":
        """The rows of one step."""
        chosen = self.step == step
        columns = {
            name: _Column(values[chosen], None if absent is None else absent[chosen])
            for name, (values, absent) in self._columns.items()
        }
        times = self.time_ns[chosen]
        name = Name(self.phase, self.namespace, self.key)
        return JoinedTable(name, columns, self.step[chosen], times, len(np.unique(times)))

    def to_pandas(self, *, written: bool = False) -> "pd.DataFrame":
        """The rows as a DataFrame; whole numbers and bools of which some are missing as Int64 and boolean. written: with the
        step and the time (UTC) of each row's write in front, as "written step" and "written time". Raises ImportError naming
        the extra."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("this needs pandas: pip install 'asynclog-stream[pandas]'") from error
        made: dict[str, Any] = {}
        if written:
            made = {_STEP: self.step, _TIME: pd.to_datetime(self.time_ns, unit="ns", utc=True)}
        for name, (values, absent) in self._columns.items():
            if absent is None or values.dtype.kind == "f":
                made[name] = pd.Series(values, dtype=object) if values.dtype.kind == "O" else values
            elif values.dtype.kind == "i":
                made[name] = pd.arrays.IntegerArray(values.copy(), absent.copy())
            else:
                made[name] = pd.arrays.BooleanArray(values.copy(), absent.copy())
        return pd.DataFrame(made)

    def to_arrow(self, *, written: bool = False) -> "pa.Table":
        """The rows as an Arrow table; a column of cells of several types as text, JSON where it isn't text already. written: as
        of ``to_pandas``. Raises ImportError naming the extra."""
        try:
            import pyarrow as pa
        except ImportError as error:
            raise ImportError("this needs pyarrow: pip install 'asynclog-stream[arrow]'") from error
        made: dict[str, Any] = {}
        if written:
            made = {_STEP: pa.array(self.step), _TIME: pa.array(self.time_ns, pa.timestamp("ns", tz="UTC"))}
        for name, (values, absent) in self._columns.items():
            if values.dtype.kind != "O":
                made[name] = pa.array(values, mask=absent)
                continue
            cells = values.tolist()
            try:
                made[name] = pa.array(cells)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                made[name] = pa.array([one if one is None or isinstance(one, str) else json_text(one) for one in cells])
        return pa.table(made)

    def __repr__(self) -> str:
        return f"<JoinedTable {self.name} ({self.phase}): {len(self):,} rows of {', '.join(self.columns)}>"


_STEP: Final = "written step"
_TIME: Final = "written time"


def joined_table(name: Name, events: Iterable[Event]) -> JoinedTable:
    """The rows of a table's events, in their order; what is no table is left out: a file may hold anything under a name."""
    parts: dict[str, list[_Part]] = {}
    steps, times, lengths = [], [], []
    rows = 0
    for event in events:
        table = event.value
        if not isinstance(table, Table) or table.fault() is not None:
            continue
        for at, column in enumerate(table.columns):
            found = parts.setdefault(column, [])
            if len(table):
                found.append(_part(table, at, rows))
        steps.append(event.step)
        times.append(event.time_ns)
        lengths.append(len(table))
        rows += len(table)
    # Popped: a column's parts and the column it becomes are in memory together for one column at a time.
    columns = {column: _assembled(parts.pop(column), rows) for column in list(parts)}
    step, time_ns = (np.repeat(np.array(one, np.int64), lengths) for one in (steps, times))
    return JoinedTable(name, columns, step, time_ns, len(lengths))


def _part(table: Table, at: int, start: int) -> _Part:
    numbers = table.numbers.get(str(at))
    if numbers is not None and numbers.dtype.str in _NUMBERS:
        absent = table.absent.get(str(at))
        return _Part(start, numbers, None if absent is None else absent.astype(np.bool_))
    cells = table.cells(at)
    kinds = set(map(type, cells))
    if kinds == {type(None)}:
        return _Part(start, np.zeros(len(cells), np.bool_), np.ones(len(cells), np.bool_))
    # Of few rows a write keeps lists.
    found = as_numbers(cells, kinds)
    return _Part(start, cells, None) if found is None else _Part(start, *found)


def _assembled(parts: Sequence[_Part], rows: int) -> _Column:
    """A column of so many rows, with nothing where no part is."""
    absent = np.ones(rows, np.bool_)
    for start, cells, gone in parts:
        absent[start : start + len(cells)] = False if gone is None else gone
    # A write that had nothing but None in a column says nothing of its type.
    telling = [one for one in parts if one.absent is None or not one.absent.all()]
    dtype = _dtype(telling)
    if dtype is None:
        values = np.empty(rows, object)
        for start, cells, _ in parts:
            values[start : start + len(cells)] = _objects(cells)
        values[absent] = None
        return _Column(values, None)
    values = np.full(rows, np.nan) if dtype == np.float64 else np.zeros(rows, dtype)
    for start, cells, _ in telling:
        values[start : start + len(cells)] = cells
    if dtype == np.float64:
        values[absent] = np.nan
    return _Column(values, absent if absent.any() else None)


def _dtype(parts: "Sequence[_Part]") -> "np.dtype[Any] | None":
    """What holds all cells of a column exactly; None for what only objects can."""
    arrays = [one.cells for one in parts if isinstance(one.cells, np.ndarray)]
    if len(arrays) < len(parts) or not parts:
        return None
    kinds = {one.dtype.kind for one in arrays}
    if len(kinds) == 1:
        return arrays[0].dtype
    whole = [one for one in arrays if one.dtype.kind == "i"]
    return np.dtype(np.float64) if kinds == {"i", "f"} and all(map(_exact, whole)) else None


def _exact(values: _Array) -> bool:
    return not len(values) or bool(values.min() >= -EXACT and values.max() <= EXACT)


def _objects(cells: "_Array | list[Any]") -> _Array:
    # Filled one by one: numpy would take cells that are lists for another axis.
    values = np.empty(len(cells), object)
    for at, one in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells):
        values[at] = one
    return values


def _cells(column: _Column, within: slice) -> list[Any]:
    cells: list[Any] = column.values[within].tolist()
    if column.absent is not None:
        for row in np.flatnonzero(column.absent[within]).tolist():
            cells[row] = None
    return cells
