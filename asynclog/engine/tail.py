"""Reading a stream's segments while they grow: frames in order, over segments and epochs, from a place one remembers.

Frames already delivered are walked again from the segment's beginning, because its definitions stand there; walking costs a
header each.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asynclog.engine.rundir import segments
from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Frame, Header
from asynclog.wire.layout import HEADER_BYTES
from asynclog.wire.segment import Damage, Scanner

WINDOW_BYTES: Final = 1 << 20


def segment_of(stream: Path, epoch: int, seq: int) -> int:
    """The number of the segment of an epoch in which whatever follows on ``seq`` is to be looked for: a segment's first frame
    says which seq comes next."""
    found = 0
    for _, number, path in [one for one in segments(stream) if one[0] == epoch]:
        with path.open("rb") as file, suppress(DamagedFrame):
            if Header(file.read(HEADER_BYTES)).seq > seq + 1:
                break
            found = number
    return found


@dataclass
class Chunk:
    """Frames of one segment. ended: the segment is complete and a newer one exists, or it was the last of its epoch."""

    epoch: int
    frames: list[Frame]
    damage: list[Damage]


class StreamTail:
    """Frames of a stream from ``epoch``'s first segment on. Keeps one file open."""

    def __init__(self, stream: Path, epoch: int, first_segment: int = 0) -> None:
        self._stream = stream
        self.epoch, self._number = epoch, first_segment
        self._fd = -1
        self._scanner = Scanner()
        self._window = WINDOW_BYTES

    @property
    def place(self) -> "tuple[int, int, int]":
        """(epoch, segment, byte) up to which it has read."""
        return self.epoch, self._number, self._scanner.position

    def next(self) -> Chunk | None:
        """What has come since the last call, about a window's worth; None if nothing has."""
        while True:
            if self._fd < 0 and not self._open():
                return None
            size = os.fstat(self._fd).st_size
            # Looked at before the bytes are: a newer segment means that this one will not grow any more.
            newer = self._newer()
            at = self._scanner.position
            data = os.pread(self._fd, min(self._window, size - at), at) if size > at else b""
            complete = newer is not None and at + len(data) >= os.fstat(self._fd).st_size
            found = list(self._scanner.scan(data, final=complete))
            if found:
                self._window = WINDOW_BYTES
                return Chunk(
                    self.epoch,
                    [one for one in found if isinstance(one, Frame)],
                    [one for one in found if isinstance(one, Damage)],
                )
            if self._scanner.position > at:
                continue
            if at + len(data) < size:
                # A frame larger than the window, or damage without an end in sight: look at more at once.
                self._window = max(2 * self._window, self._scanner.wanted)
                continue
            if newer is None or not complete:
                return None
            self._move_to(newer)

    def _open(self) -> bool:
        for epoch, number, path in segments(self._stream):
            if (epoch, number) >= (self.epoch, self._number):
                self.epoch, self._number = epoch, number
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._scanner = Scanner()
                return True
        return False

    def _newer(self) -> "tuple[int, int] | None":
        later = ((epoch, number) for epoch, number, _ in segments(self._stream) if (epoch, number) > (self.epoch, self._number))
        return min(later, default=None)

    def _move_to(self, segment: "tuple[int, int]") -> None:
        self.close()
        self.epoch, self._number = segment
        self._window = WINDOW_BYTES

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
