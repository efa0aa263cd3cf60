"""What was logged to a table, brought under columns: rows as tuples, sequences, mappings, arrays, frames, value objects.

Most tables are given rows that are all alike, thousands a write: those are looked at together, column by column. Only where
rows differ each is looked at by itself.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.arrayed import Waiting, as_row, is_array, is_nested_array, opened, plain
from asynclog.logger.intake import is_torch, on_device, to_host
from asynclog.logger.naming import described
from asynclog.logger.pending_rows import Columns, Given
from asynclog.logger.settings import plain_settings
from asynclog.logger.tables import checked_columns
from asynclog.values import Table, Value
from asynclog.values.table import PLAIN

Row = Sequence[Any]
_NESTED: Final = (list, tuple, Mapping, Waiting)


class Elsewhere(Exception):
    """Raised by ``table_of`` if it may not wait."""


class Part(NamedTuple):
    """Rows, each as long as columns."""

    columns: tuple[str, ...]
    rows: Sequence[Row]


class Joined(NamedTuple):
    """columns: of all, in order of first appearance. rows: each as long, None where it had no such column. faults: of what
    could not be brought under columns."""

    columns: tuple[str, ...]
    rows: Sequence[Row]
    faults: list[InvalidValue]


def joined(given: Given) -> Joined:
    """All that was logged to a table, in order."""
    faults: list[InvalidValue] = []
    parts = list(_parts(given, faults))
    if len(parts) == 1:
        return Joined(*parts[0], faults)
    columns = tuple(dict.fromkeys(chain.from_iterable(part.columns for part in parts)))
    rows: list[Row] = []
    for part in parts:
        rows += part.rows if part.columns == columns else _widened(part, columns)
    return Joined(columns, rows, faults)


def table_of(columns: Sequence[str], rows: Sequence[Row], *, here: bool = False) -> Table:
    """Rows, each as long as columns, as a table. here: raise Elsewhere rather than wait for a device. Raises InvalidValue."""
    if Waiting in set(map(type, rows)):
        if here:
            raise Elsewhere
        rows = [row.cells() if type(row) is Waiting else row for row in rows]
    return Table.of_columns(columns, zip(*rows, strict=True), lambda cells: [_cell(one, here, outer=True) for one in cells])


# -- from what was given to rows ----------------------------------------------------------------------------------------


def _parts(given: Given, faults: list[InvalidValue]) -> Iterator[Part]:
    kinds, known = set(map(type, given.items)), given.known
    if given.fixed is not None and kinds == {tuple}:
        yield Part(tuple(given.fixed), given.items)
        return
    if kinds == {dict}:
        yield from _loose(given.items, known, faults)
        return
    if kinds == {list} and len(given.items[0]) < 3 and set(map(len, given.items[1:])) <= {1}:
        known = given.items[0][1] if len(given.items[0]) > 1 else known
        yield from _loose([item[0] for item in given.items], known, faults)
        return
    fixed: list[Row] = []
    loose: list[Any] = []
    for item in given.items:
        if type(item) is tuple:
            yield from _loose(loose, known, faults)
            loose = []
            fixed.append(item)
            continue
        if fixed:
            yield Part(tuple(given.fixed or ()), fixed)
            fixed = []
        if type(item) is list and len(item) > 2:
            yield from _loose(loose, known, faults)
            loose = []
            yield from _loose([item[0]], item[1], faults)
            continue
        if type(item) is list and len(item) > 1 and item[1] is not known and item[1] != known:
            yield from _loose(loose, known, faults)
            loose = []
            known = item[1]
        loose.append(item[0] if type(item) is list else item)
    if fixed:
        yield Part(tuple(given.fixed or ()), fixed)
    yield from _loose(loose, known, faults)


def _loose(values: list[Any], columns: Columns, faults: list[InvalidValue]) -> Iterator[Part]:
    """What came through ``log_table`` while ``columns`` held."""
    if not values:
        return
    try:
        names = () if columns is None else checked_columns(columns)
        alike = _alike(values, names)
    except InvalidValue as error:
        faults += [error] * len(values)
        return
    if alike is not None:
        yield alike
        return
    for value in values:
        try:
            yield from _one(value, names, faults)
        except InvalidValue as error:
            faults.append(error)
        except Exception as error:  # noqa: BLE001 - told with the others
            # A frame's or an iterable's own: a date that Python has no day for, a generator that fails.
            got = f"{type(error).__name__}: {error}"
            faults.append(InvalidValue(kind="table", expected="a value that can be read", got=got))


def _alike(values: list[Any], names: tuple[str, ...]) -> Part | None:
    """Single rows of one kind, looked at together; None if they aren't."""
    kinds = set(map(type, values))
    if kinds == {dict}:
        columns = tuple(dict.fromkeys(chain(names, values[0])))
        if set(map(len, values)) == {len(columns)} and len(columns) > 1 and set(map(type, columns)) == {str}:
            try:
                return Part(columns, list(map(itemgetter(*columns), values)))
            except KeyError:
                pass
        found = set(chain.from_iterable(values))
        return _mapped(values, names) if found and set(map(type, found)) == {str} else None
    if kinds <= {tuple, list} and names and set(map(len, values)) == {len(names)}:
        # A row's first cell tells a row from rows, unless it is nested itself.
        firsts = set(map(type, map(itemgetter(0), values)))
        return Part(names, values) if firsts <= PLAIN else None
    return None


def _one(value: Any, names: tuple[str, ...], faults: list[InvalidValue]) -> Iterator[Part]:
    """What one call gave. Raises InvalidValue."""
    if isinstance(value, Table):
        yield Part(tuple(value.columns), value.canonical())
    elif _is_of(value, "pandas", "DataFrame"):
        named = checked_columns(list(map(str, value.columns)))
        yield Part(named, list(zip(*(_series(column) for _, column in value.items()), strict=True)))
    elif _is_of(value, "pyarrow", "Table") or _is_of(value, "pyarrow", "RecordBatch"):
        named = checked_columns(value.schema.names)
        yield Part(named, list(zip(*(column.to_pylist() for column in value.columns), strict=True)))
    elif isinstance(value, Mapping):
        yield _mapped([value], names)
    else:
        rows = _several(value, names)
        if rows and all(isinstance(one, Mapping) for one in rows):
            yield _mapped(rows, names)
            return
        names = checked_columns(names or None)
        good = [one for one in rows if _fits(one, len(names))]
        if len(good) < len(rows):
            faults += [_misfit(one, names) for one in rows if not _fits(one, len(names))]
        if good or not rows:
            yield Part(names, good)


def _is_of(value: Any, library: str, name: str) -> bool:
    """Whether this is of a library's class, without importing it. Empty while another thread is still importing it."""
    return isinstance(value, getattr(sys.modules.get(library), name, ()))


def _series(column: Any) -> list[Any]:
    """A column of pandas as it is typed itself, None where a cell is missing. Of numpy's floats NaN is a number like others."""
    cells: list[Any] = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return cells
    return [None if missing else cell for cell, missing in zip(cells, column.isna().tolist(), strict=True)]


def _several(value: Any, names: tuple[str, ...]) -> Sequence[Any]:
    """A call's rows: what has nothing but sequences or mappings in it is several; what has as many cells as columns is one."""
    if is_array(value):
        value = opened(value)
    if not isinstance(value, str | bytes) and isinstance(value, Iterable):
        cells = list(value)
        nested = [isinstance(one, _NESTED) or is_nested_array(one) for one in cells]
        if all(nested) or (any(nested) and len(cells) != len(names)):
            return [one if isinstance(one, _NESTED) else as_row(one) for one in cells]
        return [value if isinstance(value, list | tuple) else cells]
    raise InvalidValue(kind="table", expected=f"rows of {', '.join(names)}" if names else "rows", got=described(value))


def _fits(row: Any, width: int) -> bool:
    return isinstance(row, list | tuple | Waiting) and len(row) == width


def _mapped(rows: Sequence[Mapping[Any, Any]], names: tuple[str, ...]) -> Part:
    columns = tuple(dict.fromkeys(chain(names, chain.from_iterable(rows))))
    return Part(checked_columns(columns or None), [tuple(one.get(name) for name in columns) for one in rows])


def _misfit(row: Any, names: tuple[str, ...]) -> InvalidValue:
    return InvalidValue(kind="table", expected=f"rows of {len(names)}: {', '.join(names)}", got=described(row))


def _widened(part: Part, columns: tuple[str, ...]) -> Iterator[Row]:
    """Its rows with None where they lack a column."""
    place = {name: at for at, name in enumerate(part.columns)}
    places = [place.get(name, -1) for name in columns]
    for row in part.rows:
        yield row.under(places) if type(row) is Waiting else tuple(row[at] if at >= 0 else None for at in places)


# -- cells --------------------------------------------------------------------------------------------------------------


def _cell(value: Any, here: bool, *, outer: bool = False) -> Any:
    if type(value) in PLAIN:
        # A whole number of any size has a place in a column, but not within a cell.
        return value if outer else plain_settings(value)
    if isinstance(value, Value):
        hint = f"log_{value.kind} takes it"
        raise InvalidValue(
            kind="table", expected="numbers, text, lists and mappings as cells", got=f"a {value.kind}", hint=hint
        )
    if isinstance(value, list | tuple | set | frozenset):
        return [_cell(one, here) for one in value]
    if isinstance(value, dict):
        return plain_settings({name: _cell(one, here) for name, one in value.items()})
    if isinstance(value, np.generic | np.ndarray) or is_torch(value) or hasattr(value, "__dlpack__"):
        if on_device(value):
            if here:
                raise Elsewhere
            value = to_host(value)
        found, numbers = plain(value)
        return found if numbers else _cell(found, here)
    if isinstance(value, date | time):
        # NaT of pandas says that it is a date, too.
        return None if _is_missing(value) else value.isoformat()
    if isinstance(value, timedelta):
        return None if _is_missing(value) else str(value)
    return None if _is_missing(value) else plain_settings(value)


def _is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is getattr(pandas, "NA", pandas) or value is getattr(pandas, "NaT", pandas))
