"""From the rows that a table was given to events: one, unless there are very many, or some can't be recorded."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final

from asynclog.errors import InvalidValue
from asynclog.logger.capture import unreadable
from asynclog.logger.pending import Logged
from asynclog.logger.tabular import Elsewhere, Joined, Row, joined, table_of
from asynclog.values import Table

Steps = Generator[Any, Any, Any]
Take = Callable[[Table], None]
Complain = Callable[[InvalidValue], None]

MOST_ROWS: Final = 65_536
"""In an event. 64 bytes a row make 4 MiB: a small part of shared memory, and cheap to read back."""
_MOST_HERE: Final = 4_096
"""Rows brought under columns on the loop, in about 2 ms; more by a thread, while the loop goes on."""


class RowEvents:
    """take: takes a table in; raises InvalidValue. complain: where bad input goes."""

    def __init__(self, logged: Logged, take: Take, complain: Complain) -> None:
        self._logged, self._take, self._complain = logged, take, complain

    def steps(self) -> Steps:
        """See ``Resolving``, of whose steps these are a part."""
        given = self._logged.value
        many = len(given.items) > _MOST_HERE
        found: Joined = (yield partial(joined, given)) if many else joined(given)
        for fault in found.faults:
            self._complain(self._whose(fault))
        if found.columns:
            for at in range(0, max(len(found.rows), 1), MOST_ROWS):
                yield from self._record(found.columns, found.rows[at : at + MOST_ROWS])

    def _record(self, columns: tuple[str, ...], rows: Sequence[Row]) -> Steps:
        """Rows that can't be recorded, or not together, are halved until those are alone that are at fault."""
        try:
            table = yield from self._table(columns, rows)
            self._take(table)
        except InvalidValue as error:
            fault = self._whose(error)
        else:
            return
        if len(rows) < 2:
            self._complain(fault)
            return
        half = len(rows) // 2
        yield from self._record(columns, rows[:half])
        yield from self._record(columns, rows[half:])

    def _table(self, columns: tuple[str, ...], rows: Sequence[Row]) -> Steps:
        wait = partial(table_of, columns, rows)
        try:
            if len(rows) > _MOST_HERE:
                return (yield wait)
            try:
                return table_of(columns, rows, here=True)
            except Elsewhere:
                return (yield wait)
        except InvalidValue:
            raise
        except Exception as error:
            raise unreadable(error, "table", self._logged.namespace, self._logged.key) from error

    def _whose(self, fault: InvalidValue) -> InvalidValue:
        where = {"namespace": self._logged.namespace, "key": self._logged.key}
        return InvalidValue(kind="table", expected=fault.expected, got=fault.got, hint=fault.hint, **where)
