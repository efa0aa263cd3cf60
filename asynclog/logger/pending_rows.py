"""Rows of tables that were logged and not yet written.

Adding a row is an append to a list and nothing more. The list is never replaced: a write copies what is in front and then
deletes as much there, while other threads may append behind it; so no row is lost, and none is taken twice. Rows are brought
under columns by the write.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

Columns = Sequence[str] | None
Item = Any  # see Given
Place = tuple[str, str]


class Given(NamedTuple):
    """What was logged to one table, in order. An item is a tuple, a handle's row of the columns ``fixed``; or a dict, as given
    to ``log_table``; or a list of what else that was given, and of the columns that came along, if any did. Until then
    ``known`` holds. A list of three holds rows of another handle, and its columns, which hold for them alone."""

    items: list[Item]
    fixed: Columns
    known: Columns


class Rows:
    """What waits of one table on one logger object. lasting: a handle adds to it, so it must stay. said: the columns that came
    with the last item that brought some, as they came; None while that isn't sure. then: as ``known``, after a take."""

    __slots__ = ("fixed", "items", "known", "lasting", "said", "then")

    def __init__(self, known: Columns) -> None:
        self.items: list[Item] = []
        self.fixed: Columns = None
        self.known = self.then = known
        self.lasting = False
        self.said: Columns = None

    def take(self) -> Given | None:
        count = len(self.items)
        if not count:
            return None
        items = self.items[:count]
        del self.items[:count]
        given = Given(items, self.fixed, self.known)
        # Items that bring columns are added under the lock, so all of them are among these.
        self.known = self.then
        return given


class PendingRows:
    """The tables of one logger object by (namespace, key), in the order in which they were first logged to. Guarded by a lock,
    but for the appends of handles and for ``quick``.

    quick: tables of the logger's own namespace by key, for a ``log_table`` without the lock. A write puts an empty one in its
    place before it takes rows: between the look into it and the append there is no call, so no switch of threads either.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._tables: dict[Place, Rows] = {}
        self.quick: dict[str, Rows] = {}

    def add(self, place: Place, item: Item, known: Columns, said: Columns, *, quick: bool) -> None:
        """One item of ``log_table``. said: the columns that came with it, as they came."""
        with self._lock:
            rows = self._tables.get(place)
            if rows is None:
                rows = self._tables[place] = Rows(known)
            brings = type(item) is list and len(item) > 1
            if brings:
                rows.said, rows.then = None, item[1]
            rows.items.append(item)
            if brings:
                rows.said = said
            if quick:
                self.quick[place[1]] = rows

    def lasting(self, place: Place, columns: tuple[str, ...]) -> Rows:
        """What a handle adds to."""
        with self._lock:
            rows = self._tables.setdefault(place, Rows(columns))
            rows.lasting = True
            if rows.fixed is None:
                rows.fixed = columns
        return rows

    def put_back(self, place: Place, value: Any) -> None:
        """Undo a take: what was logged since comes after. value: a Given, or what a write made of it."""
        with self._lock:
            rows = self._tables.setdefault(place, Rows(None))
            if type(value) is Given:
                rows.known, rows.fixed = value.known, rows.fixed or value.fixed
                rows.items[:0] = value.items
            else:
                rows.items[:0] = [[value]]

    def take(self) -> list[tuple[Place, Given]]:
        """All of it; appended meanwhile is for the next."""
        found: list[tuple[Place, Given]] = []
        with self._lock:
            self.quick = {}
            for place, rows in list(self._tables.items()):
                given = rows.take()
                if given is not None:
                    found.append((place, given))
                if not rows.lasting:
                    del self._tables[place]
        return found

    def __len__(self) -> int:
        """How many tables have rows that wait."""
        return sum(1 for rows in list(self._tables.values()) if rows.items)


NO_ROWS: Final = PendingRows()
"""Of all that never had any. Nothing is ever added to it."""
