"""A run, read back: its series as arrays, its events one by one, how it ended, and what could not be read.

A Run shows what was on disk when it was read; of a run that still grows, read again or follow.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asynclog.artifacts.stored import StoredArtifact, all_artifacts, one_artifact
from asynclog.errors import SeriesNotFound
from asynclog.readers.batches import EVENTS, batches
from asynclog.readers.columns import BlockColumns, SingleColumns, SparseColumns, adopted
from asynclog.readers.directory import facts, run_directory
from asynclog.readers.index import StreamIndex
from asynclog.readers.joined import JoinedTable, joined_table
from asynclog.readers.merge import Merger, Part
from asynclog.readers.scan import Damaged, Progress, ScannedStream, leave_out_superseded, scan_run
from asynclog.readers.series import Name, Series, matching, the_one
from asynclog.readers.timeline import timeline
from asynclog.sink import Event
from asynclog.values import Record
from asynclog.wire.batch import Batch
from asynclog.wire.rewind import steps_told

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Of several writers the one that matters most gives the run its status.
_GRAVEST_FIRST: Final = ("failed", "killed", "lost", "exited", "running", "finished")


class Entry(NamedTuple):
    """Something a run has under a name. events: how many, or how many points of a series."""

    kind: str
    phase: str
    namespace: str
    key: str
    events: int


@dataclass(frozen=True)
class Facts:
    """What a run says of itself. created_ns: since 1970, 0 if unknown."""

    id: str
    name: str
    created_ns: int
    host: str


@dataclass(frozen=True)
class WriterInfo:
    """One epoch of one writer. Times are ns since 1970. missing: records that never came. error: as text. rewound_to: the last
    steps that hold of what was recorded before it, by phase, if it began by going back. superseded: its own events that were
    left out because a later epoch went back."""

    writer: str
    epoch: int
    status: str
    error: str | None
    rank: int
    host: str
    pid: int
    events: int
    segments: int
    size_bytes: int
    first_ns: int | None
    last_ns: int
    missing: int
    repeats: int
    rewound_to: Mapping[str, int] | None = None
    superseded: int = 0


def read(path: "str | os.PathLike[str]", *, superseded: bool = False, progress: Progress | None = None) -> "Run":
    """A run's recording, every checksum verified. Call it from a thread where a loop must not wait.

    path: the run's directory. superseded: with what was recorded beyond a checkpoint that training went back to, which is left
    out otherwise. progress: called with (bytes read, bytes in all). Raises RunNotFound. Damage doesn't raise: it is listed in
    ``Run.damage``, and everything else is there.
    """
    directory = run_directory(path)
    scanned = scan_run(directory, progress)
    if not superseded:
        leave_out_superseded(scanned)
    return Run(directory, scanned)


class Run:
    """See ``read``. path: the run's directory."""

    def __init__(self, path: Path, scanned: list[ScannedStream]) -> None:
        self.path = path
        self._streams = scanned
        self._indexes = [one.index for one in scanned]
        self._merger = Merger()

    @cached_property
    def info(self) -> Facts:
        """Id, name, host and time of creation."""
        said = facts(self.path)
        created = said.get("created_ns", 0)
        return Facts(
            str(said.get("id", "")),
            str(said.get("name", "") or self.path.resolve().name),
            created if isinstance(created, int) else 0,
            str(said.get("host", "")),
        )

    @property
    def name(self) -> str:
        return self.info.name

    @cached_property
    def writers(self) -> list[WriterInfo]:
        """Every epoch of every writer, by writer, then epoch."""
        return [_writer(one) for one in self._streams]

    @property
    def status(self) -> str:
        """How the run ended: the gravest of its writers' newest epochs, but "running" as long as one runs.

        "running", "finished", "failed", "killed", "exited", "lost" (ended without a word), or "empty".
        """
        newest = {one.status for one in self._streams if one.newest_epoch}
        if not newest:
            return "empty"
        if "running" in newest:
            return "running"
        return min(newest, key=lambda one: _GRAVEST_FIRST.index(one) if one in _GRAVEST_FIRST else -1)

    @property
    def damage(self) -> list[Damaged]:
        """What could not be read; the normal cut tail of a killed or growing run isn't damage."""
        return [one for stream in self._streams for one in stream.damage]

    @property
    def missing(self) -> int:
        """Records whose seq never came: lost to damage, or with both processes."""
        return sum(span.length for index in self._indexes for span in index.missing)

    @property
    def superseded(self) -> int:
        """Events that were left out, because training went back to a checkpoint before them."""
        return sum(one.superseded for one in self._indexes)

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self._streams)

    def __len__(self) -> int:
        """Numbers and other events in all."""
        return sum(one.events for one in self._indexes)

    @cached_property
    def _sources(self) -> dict[Name, list[Part]]:
        """Where each series' numbers are."""
        found: dict[Name, list[Part]] = {}
        for parts in self._sources_of.values():
            for name, some in parts.items():
                found.setdefault(name, []).extend(some)
        return found

    @cached_property
    def _sources_of(self) -> dict[str, dict[Name, list[Part]]]:
        """The same, by writer."""
        of: dict[str, dict[Name, list[Part]]] = {}
        for index in self._indexes:
            found = of.setdefault(index.name.writer, {})
            first, others = adopted(index)
            for position, block in enumerate(index.blocks):
                columns = BlockColumns(block, first.get(position))
                for at, one in enumerate(block.schema.series):
                    found.setdefault(Name(*one[:3]), []).append(Part(columns.count, columns, at))
            if others:
                sparse = SparseColumns(index, others)
                for series, number, count in sparse.counts():
                    found.setdefault(Name(*series[:3]), []).append(Part(count, sparse, number))
            single: dict[Name, list[Any]] = {}
            for stored in index.stored:
                if stored.kind == "scalar":
                    single.setdefault(Name(*stored[1:4]), []).append(stored)
            for name, events in single.items():
                found.setdefault(name, []).append(Part(len(events), SingleColumns(index, events), 0))
        return of

    def _written_by(self, writer: str | None) -> dict[Name, list[Part]]:
        """Raises SeriesNotFound for a writer that the run hasn't, with those that it has."""
        if writer is None:
            return self._sources
        found = self._sources_of.get(writer)
        if found is None:
            raise SeriesNotFound(f"no writer is named {writer!r}; the run has {', '.join(self._sources_of) or 'none'}")
        return found

    def _indexes_of(self, writer: str | None) -> list[StreamIndex]:
        self._written_by(writer)
        return [one for one in self._indexes if writer in (None, one.name.writer)]

    def keys(self, writer: str | None = None) -> list[Entry]:
        """All that the run, or one writer of it, has under a name, with counts: numbers first, then by kind and name."""
        counts: dict[tuple[str, Name], int] = {
            ("scalar", name): sum(part.points for part in parts) for name, parts in self._written_by(writer).items()
        }
        for index in self._indexes_of(writer):
            for stored in index.stored:
                if stored.kind != "scalar":
                    place = (stored.kind, Name(*stored[1:4]))
                    counts[place] = counts.get(place, 0) + 1
        ordered = sorted(counts, key=lambda one: (one[0] != "scalar", one[0], one[1].path, one[1].phase))
        return [Entry(kind, *name, counts[kind, name]) for kind, name in ordered]

    def series(self, key: str, namespace: str | None = None, phase: str | None = None, *, writer: str | None = None) -> Series:
        """One series as arrays. key: the key, or "namespace/key". writer: of one alone, as "rank3"; None: of all, by time.

        Raises AmbiguousSeries, listing them, if several match; SeriesNotFound, with near names, if none does.
        """
        sources = self._written_by(writer)
        name = the_one(sources, key, namespace, phase)
        return self._merger.series(name, sources[name])

    def table(
        self, key: str, namespace: str | None = None, phase: str | None = None, *, writer: str | None = None
    ) -> JoinedTable:
        """All rows of a table, of all its writes, or of one writer's. key: the key, or "namespace/key".

        Raises AmbiguousSeries, listing them, if several tables match; SeriesNotFound, with near names, if none does.
        """
        indexes = self._indexes_of(writer)
        stored = (one for index in indexes for one in index.stored)
        names = dict.fromkeys(Name(*one[1:4]) for one in stored if one.kind == "table")
        name = the_one(names, key, namespace, phase, "table")
        return joined_table(name, timeline(indexes, lambda kind, its: kind == "table" and its == name))

    def all_series(self, phase: str | None = None, *, writer: str | None = None) -> Iterator[Series]:
        """Every series, or every one of a writer's, one after the other."""
        for name, parts in sorted(self._written_by(writer).items()):
            if phase is None or name.phase == phase:
                yield self._merger.series(name, parts)

    def events(
        self,
        kind: str | None = None,
        key: str | None = None,
        namespace: str | None = None,
        phase: str | None = None,
        *,
        last: int | None = None,
        writer: str | None = None,
    ) -> Iterator[Event]:
        """Everything in the order of time, or what matches; arrays are read-only views of the files.

        key: the key, or "namespace/key". last: only the last so many records, of which a row of numbers is one. Raises
        SeriesNotFound for a writer that the run hasn't.
        """

        def wanted(its_kind: str, name: Name) -> bool:
            return (kind is None or its_kind == kind) and (
                (key is None and namespace is None and phase is None)
                or bool(matching((name,), name.key if key is None else key, namespace, phase))
            )

        return timeline(self._indexes_of(writer), wanted, last)

    def batches(self, writer: str | None = None, epoch: int | None = None, *, events: int = EVENTS) -> Iterator[Batch]:
        """Everything as sinks are given it: writer by writer, epoch by epoch, in the order it was recorded; or what was
        recorded by one. events: about how many a batch has."""
        for one in self._indexes:
            if writer in (None, one.name.writer) and epoch in (None, one.name.epoch):
                yield from batches(one, events)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The run's settings, later ones over earlier ones."""
        merged: dict[str, Any] = {}
        for event in self.events(kind="config"):
            if isinstance(event.value, dict):
                merged.update(event.value)
        return merged

    @property
    def error(self) -> str | None:
        """Why the run failed, on a line: of the writer that gives it its status. None if it didn't."""
        status = self.status
        ended = (one.error for one in self._streams if one.newest_epoch and one.status == status and one.error)
        return next(ended, None)

    @cached_property
    def traceback(self) -> str | None:
        """Of the exception that ended the run, as Python prints it; None if none did, or none was recorded."""
        if self.error is None:
            return None
        told = [one.value.exception for one in self.events(kind="record", key="run/error") if isinstance(one.value, Record)]
        return told[-1] if told else None

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Where the run was made, as its writer's newest epoch recorded it: command, git, python, packages, machine; what was
        not committed under "diff". Empty if nothing was recorded."""
        found: dict[str, Any] = {}
        for event in self.events(namespace="environment"):
            if isinstance(event.value, Record):
                found = dict(event.value.fields)
            elif event.kind == "string" and event.key == "diff":
                found["diff"] = event.value
        return found

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """What the journal itself reported as lost: reason, events, from_seq, to_seq."""
        return [gap for index in self._indexes for gap in index.gaps]

    def artifacts(self) -> list[StoredArtifact]:
        """Every version of every file and directory that the run keeps, by name, then version. Raises DamagedArtifact."""
        return all_artifacts(self.path)

    def artifact(self, name: str, version: int | None = None) -> StoredArtifact:
        """A version of an artifact, by its whole name, the newest one by default; of a symlink what it stands for. Raises
        ArtifactNotFound, naming what is near, DamagedArtifact."""
        return one_artifact(self.path, name, version)

    def to_arrow(self) -> "pa.Table":
        """One row a number or event: time, step, phase, namespace, key, kind, value, detail. Needs pa."""
        from asynclog.readers.tables import arrow_table

        return arrow_table(self)

    def to_pandas(self) -> "pd.DataFrame":
        """The same as a DataFrame. Needs pd."""
        from asynclog.readers.tables import pandas_frame

        return pandas_frame(self)

    def __repr__(self) -> str:
        return (
            f"<Run {self.name!r}: {self.status}, {len(self):,} events, {len(self._sources):,} series, "
            f"{len({one.name.writer for one in self._streams})} writers>"
        )


def _writer(stream: ScannedStream) -> WriterInfo:
    index = stream.index
    about = index.about
    rank, pid = about.get("rank", 0), about.get("pid", 0)
    return WriterInfo(
        *stream.name,
        status=stream.status,
        error=stream.error,
        rank=rank if isinstance(rank, int) else 0,
        host=str(about.get("host", "")),
        pid=pid if isinstance(pid, int) else 0,
        events=index.events,
        segments=len(stream.files),
        size_bytes=stream.size_bytes,
        first_ns=index.first_ns,
        last_ns=index.last_ns,
        missing=sum(span.length for span in index.missing),
        repeats=index.repeats,
        rewound_to=steps_told(about) or None,
        superseded=index.superseded,
    )
