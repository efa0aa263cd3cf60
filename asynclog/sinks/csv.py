"""CSV, as a spreadsheet wants it (wide) or as a database does (long).

wide    step,phase,epoch,time,loss,optim/lr         a row a write, a column a key, empty where a write has no such value
long    step,phase,epoch,time,namespace,key,kind,value,level,elapsed_s,axes         a row a value

time is in seconds since 1970, with all nine digits (in a spreadsheet: =D2/86400+DATE(1970,1,1)). Numbers are written so
that they read back exactly; NaN and the infinities as nan, inf, -inf. Text stands as it is, settings as JSON, media in
words. Cells are quoted as RFC 4180 has it; rows end in a line feed alone.
"""

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Event, RunInfo, Write
from asynclog.sinks.cells import MOST_NAMES, NameCells, cell, content, further, header, seconds, whole_rows
from asynclog.sinks.growing import GrowingFile
from asynclog.sinks.naming import flat_name, without_collisions
from asynclog.sinks.strict_json import json_text
from asynclog.sinks.text_file import REPEATS_BYTES, TextFile

Layout = Literal["wide", "long"]
_STATE: Final = ("step", "phase", "epoch", "time")
_LONG: Final = (*_STATE, "namespace", "key", "kind", "value", "level", "elapsed_s", "axes")
# What LibreOffice and Excel open. Further keys of a write share the last column, as JSON.
_MOST_COLUMNS: Final = 16_384
_MORE: Final = "(more)"
_TURN_ROWS: Final = 500


class CSV(TextFile):
    """A table at ``path`` (relative: in the run's directory; rank n: ``<stem>.rank<n><suffix>``).

    layout: "wide" or "long". A key that the wide table has no column for yet gets one: the file is written anew beside
    the old one and renamed over it, once a batch at most. A column is named "namespace/key"; a key that would be taken
    for step, phase, epoch or time has a "/" before it. Axes, elapsed time and level are columns like any other. A write
    that holds one name twice takes two rows.

    A resumed run appends: a row cut short by a crash is removed, and rows that are delivered again, recognised by being
    equal in every digit of their time, are not written twice. A new run replaces the file.

    Raises InvalidConfiguration for another layout, and on opening if a resumed run finds a table that isn't its own.
    """

    def __init__(self, path: str | Path, *, layout: Layout = "wide") -> None:
        if layout not in ("wide", "long"):
            raise InvalidConfiguration(f"a CSV's layout is 'wide' or 'long', not {layout!r}")
        super().__init__(path)
        self.layout = layout
        self._columns = {name: at for at, name in enumerate(_STATE if layout == "wide" else _LONG)}
        self._places: dict[tuple[Any, ...], int] = {}
        self._cells = NameCells()
        self._width = 0
        """Columns of the file as it lies on disk."""

    async def open(self, run: RunInfo) -> None:
        await super().open(run)
        file = self._opened
        if not file.accepted:
            await file.append(header(self._columns))
            file.accept()
            self._width = len(self._columns)

    async def write(self, batch: Batch, /) -> None:
        file = self._opened
        await file.begin()
        rows: list[tuple[str, int]] = []
        fill = self._wide_rows if self.layout == "wide" else self._long_rows
        for count, one in enumerate(batch.writes(), 1):
            rows.extend((row, len(self._columns)) for row in fill(one))
            if count % _TURN_ROWS == 0:
                # Rows wait for the batch's last new column, so there is nothing to write yet: only a turn to give.
                await asyncio.sleep(0)
        if len(self._columns) > self._width:
            await self._widen(file)
        for start in range(0, len(rows), _TURN_ROWS):
            await file.append(self._encoded(rows[start : start + _TURN_ROWS]))
        file.accept()

    def _wide_rows(self, write: Write) -> Iterator[str]:
        state = write.state
        cells = ["" for _ in self._columns]
        cells[:4] = str(state.step), state.phase, str(state.epoch), seconds(write.time_ns)
        beyond = further(write)
        if not beyond:
            places = self._places
            # Nine writes of ten hold numbers and nothing else, and this loop is what they cost.
            for event in write.events:
                if event[0] != "scalar":
                    break
                at = places.get(event[2:4])
                if at is None or cells[at]:
                    break
                cells[at] = repr(event[8])
            else:
                yield ",".join(cells)
                return
        for group in without_collisions([*beyond, *write.events]):
            yield self._mixed_row(cells[:4], group)

    def _mixed_row(self, head: list[str], events: list[Event]) -> str:
        places = [(self._place(event), event) for event in events]
        row = head + [""] * (len(self._columns) - len(head))
        crowded: dict[str, Any] = {}
        for at, event in places:
            if at is None:
                crowded[flat_name(event.namespace, event.key)] = content(event)
            else:
                row[at] = cell(content(event))
        if crowded:
            row[self._columns[_MORE]] = cell(json_text(crowded))
        return ",".join(row)

    def _place(self, event: Event) -> int | None:
        """The column of the event's key; None where the table is as wide as it may be."""
        at = self._places.get(event[2:4])
        if at is not None:
            return at
        name = flat_name(event.namespace, event.key)
        if name in _STATE:
            name = f"/{name}"
        at = self._columns.get(name)
        if at is None:
            if len(self._columns) >= _MOST_COLUMNS - 1:
                self._columns.setdefault(_MORE, len(self._columns))
                return None
            at = self._columns[name] = len(self._columns)
        if len(self._places) >= MOST_NAMES:
            self._places.clear()
        self._places[event[2:4]] = at
        return at

    def _long_rows(self, write: Write) -> Iterator[str]:
        state = write.state
        head = f"{state.step},{state.phase},{state.epoch},{seconds(write.time_ns)}"
        elapsed = "" if state.elapsed_s is None else repr(state.elapsed_s)
        axes = cell(json_text(state.axes)) if state.axes else ""
        tail = f"{state.level},{elapsed},{axes}"
        for event in write.events:
            names = self._cells[event[2:4]]
            if event[0] == "scalar":
                yield f"{head},{names},scalar,{event[8]!r},{tail}"
            else:
                yield f"{head},{names},{event.kind},{cell(content(event))},{tail}"

    async def _widen(self, file: GrowingFile) -> None:
        first, missing = header(self._columns), b"," * (len(self._columns) - self._width)

        def widened(old: BinaryIO, new: BinaryIO) -> None:
            rows = whole_rows(old)
            next(rows)
            new.write(first)
            new.writelines(row[:-1] + missing + b"\n" for row in rows)

        await file.rewrite(widened)
        self._width = len(self._columns)

    def _encoded(self, rows: list[tuple[str, int]]) -> bytes:
        # A row that was made before the batch's last new column lacks a comma for each that came after it.
        width = len(self._columns)
        whole = [f"{row}{',' * (width - columns)}\n" if columns < width else f"{row}\n" for row, columns in rows]
        return self._once([row.encode() for row in whole]) if self._repeats else "".join(whole).encode()

    @staticmethod
    def _identity(record: bytes) -> bytes:
        # Without its empty cells at the end: the table may have been narrower, or may become wider.
        return record.rstrip(b",\n")

    def _survey(self, old: BinaryIO) -> int:
        """Where the last whole row of an earlier epoch ends; remembers its columns and its last rows."""
        size = old.seek(0, 2)
        old.seek(0)
        rows = whole_rows(old)
        first = next(rows, b"")
        if not first:
            return 0
        names = next(csv.reader(io.StringIO(first.decode(), newline="")))
        expected = list(self._columns)
        if names[: len(expected)] != expected or (self.layout == "wide" and names == list(_LONG)):
            raise InvalidConfiguration(
                f"{self.path} is no {self.layout} table of this sink: it begins with {','.join(names[:4])!r}; name another file"
            )
        end = len(first)
        recent: list[bytes] = []
        for row in rows:
            end += len(row)
            if end > size - REPEATS_BYTES:
                recent.append(self._identity(row))
        self._repeats = frozenset(recent)
        self._columns = {name: at for at, name in enumerate(names)}
        self._width = len(names)
        return end
