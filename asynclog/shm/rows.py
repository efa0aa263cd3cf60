"""Blocks of rows in a row slab: packed by the hot path, announced by ranges, recovered from memory after a death.

A block begins with 64 bytes (magic, schema, stride, size, generation, announced, epoch, level) and holds rows of one schema,
or SPARSE records (stride 0). Blocks follow each other; a magic of 0 ends them. A row's time is
its last field and its commit mark: recovery reads a block up to the first time that is zero or does not increase.

Things that don't work: trusting an offset kept beside the rows (a kill between the two stores loses a row, or invents one);
a store per row into the header (measured 40 ns a row, a third of packing it).
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.shm.packer import Packer, nothing
from asynclog.shm.slab import SlabState
from asynclog.state import LEVELS, Context
from asynclog.wire.schema import SPARSE_HEAD, Layout, sparse_length

BLOCK_HEADER_BYTES: Final = 64
SMALLEST_BLOCK_BYTES: Final = 8 << 10
LARGEST_BLOCK_BYTES: Final = 1 << 20
_HEADER: Final = Struct("@IIIIIIqI")  # magic, schema, stride, size, generation, announced, epoch, level
_MAGIC: Final = 0x6B636C62  # "blck"
_ANNOUNCED_AT: Final = 20
_FEWEST_ROWS: Final = 8
_U32: Final = Struct("@I")
NEVER: Final = -1

offsets_of: Final[Callable[[Any], Any]] = attrgetter("offset")


class Block:
    """An open block. The hot path reads these fields and moves ``offset``; everything else is done under the lock.

    width: how many keys the row has, or NEVER once the block is closed, which sends the hot path elsewhere. put: packs a row
    (see shm.packer). since, owner: what turns the monotonic clock into the run's, and the thread that may use this block.
    due_until: ns; before that no limit can be due. breathe_at: ns; when the loop should have turned once more.
    """

    __slots__ = (
        "announced",
        "breathe_at",
        "buffer",
        "context",
        "due_until",
        "first",
        "key",
        "offset",
        "owner",
        "put",
        "schema",
        "since",
        "slab",
        "start",
        "stride",
        "width",
    )

    def __init__(
        self,
        slab: SlabState,
        view: memoryview,
        start: int,
        size: int,
        schema: Layout | None,
        context: Context,
        key: Any,
    ) -> None:
        self.slab, self.start, self.schema, self.context, self.key = slab, start, schema, context, key
        # Recovery tells rows from nothing by their commit marks, and the next block from none by its magic: both must be zero
        # where nothing was written yet. A block at a time: a whole slab at once would hold the loop for 0.2 ms.
        np.frombuffer(view[start : start + size + BLOCK_HEADER_BYTES], np.uint8)[:] = 0
        self.buffer = view[start : start + size]
        self.offset = self.announced = BLOCK_HEADER_BYTES
        self.stride = 0 if schema is None else schema.stride
        self.width = NEVER
        self.breathe_at = self.due_until = 0
        self.since = self.owner = 0
        self.put: Packer = nothing
        number = 0 if schema is None else schema.number
        _HEADER.pack_into(
            self.buffer,
            0,
            0,
            number,
            self.stride,
            size,
            slab.generation,
            BLOCK_HEADER_BYTES,
            context.epoch,
            LEVELS.index(context.level),
        )
        _U32.pack_into(self.buffer, 0, _MAGIC)

    def has_room(self, nbytes: int) -> bool:
        return self.offset + nbytes <= len(self.buffer)

    def highest_step(self) -> int | None:
        """Of the rows written so far; None for none, and for SPARSE records."""
        if not self.stride or self.offset == BLOCK_HEADER_BYTES:
            return None
        fields = np.frombuffer(self.buffer[BLOCK_HEADER_BYTES : self.offset], np.int64)
        return int(fields[:: self.stride // 8].max())

    def mark_announced(self, offset: int) -> None:
        """What lies before ``offset`` needs no recovery: a control record names it."""
        self.announced = offset
        _U32.pack_into(self.buffer, _ANNOUNCED_AT, offset)

    def __repr__(self) -> str:
        rows = (self.offset - BLOCK_HEADER_BYTES) // self.stride if self.stride else "sparse"
        return f"<Block of slab {self.slab.number} at {self.start}: {rows} rows>"


def block_bytes(stride: int, before: int, *, most: int = LARGEST_BLOCK_BYTES) -> int:
    """The size of a block for rows of ``stride``: a whole number of rows, growing from block to block, so that a schema that
    is used much has large frames and one that is used little takes little. before: the size of its previous block, or 0.

    Opening a block takes 0.2 ms (its code and its memory are cold by then): at 256 KiB that was 6 % of packing ten numbers a
    row, at 1 MiB it is 2 %."""
    wanted = min(LARGEST_BLOCK_BYTES, most, 2 * before or SMALLEST_BLOCK_BYTES)
    if not stride:
        return wanted
    rows = max(_FEWEST_ROWS, (wanted - BLOCK_HEADER_BYTES) // stride)
    return BLOCK_HEADER_BYTES + rows * stride


class Recovered(NamedTuple):
    """Rows that were committed to memory but never announced."""

    offset: int
    nbytes: int
    rows: int
    schema: int
    stride: int
    epoch: int
    level: int
    generation: int
    last_time: int


def recover(view: memoryview, announced: Callable[[int, int], int]) -> Iterator[Recovered]:
    """What of a row slab was committed but not announced. announced(generation, block start): how far, as an offset within
    the slab, control records went (0 if none did)."""
    at = 0
    while at + BLOCK_HEADER_BYTES <= len(view):
        magic, schema, stride, size, generation, told, epoch, level = _HEADER.unpack_from(view, at)
        if magic != _MAGIC or size < BLOCK_HEADER_BYTES or at + size > len(view):
            return
        start = max(at + told, announced(generation, at))
        end, count, last = (_committed_rows if stride else _committed_records)(view, start, at + size, stride)
        if count:
            yield Recovered(start, end - start, count, schema, stride, epoch, level, generation, last)
        at += size + (-size % 64)


def _committed_rows(view: memoryview, start: int, end: int, stride: int) -> tuple[int, int, int]:
    rows = (end - start) // stride
    if not rows:
        return start, 0, 0
    words = np.frombuffer(view[start : start + rows * stride], np.int64).reshape(rows, stride // 8)
    times = words[:, -1]
    torn = np.flatnonzero((times[1:] <= times[:-1]) | (times[1:] == 0))
    count = 0 if times[0] <= 0 else (int(torn[0]) + 1 if len(torn) else rows)
    return start + count * stride, count, int(times[count - 1]) if count else 0


def _committed_records(view: memoryview, start: int, end: int, _: int) -> tuple[int, int, int]:
    at, count, last = start, 0, 0
    while at + SPARSE_HEAD.size <= end:
        _, numbers, flags = SPARSE_HEAD.unpack_from(view, at)
        length = sparse_length(numbers, flags)
        if not numbers or at + length > end:
            break
        time = int.from_bytes(view[at + length - 8 : at + length], "little", signed=True)
        if time <= last:
            break
        at, count, last = at + length, count + 1, time
    return at, count, last
