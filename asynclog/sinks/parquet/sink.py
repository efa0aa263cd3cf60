"""A data set in Parquet that can be read at any time: for pandas, Polars, DuckDB, Spark.

    duckdb -c "select step, value from 'runs/digits/metrics.parquet/*.parquet' where key = 'loss' order by time"

``table`` says what the columns are, ``parts`` how the files come about.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.parquet.parts import Parts, last_time_ns
from asynclog.sinks.parquet.table import arrow, table_of

if TYPE_CHECKING:
    import pyarrow as pa

_IDENTITY: Final = ("time", "phase", "namespace", "key", "kind", "detail")


class Parquet:
    """A row a number or event in a directory of Parquet files at ``path`` (relative: in the run's directory).

    Ranks share the directory: each has files, and a ``writer`` in its rows, of its own. Of values that are no numbers there
    are the facts: shape, dtype, range and parameters, a text's text, a histogram's counts, a table's rows.

    Each batch is a file, whole or not there; a few of them become one as they come, and nearly all when the run ends. A
    resumed run goes on, and rows that are delivered again, told by time, name and detail, are there once. A new run replaces
    its writer's files. Raises ImportError, naming the extra, without pyarrow.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(self, path: str | Path = "metrics.parquet") -> None:
        self.path = Path(path)
        self._parts: Parts | None = None
        self._earlier: _Earlier | None = None

    async def open(self, run: RunInfo) -> None:
        arrow()
        path = self.path.expanduser()
        self._parts = Parts(path if run.directory is None else run.directory / path, run.writer)
        if run.resumed:
            self._parts.resume()
            self._earlier = _Earlier(self._parts)
        else:
            self._parts.begin()

    async def write(self, batch: Batch, /) -> None:
        table = table_of(batch)
        self._opened.add(table if self._earlier is None else self._earlier.without(table))

    async def flush(self) -> None:
        self._opened.sync()

    async def run_ended(self, status: str, error: str | None) -> None:
        self._opened.compact()

    async def aclose(self) -> None:
        """Nothing is open."""

    @property
    def _opened(self) -> Parts:
        assert self._parts is not None, "open() comes first"
        return self._parts


class _Earlier:
    """What earlier processes delivered. Rows are read only when something comes that is no later than they are."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._until_ns = max((last_time_ns(one.path) for one in parts.held), default=-(2**63))
        self._rows: dict[Path, frozenset[tuple[Any, ...]]] = {}

    def without(self, table: "pa.Table") -> "pa.Table":
        """The rows that are new."""
        times = _times(table)
        old = np.flatnonzero(times <= self._until_ns)
        if not len(old):
            return table
        known = frozenset[tuple[Any, ...]]().union(*self._reaching(int(times.min())))
        repeated = np.zeros(len(table), np.bool_)
        repeated[old] = [one in known for one in _identities(table.take(old))]
        return table.filter(~repeated)

    def _reaching(self, first_ns: int) -> Iterator[frozenset[tuple[Any, ...]]]:
        """The rows of each file that goes on to this time; files that have become one are read as that one."""
        import pyarrow.parquet as pq

        paths = [one.path for one in self._parts.held if last_time_ns(one.path) >= first_ns]
        self._rows = {
            path: self._rows.get(path) or frozenset(_identities(pq.read_table(path, columns=list(_IDENTITY)))) for path in paths
        }
        yield from self._rows.values()


def _times(table: "pa.Table") -> Any:
    return table["time"].cast("int64").to_numpy()


def _identities(table: "pa.Table") -> Any:
    return zip(_times(table).tolist(), *(table[name].to_pylist() for name in _IDENTITY[1:]), strict=True)
