"""A directory of part files, each whole by rename, of which sixteen alike become one, so that there are never many.

    00000000-00000255.main.parquet    what the writer "main" delivered as its parts 0 to 255
    00000256-00000256.main.parquet

A crash between the rename of a merged part and the removal of what it was made of leaves both: the longer span counts, and
the others are removed on opening.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from asynclog.sinks.parquet.table import WRITING, arrow

if TYPE_CHECKING:
    import pyarrow as pa

_TOGETHER: Final = 16
_MOST_ROWS: Final = 1 << 21
"""Of a merged part: about a second's work, and 30 MB on disk."""
_NAME: Final = re.compile(r"(\d{8,})-(\d{8,})\.(.+)\.parquet")


class Part(NamedTuple):
    """first, last: its span. rows: how many there are."""

    path: Path
    first: int
    last: int
    rows: int


class Parts:
    """Those of one writer in a directory."""

    def __init__(self, directory: Path, writer: str) -> None:
        self._directory, self._writer = directory, writer
        self.held: list[Part] = []
        self._unsynced: set[Path] = set()

    def begin(self) -> None:
        """Anew: what the writer left there is removed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path, _, _ in self._found():
            path.unlink()

    def resume(self) -> None:
        """Behind what the writer left there."""
        import pyarrow.parquet as pq

        self._directory.mkdir(parents=True, exist_ok=True)
        self.held = []
        for path, first, last in sorted(self._found(), key=lambda one: (one[1], -one[2])):
            if self.held and last <= self.held[-1].last:
                path.unlink()
            else:
                self.held.append(Part(path, first, last, pq.read_metadata(path).num_rows))

    def add(self, table: "pa.Table") -> None:
        """The next part; and fewer, longer ones where there are sixteen of one length."""
        if not table.num_rows:
            return
        number = self.held[-1].last + 1 if self.held else 0
        self.held.append(self._write(table, number, number))
        while len(self.held) >= _TOGETHER:
            latest = self.held[-_TOGETHER:]
            if len({one.last - one.first for one in latest}) > 1 or sum(one.rows for one in latest) > _MOST_ROWS:
                break
            self._merge(latest)

    def compact(self) -> None:
        """As few as can be, none longer than a merged part may be."""
        together: list[Part] = []
        for one in [*self.held, None]:
            if one is not None and sum(other.rows for other in together) + one.rows <= _MOST_ROWS:
                together.append(one)
                continue
            if len(together) > 1:
                self._merge(together)
            together = [] if one is None else [one]

    def sync(self) -> None:
        """Return when all is on the disk."""
        for path in (*self._unsynced, self._directory):
            if path.exists():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        self._unsynced.clear()

    def _merge(self, parts: list[Part]) -> None:
        import pyarrow.parquet as pq

        pa = arrow()
        table = pa.concat_tables([pq.read_table(one.path) for one in parts]).unify_dictionaries()
        names = [(name, "ascending") for name in ("phase", "namespace", "key")]
        plain = pa.table({name: table[name].cast(pa.string()) for name, _ in names} | {"at": range(len(table))})
        order = plain.sort_by([*names, ("at", "ascending")])["at"]
        at = self.held.index(parts[0])
        merged = self._write(table.take(order), parts[0].first, parts[-1].last)
        self.held[at : at + len(parts)] = [merged]
        for one in parts:
            one.path.unlink()

    def _write(self, table: "pa.Table", first: int, last: int) -> Part:
        import pyarrow.parquet as pq

        path = self._directory / f"{first:08d}-{last:08d}.{self._writer}.parquet"
        draft = path.with_name(f".{path.name}")
        pq.write_table(table, draft, **WRITING)
        os.replace(draft, path)
        self._unsynced.add(path)
        return Part(path, first, last, table.num_rows)

    def _found(self) -> Iterator[tuple[Path, int, int]]:
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            named = _NAME.fullmatch(path.name)
            if named is not None and named[3] == self._writer:
                yield path, int(named[1]), int(named[2])


def last_time_ns(path: Path) -> int:
    """The latest time in a file, as its footer tells it."""
    import pyarrow.parquet as pq

    about = pq.read_metadata(path)
    groups = (about.row_group(at).column(0).statistics for at in range(about.num_row_groups))
    return max((int(one.max_raw) for one in groups), default=-(2**63))
