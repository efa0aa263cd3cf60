"""For a destination that keeps what comes twice: which events it was given before, by this process or an earlier one.

An event is known by its time and a digest of all it says; the numbers of a write are known together. So a write that is
delivered in two parts is two entries, a batch may be cut differently the second time, and what is new is never taken for what
was given. The entries, 16 bytes each, lie in a file for each stream of the run, written after the destination has taken the
event: a kill between the two repeats one write and loses none. How large they were when the end of the run was told stands
beside them.
"""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from errno import ENOSPC
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.sink import Batch, Event, Write

_ENTRY: Final = Struct("<q8s")
_ENTRIES: Final = np.dtype([("time", "<i8"), ("digest", "S8")])
_DIGEST_BYTES: Final = 8
_END: Final = "ended"
Entry = tuple[int, bytes]


class Repeats:
    """directory: where the files lie; None: only what a failed write has already given is remembered."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._streams: dict[tuple[str, int], _Stream] = {}

    @property
    def ended(self) -> bool:
        """Whether the end was told, by this process or an earlier one, and nothing was given since."""
        told = None if self._directory is None else self._directory / _END
        return told is not None and told.exists() and told.read_text() == str(self._given_bytes())

    def end(self) -> None:
        """The destination knows that the run has ended."""
        if self._directory is not None:
            (self._directory / _END).write_text(str(self._given_bytes()))

    def _given_bytes(self) -> int:
        files = [] if self._directory is None else self._directory.glob("*.given")
        return sum(one.stat().st_size for one in files)

    def left_of(self, batch: Batch) -> Iterator[Write]:
        """The batch without what was given before. A write counts as given once the next one is asked for."""
        stream = self._stream(batch.writer, batch.epoch)
        stream.begin(batch.seq)
        for one in batch.writes():
            entries = _entries(one)
            new = [events for entry, events in entries if not stream.has(entry)]
            if new:
                yield Write(one.state, one.time_ns, [event for events in new for event in events])
                stream.add([entry for entry, _ in entries if not stream.has(entry)])

    def new_of(self, batch: Batch) -> list[tuple[Write, list[Entry]]]:
        """The same, for a destination that takes a batch in one piece: ``given`` says when it has."""
        stream = self._stream(batch.writer, batch.epoch)
        stream.begin(batch.seq)
        found = []
        for one in batch.writes():
            new = [(entry, events) for entry, events in _entries(one) if not stream.has(entry)]
            if new:
                events = [event for _, events in new for event in events]
                found.append((Write(one.state, one.time_ns, events), [entry for entry, _ in new]))
        return found

    def given(self, batch: Batch, entries: list[Entry]) -> None:
        """The destination has taken these."""
        self._stream(batch.writer, batch.epoch).add(entries)

    def forget(self, batch: Batch) -> None:
        """What of this batch counts as given doesn't after all: whoever took it is gone."""
        self._stream(batch.writer, batch.epoch).forget()

    def close(self) -> None:
        """Let go of the files; what they hold is known again afterwards."""
        for one in self._streams.values():
            one.close()
        self._streams.clear()

    def _stream(self, writer: str, epoch: int) -> "_Stream":
        found = self._streams.get((writer, epoch))
        if found is None:
            path = None if self._directory is None else self._directory / f"{writer}-{epoch}.given"
            found = self._streams[writer, epoch] = _Stream(path)
        return found


class _Stream:
    def __init__(self, path: Path | None) -> None:
        self._unsettled: set[Entry] = set()
        self._known: NDArray[Any] = np.empty(0, _ENTRIES)
        self._file: int | None = None
        self._length = self._settled = 0
        self._seq: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            whole = os.fstat(self._file).st_size // _ENTRY.size
            self._length = self._settled = whole * _ENTRY.size
            os.ftruncate(self._file, self._length)
            self._known = np.sort(np.fromfile(path, _ENTRIES, whole), order="time")
        self._last = int(self._known["time"][-1]) if len(self._known) else -(2**63)

    def has(self, entry: Entry) -> bool:
        time, digest = entry
        if entry in self._unsettled:
            return True
        if time > self._last:
            return False
        times = self._known["time"]
        alike = self._known["digest"][bisect_left(times, time) : bisect_right(times, time)]
        # numpy leaves out zeros at the end of bytes.
        return digest.rstrip(b"\0") in alike.tolist()

    def add(self, entries: list[Entry]) -> None:
        # First: what a full disk doesn't note the destination has all the same.
        self._unsettled.update(entries)
        size = _ENTRY.size * len(entries)
        if self._file is not None and os.write(self._file, b"".join(_ENTRY.pack(*one) for one in entries)) < size:
            os.ftruncate(self._file, self._length)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._length += size

    def begin(self, seq: int) -> None:
        """Another batch than the last one settles that: it doesn't come again while this process lives."""
        if seq != self._seq:
            self._seq = seq
            self._unsettled.clear()
            self._settled = self._length

    def forget(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, self._settled)
        self._length = self._settled
        self._unsettled.clear()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _entries(write: Write) -> list[tuple[Entry, list[Event]]]:
    """What a write consists of: its numbers, and each of its other events."""
    numbers = [one for one in write.events if one.kind == "scalar"]
    found = []
    if numbers:
        said = repr([(one.phase, one.namespace, one.key, one.value) for one in numbers])
        found.append(((write.time_ns, _digest(said)), numbers))
    for one in write.events:
        if one.kind != "scalar":
            found.append(((write.time_ns, _digest(*_said(one))), [one]))
    return found


def _said(event: Event) -> list[Any]:
    parts = getattr(event.value, "parts", None)
    params, arrays = parts() if parts is not None else (event.value, {})
    said: list[Any] = [repr((event.kind, event.phase, event.namespace, event.key, params))]
    for name, array in arrays.items():
        said += [repr((name, array.dtype.str, array.shape)), np.ascontiguousarray(array).view(np.uint8).data]
    return said


def _digest(*said: Any) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for one in said:
        digest.update(one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one)
    return digest.digest()
