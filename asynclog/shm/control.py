"""The control log: small records in shared memory, in order, committed one by one.

Positions count bytes over all control slabs, so one number says how far somebody has read. A slab begins with a header
(magic, the position it begins at, the position committed so far) and holds records of (u32 length, payload), each a multiple
of 8. A length of SEAL says that the log goes on in the slab that begins at this slab's end.

A consumer reads up to the position a doorbell named; after the writer's death, up to the committed one.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final

from asynclog.errors import DamagedFrame
from asynclog.shm.slab import SlabState

_HEADER: Final = Struct("@QQQ")
_MAGIC: Final = 0x676F6C6E79736101  # "\1asynlog", as a little-endian number
_COMMITTED: Final = 2  # the third 8-byte word; the magic is the first
HEADER_BYTES: Final = 64
_LENGTH: Final = Struct("@I")
_SEAL: Final = 0xFFFFFFFF


def _record_bytes(length: int) -> int:
    return (_LENGTH.size + length + 7) // 8 * 8


KEPT_BACK_BYTES: Final = 256 << 10
"""Of the log, for what can't be refused: rows that were written are announced, and the end is. Some 90 bytes a block."""


class ControlWriter:
    """Appends records. new_slab(nbytes) gives a slab and its view; the caller holds the lock."""

    def __init__(self, new_slab: Callable[[int], tuple[SlabState, memoryview]]) -> None:
        self._new_slab = new_slab
        self.position = 0
        self._spares: list[tuple[SlabState, memoryview]] = []
        self.slabs: list[tuple[SlabState, int]] = []
        """The slabs still needed, oldest first, with the position each ends at."""
        state, view = new_slab(HEADER_BYTES + 16)
        self._begin(state, view, 0)

    def reserve(self, nbytes: int = 0) -> None:
        """Have room for so many bytes of records, beside what is kept back: whoever appends several must not be refused between
        them. Raises NoRoom, having changed nothing."""
        wanted = nbytes + KEPT_BACK_BYTES
        left = self._start + self._capacity - self.position
        if left < wanted and left + sum(len(view) - HEADER_BYTES for _, view in self._spares) < wanted:
            self._spares.append(self._new_slab(HEADER_BYTES + wanted))

    def append(self, record: bytes) -> int:
        """Write and commit a record; returns the position behind it. Raises NoRoom before anything was written."""
        size = _record_bytes(len(record))
        at = self.position - self._start
        if at + size + 8 > self._capacity:
            state, view = self._next(HEADER_BYTES + size + 16)
            # Before the new slab says what is committed: whoever reads up to there must find the way.
            _LENGTH.pack_into(self._view, HEADER_BYTES + at, _SEAL)
            self._begin(state, view, self._start + self._capacity)
            at = 0
        place = HEADER_BYTES + at
        self._view[place + 4 : place + 4 + len(record)] = record
        _LENGTH.pack_into(self._view, place, len(record))
        self.position = self._start + at + size
        self._words[_COMMITTED] = self.position
        return self.position

    def _next(self, nbytes: int) -> tuple[SlabState, memoryview]:
        for at, (_, view) in enumerate(self._spares):
            if len(view) >= nbytes:
                return self._spares.pop(at)
        return self._new_slab(nbytes)

    def _begin(self, state: SlabState, view: memoryview, start: int) -> None:
        self._view, self._start = view, start
        self._capacity = (len(view) - HEADER_BYTES) // 8 * 8
        self._words = view[:HEADER_BYTES].cast("Q")
        _HEADER.pack_into(view, 0, 0, start, start)
        self._words[0] = _MAGIC
        state.used = state.size
        self.slabs.append((state, start + self._capacity))
        self.position = start

    def done(self, position: int) -> list[SlabState]:
        """Forget the slabs that lie wholly before ``position``; the current one stays."""
        gone: list[SlabState] = []
        while len(self.slabs) > 1 and self.slabs[0][1] <= position:
            gone.append(self.slabs.pop(0)[0])
        return gone


class ControlReader:
    """Reads records in order. ``position``: behind the last record given. Slabs are added as they become known."""

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self._slabs: dict[int, memoryview] = {}

    def add(self, number: int, view: memoryview) -> None:
        self._slabs[number] = view

    def forget(self, number: int) -> None:
        self._slabs.pop(number, None)

    def committed(self) -> int:
        """How far the log reaches in memory: what recovery may read after the writer's death."""
        return max((words[_COMMITTED] for words in self._heads()), default=self.position)

    def read(self, upto: int) -> Iterator[tuple[int, bytes]]:
        """(position behind it, record) of each record before ``upto``. Raises DamagedFrame if the log is not there."""
        while self.position < upto:
            view, start = self._holding(self.position)
            at = HEADER_BYTES + self.position - start
            (length,) = _LENGTH.unpack_from(view, at)
            if length == _SEAL:
                self.position = start + (len(view) - HEADER_BYTES) // 8 * 8
                continue
            if not length or at + _LENGTH.size + length > len(view):
                raise DamagedFrame(f"no control record at {self.position}")
            record = bytes(view[at + 4 : at + 4 + length])
            self.position += _record_bytes(length)
            yield self.position, record

    def cut(self) -> bool:
        """After the writer's death: whether the log goes on in a slab that never came."""
        for view in self._slabs.values():
            magic, start, _ = _HEADER.unpack_from(view, 0)
            end = start + (len(view) - HEADER_BYTES) // 8 * 8
            if magic == _MAGIC and start <= self.position < end:
                (length,) = _LENGTH.unpack_from(view, HEADER_BYTES + self.position - start)
                return length == _SEAL and all(words[1] != end for words in self._heads())
        return any(True for _ in self._heads())

    def _heads(self) -> Iterator[memoryview]:
        for view in self._slabs.values():
            words = view[:HEADER_BYTES].cast("Q")
            if words[0] == _MAGIC:
                yield words

    def _holding(self, position: int) -> tuple[memoryview, int]:
        for view in self._slabs.values():
            magic, start, _ = _HEADER.unpack_from(view, 0)
            if magic == _MAGIC and start <= position < start + (len(view) - HEADER_BYTES) // 8 * 8:
                return view, start
        raise DamagedFrame(f"no control slab holds position {position}")
