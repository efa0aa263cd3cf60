"""Tables, a row at a time: rows wait where they were logged, and a write makes one event of all that a table was given."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described, named
from asynclog.logger.pending import NO_BLOCK
from asynclog.logger.pending_rows import Columns, Rows

if TYPE_CHECKING:
    from asynclog.logger.collect import Collector
    from asynclog.logger.core import Core
    from asynclog.logger.pending import Further

_ROWS: Final = frozenset({dict, list, tuple})
COLUMNS_EXPECTED: Final = "columns= as different str, or rows as mappings"


class TableHandle:
    """``table.append(v0, v1, …)``: a row with as many cells as columns, in their order. From any thread."""

    __slots__ = ("_add", "_key", "_logger", "_namespace", "_width", "columns")

    def __init__(self, logger: "Collector", namespace: str, key: str, columns: tuple[str, ...], rows: Rows) -> None:
        self._logger, self._namespace, self._key, self.columns = logger, namespace, key, columns
        self._width = len(columns)
        self._add: Callable[[tuple[Any, ...]], None] = rows.items.append
        if rows.fixed != columns:
            # Another handle gave the table other columns: its rows are the plain ones, these say their own.
            self._add = lambda cells: rows.items.append([[cells], columns, None])

    def append(self, *cells: Any) -> None:
        """A row, for the next ``write`` of the logger that this handle came from. A wrong number of cells is bad input:
        counted and recorded as an event, or InvalidValue if the logger is strict."""
        if len(cells) == self._width:
            self._add(cells)
            # After the append, as wherever something is logged that rows of numbers can't hold.
            self._logger._block = NO_BLOCK
        else:
            self._refuse(cells)

    def extend(self, rows: Iterable[Sequence[Any]]) -> None:
        """Several rows, each as ``append`` takes it."""
        for row in rows:
            self.append(*row)

    def _refuse(self, cells: tuple[Any, ...]) -> None:
        expected = f"rows of {self._width}: {', '.join(self.columns)}"
        self._logger._core.complain(
            InvalidValue(namespace=self._namespace, key=self._key, kind="table", expected=expected, got=described(cells))
        )

    def __repr__(self) -> str:
        where = f"{self._namespace}/{self._key}" if self._namespace else self._key
        return f"<TableHandle {where!r} of {', '.join(self.columns)}>"


class Tables:
    """The part of a logger that has them."""

    _core: "Core"
    _further: "Further"
    _namespace: str
    _block: Any

    def _full(self, namespace: str | None, kind: str = "namespace", key: Any = "") -> str:
        raise NotImplementedError

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        raise NotImplementedError

    def log_table(self, key: str, value: Any, *, columns: Columns = None, namespace: str | None = None) -> None:
        """A row of a table, or several: a row is a sequence as long as columns, or a mapping of columns to cells; several are
        a sequence of either, an array (rows, columns) of any library, a DataFrame, or a Table of Arrow; or a callable
        that makes one of these.

        A cell is a number, a str, None, or a list or mapping of such. columns= holds for later rows of this table, too;
        mappings add the columns they have, and what a row lacks is None. All that is logged to a table before a write becomes
        one event, which holds these rows and no others. Rows are journaled whatever the limits, unless they come from a
        callable. A sequence of sequences is several rows: one row of sequences comes as ``[row]``.
        """
        item = value if type(value) is dict else [value]
        if type(value) in _ROWS and namespace is None and self._core.scopes is None:
            try:
                rows = self._further.rows.quick[key]
                if columns is None or columns is rows.said:
                    # No call since the look into ``quick``, see there.
                    rows.items.append(item)
                    self._block = NO_BLOCK
                    return
            except (KeyError, TypeError):
                pass
        self._log_table(key, value, columns, namespace)

    def _log_table(self, key: str, value: Any, columns: Columns, namespace: str | None) -> None:
        if callable(value) and not hasattr(value, "__array__"):
            self._put("table", key, value, namespace, columns=columns)
            return
        core = self._core
        try:
            place = (self._full(namespace, "table", key), key)
            named(key, place[0], "table")
        except InvalidValue as error:
            core.complain(error)
            return
        known = core.table_columns.get(place)
        item, said = value if type(value) is dict else [value], None
        if columns is not None:
            copied = _copied(columns)
            core.table_columns[place] = copied
            item = [value, copied]
            # Of a list it isn't sure that the next one is the same.
            said = columns if type(columns) is tuple else None
        self._further.tables().add(place, item, known, said, quick=place[0] == self._namespace)
        self._block = NO_BLOCK

    def table(self, key: str, *, columns: Sequence[str], namespace: str | None = None) -> TableHandle:
        """A handle for a table's rows: ``handle.append(v0, v1, …)``, the cheapest way there is; see ``log_table``.

        It belongs to this logger, whose ``write`` records the rows, and to the namespace it was made in. Raises InvalidValue
        for no columns, repeated ones, those that are no str, and a key that is none.
        """
        full = self._full(namespace, "table", key)
        named(key, full, "table")
        fixed = checked_columns(columns, full, key)
        place = (full, key)
        self._core.table_columns.setdefault(place, fixed)
        return TableHandle(self, full, key, fixed, self._further.tables().lasting(place, fixed))  # type: ignore[arg-type]


def _copied(columns: Any) -> Any:
    """A tuple of whatever gives columns one by one, such as an Index of pandas; as it is what doesn't."""
    return tuple(columns) if isinstance(columns, Iterable) and not isinstance(columns, str) else columns


def checked_columns(columns: Any, namespace: str = "", key: str = "") -> tuple[str, ...]:
    """Columns as a tuple of different str, one at least. Raises InvalidValue."""
    found = _copied(columns)
    if type(found) is tuple and found and all(isinstance(name, str) for name in found) and len(set(found)) == len(found):
        return found
    raise InvalidValue(namespace=namespace, key=key, kind="table", expected=COLUMNS_EXPECTED, got=described(columns))
