"""Files that fail on purpose: what a journal meets on a bad day, when the test says so.

files = FaultyFiles(room=10_000)                        # the disk is full after that; free(n) makes room again
files = FaultyFiles(longest_write=7)                    # every write is short
files.fail("sync", at=2, losing=4096)                   # the second fsync from now fails, and its dirty pages are gone
"""

import errno
import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asynclog.engine.files import Files
from asynclog.wire.frame import Buffer

Call = Literal["create", "writev", "pread", "truncate", "sync", "close"]


@dataclass
class _Fault:
    first: int
    last: int
    error: int
    losing: int


class FaultyFiles(Files):
    """The real files, until something was arranged.

    room: bytes that may be written before the disk is full; truncating gives bytes back. A write that fits in part is
    short, one that doesn't fit at all is ENOSPC. longest_write: bytes that one call takes at the most. ``calls``: how often
    each call was made. May be used from several threads, as a journal does.
    """

    def __init__(self, *, room: int | None = None, longest_write: int | None = None) -> None:
        self.room, self.longest_write = room, longest_write
        self.calls: Counter[str] = Counter()
        self.open_descriptors: set[int] = set()
        self._faults: dict[str, list[_Fault]] = {}
        self._paths: dict[int, str] = {}
        self._synced: Counter[int] = Counter()
        self._lock = threading.RLock()

    def fail(self, call: Call, *, at: int = 1, times: int = 1, error: int = errno.EIO, losing: int = 0) -> None:
        """From the ``at``-th call counted from now, ``times`` calls fail with ``error``.

        losing: of a failing sync, how many of the bytes that were not synced yet read as zeros from then on: dirty pages
        that the kernel gave up.
        """
        with self._lock:
            first = self.calls[call] + at
            self._faults.setdefault(call, []).append(_Fault(first, first + times - 1, error, losing))

    def free(self, nbytes: int) -> None:
        """Somebody deleted something."""
        with self._lock:
            assert self.room is not None
            self.room += nbytes

    def create(self, path: str) -> int:
        with self._lock:
            self._check("create")
            fd = super().create(path)
            self._paths[fd] = path
            self._synced[fd] = os.fstat(fd).st_size
            self.open_descriptors.add(fd)
            return fd

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        with self._lock:
            self._check("writev")
            most = min((one for one in (self.room, self.longest_write) if one is not None), default=None)
            wanted = sum(len(one) for one in buffers)
            if most == 0 and wanted:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = super().writev(fd, buffers if most is None else _first(buffers, most))
            if self.room is not None:
                self.room -= written
            return written

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        with self._lock:
            self._check("pread")
        return super().pread(fd, length, offset)

    def truncate(self, fd: int, length: int) -> None:
        with self._lock:
            self._check("truncate")
            before = os.fstat(fd).st_size
            super().truncate(fd, length)
            if self.room is not None:
                self.room += max(0, before - length)

    def sync(self, fd: int) -> None:
        with self._lock:
            self._check("sync", fd)
            size = os.fstat(fd).st_size
        super().sync(fd)
        with self._lock:
            self._synced[fd] = max(self._synced[fd], size)

    def close(self, fd: int) -> None:
        with self._lock:
            self.open_descriptors.discard(fd)
            self._check("close")
            super().close(fd)

    def _check(self, call: Call, fd: int = -1) -> None:
        self.calls[call] += 1
        for fault in self._faults.get(call, ()):
            if fault.first <= self.calls[call] <= fault.last:
                if fault.losing:
                    self._lose(fd, fault.losing)
                raise OSError(fault.error, os.strerror(fault.error))

    def _lose(self, fd: int, nbytes: int) -> None:
        dirty = os.fstat(fd).st_size - self._synced[fd]
        # Not through ``fd``: what is open for appending can't be written elsewhere.
        with open(self._paths[fd], "r+b") as file:
            file.seek(self._synced[fd])
            file.write(bytes(min(nbytes, dirty)))

    def __repr__(self) -> str:
        arranged = {call: len(faults) for call, faults in self._faults.items()}
        return f"<FaultyFiles room={self.room} longest_write={self.longest_write} faults={arranged}>"


def _first(buffers: Sequence[Buffer], most: int) -> list[Buffer]:
    """The first ``most`` bytes of some buffers, as buffers."""
    taken: list[Buffer] = []
    for one in buffers:
        taken.append(memoryview(one)[:most])
        most -= len(taken[-1])
        if not most:
            break
    return taken
