"""A run at a glance, for lists of many runs: frame by frame by their headers, hardly reading what is in them.

Bodies are not checked, so that gigabytes of media cost a few reads. What it says of a damaged run is what comes before
the damage; ``verify`` says the rest.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asynclog.errors import DamagedFrame
from asynclog.readers.directory import SegmentFile, StreamName, facts, listed
from asynclog.readers.index import MALFORMED
from asynclog.state import PHASES
from asynclog.wire.codec import raw_payload
from asynclog.wire.frame import Frame, Header, unpack_meta
from asynclog.wire.layout import HEADER_BYTES, Flag, Kind
from asynclog.wire.rewind import Steps, left_of, steps_told
from asynclog.wire.schema import SPARSE_HEAD, sparse_length

_STATUS_RANK: Final = ("running", "failed", "killed", "lost", "exited", "finished")
_COMPRESSED: Final = int(Flag.ZSTD)


@dataclass
class Glance:
    """What a list of runs shows. last_step: None where no step was seen. created_ns, last_ns: ns since 1970, or 0."""

    path: Path
    name: str
    status: str
    writers: int
    epochs: int
    last_step: int | None
    events: int
    size_bytes: int
    created_ns: int
    last_ns: int
    damaged: bool


def glance(run: Path) -> Glance:
    """One run at a glance."""
    said = facts(run)
    found, growing = listed(run)
    newest = {name.writer: name.epoch for name in found}
    walks = {name: _walk(files) for name, files in found.items()}
    steps = [_holding(name, walks) for name in found]
    statuses = {walks[name].status(name in growing) for name in found if newest[name.writer] == name.epoch}
    created = said.get("created_ns", 0)
    return Glance(
        run,
        str(said.get("name") or run.name),
        min(statuses, key=lambda one: _STATUS_RANK.index(one) if one in _STATUS_RANK else -1, default="empty"),
        len(newest),
        len(found),
        max((one for one in steps if one is not None), default=None),
        sum(one.events for one in walks.values()),
        sum(one.size for one in walks.values()),
        created if isinstance(created, int) else 0,
        max((one.last_ns for one in walks.values()), default=0),
        any(one.damaged for one in walks.values()),
    )


def _holding(name: StreamName, walks: "Mapping[StreamName, _Walk]") -> int | None:
    """The step that a stream came to, and that still holds."""
    step = walks[name].step
    left = left_of(name.epoch, {other.epoch: one.rewound_to for other, one in walks.items() if other.writer == name.writer})
    return step if step is None or len(left) < len(PHASES) else min(step, max(left.values()))


class _Walk:
    """The headers of a stream's segments, one after the other."""

    def __init__(self) -> None:
        self.events = self.size = self.last_ns = 0
        self.step: int | None = None
        self.rewound_to: Steps = {}
        self.damaged = False
        self._footer: str | None = None
        self._widths: dict[int, int] = {}
        self._next_seq = 0

    def status(self, grows: bool) -> str:
        if self._footer not in (None, "open"):
            return str(self._footer)
        return "running" if grows else "lost"

    def segment(self, file: SegmentFile, *, newest: bool) -> None:
        descriptor = os.open(file.path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            self.size += size
            at = 0
            last_rows: dict[int, tuple[Header, int]] = {}
            self._footer = None
            while at + HEADER_BYTES <= size:
                header = Header(os.pread(descriptor, HEADER_BYTES, at))
                if at + header.length > size:
                    break
                self._take(header, descriptor, at)
                if header.kind == Kind.ROWS and header.count:
                    last_rows[header.schema] = (header, at)
                at += header.length
            for rows, where in last_rows.values():
                self._step_of_rows(descriptor, rows, where)
            self.damaged |= at < size and not newest
        except MALFORMED:
            self.damaged = True
        finally:
            os.close(descriptor)

    def _take(self, header: Header, descriptor: int, at: int) -> None:
        self.last_ns = max(self.last_ns, header.time)
        if header.kind == Kind.SEGMENT:
            self.rewound_to = steps_told(_meta(header, descriptor, at))
        elif header.kind == Kind.SCHEMA:
            self._widths[header.schema] = header.count
        elif header.kind == Kind.FOOTER:
            self._footer = str(_meta(header, descriptor, at).get("status", "finished"))
        elif header.kind in (Kind.ROWS, Kind.SPARSE, Kind.EVENT, Kind.BLOB) and header.seq >= self._next_seq:
            self._next_seq = header.seq + 1
            if header.kind == Kind.EVENT:
                self.events += 1
                self._reached(int(_meta(header, descriptor, at).get("step", 0)))
            elif header.kind == Kind.ROWS:
                self.events += header.count * self._widths.get(header.schema, 1)
            elif header.kind == Kind.SPARSE:
                # Without the extra for compressed runs a list has fewer numbers, but it has all runs.
                with suppress(ImportError):
                    self._take_sparse(_payload(header, descriptor, at))

    def _take_sparse(self, payload: memoryview) -> None:
        """The one kind of frame whose header doesn't tell how many numbers it holds: the heads of its records do."""
        at = 0
        while at < len(payload):
            if len(payload) - at < SPARSE_HEAD.size:
                raise DamagedFrame("a cut SPARSE record")
            step, count, flags = SPARSE_HEAD.unpack_from(payload, at)
            at += sparse_length(count, flags)
            if at > len(payload):
                raise DamagedFrame("a SPARSE record longer than its frame")
            self.events += count
            self._reached(step)

    def _step_of_rows(self, descriptor: int, header: Header, at: int) -> None:
        if header.flags & _COMPRESSED:
            return
        stride = header.stored_length // header.count
        first_of_last = at + header.payload_at + stride * (header.count - 1)
        self._reached(int.from_bytes(os.pread(descriptor, 8, first_of_last), "little", signed=True))

    def _reached(self, step: int) -> None:
        self.step = step if self.step is None else max(self.step, step)


def _meta(header: Header, descriptor: int, at: int) -> dict[str, Any]:
    return unpack_meta(os.pread(descriptor, header.meta_length, at + HEADER_BYTES))


def _payload(header: Header, descriptor: int, at: int) -> memoryview:
    stored = os.pread(descriptor, header.stored_length, at + header.payload_at)
    frame = Frame(
        header.kind,
        seq=header.seq,
        time=header.time,
        count=header.count,
        flags=header.flags,
        payload=stored,
        raw_length=header.raw_length,
    )
    return raw_payload(frame)


def _walk(files: list[SegmentFile]) -> _Walk:
    walk = _Walk()
    for position, file in enumerate(files):
        walk.segment(file, newest=position == len(files) - 1)
    return walk
