"""The open blocks of one writer: which schema fills which piece of which row slab.

A few schemas are open at a time, least recently used first to close, so that alternating phases don't make one-row frames.
All of it is done under the producer's lock; only ``Block.offset`` moves without.
"""

from collections.abc import Callable, Hashable
from typing import Any, Final

from asynclog.shm.packer import nothing
from asynclog.shm.pool import Pool
from asynclog.shm.rows import BLOCK_HEADER_BYTES, NEVER, SMALLEST_BLOCK_BYTES, Block, block_bytes, offsets_of
from asynclog.shm.slab import SlabState
from asynclog.state import Context
from asynclog.wire.layout import ALIGNMENT, padding
from asynclog.wire.schema import Layout

Key = tuple[Any, ...]
"""(owner, …): an owner is a thread, or a row handle."""
MOST_OPEN: Final = 1024
_FEW: Final = 32
"""With more open blocks than this, telling of all of them whenever one is full would make frames of a row or two."""
OPEN_BYTES: Final = 64 << 20
"""What open blocks may take together, if all are used equally."""


class OpenBlocks:
    """announce(block, start, end): tells consumers of a range of a block. ``announced_bytes`` since it was last set to 0."""

    def __init__(self, pool: Pool, announce: Callable[[Block, int, int], None]) -> None:
        self._pool, self._announce = pool, announce
        self._open: dict[Key, Block] = {}
        self._slab: SlabState | None = None
        self._steps: dict[str, int] = {}

    def get(self, key: Key) -> Block | None:
        """The open block under ``key``, most recently used from now on."""
        block = self._open.pop(key, None)
        if block is not None:
            self._open[key] = block
        return block

    def open(self, key: Key, schema: Layout | None, context: Context, nbytes: int = 0) -> Block:
        """A new block under ``key``, in place of the one there, for rows of a schema or SPARSE records of at least ``nbytes``.

        Raises NoRoom, and then changes nothing.
        """
        replaced = self._open.get(key)
        before = 0 if replaced is None else len(replaced.buffer)
        share = max(SMALLEST_BLOCK_BYTES, OPEN_BYTES // (len(self._open) + 1))
        wanted = block_bytes(0 if schema is None else schema.stride, before, most=share)
        size = max(wanted, BLOCK_HEADER_BYTES + nbytes)
        slab, start = self._place(size)
        if replaced is not None:
            if len(self._open) <= _FEW:
                # What was written before the last rows of the full block is told before them.
                self.drain()
            self.close(replaced)
        block = Block(slab, self._pool.mappings[slab.number].view, start, size, schema, context, key)
        self._open[key] = block
        return block

    def evict(self, owner: Hashable) -> bool:
        """Close the owner's least recently used blocks if it has too many open; True if it had.

        Never another owner's: its thread may be about to pack a row into it, outside the lock.
        """
        if len(self._open) <= MOST_OPEN:
            return False
        own = [key for key in self._open if key[0] == owner]
        # Several at once, so that the list isn't made for each.
        surplus = own[: MOST_OPEN // 4] if len(own) > MOST_OPEN else []
        for key in surplus:
            self.close(self._open[key])
        return bool(surplus)

    def close(self, block: Block) -> None:
        """Announce what is left of a block and let go of it. Whoever still holds it can't pack into it any more."""
        block.width = NEVER
        if self._open.get(block.key) is block:
            del self._open[block.key]
        self._tell(block, block.offset)
        self._note(block)
        block.put = nothing
        self._pool.ledger.unclaim(block.slab.number)

    def drain(self) -> bool:
        """Announce every row written so far; True if there were any.

        All offsets are read by one C call, which no other thread can come between: otherwise what is announced would be no
        prefix of what was written.
        """
        blocks = list(self._open.values())
        told = False
        for block, offset in zip(blocks, tuple(map(offsets_of, blocks)), strict=True):
            told |= self._tell(block, offset)
        return told

    @property
    def dirty(self) -> bool:
        """Whether any row was written that has not been announced."""
        return any(block.offset > block.announced for block in list(self._open.values()))

    def rows_beyond(self) -> int:
        """Numbers in rows that were written and are not announced yet."""
        return sum(
            (one.offset - one.announced) // one.stride * len(one.schema.codes)
            for one in self.everyone()
            if one.schema is not None
        )

    def note(self, phase: str, step: int) -> None:
        """Something that no row tells of was written at this step."""
        self._steps[phase] = max(step, self._steps.get(phase, step))

    def steps(self) -> dict[str, int]:
        """The highest step that was written, by phase."""
        for block in self.everyone():
            self._note(block)
        return dict(self._steps)

    def _note(self, block: Block) -> None:
        step = block.highest_step()
        if step is not None:
            self.note(block.context.phase, step)

    def everyone(self) -> list[Block]:
        return list(self._open.values())

    def shut(self) -> None:
        """Let no hot path pack into any block from now on; what was packed is announced by a later drain."""
        for block in self.everyone():
            block.width = NEVER
            block.put = nothing

    def close_all(self) -> None:
        for block in list(self._open.values()):
            self.close(block)
        if self._slab is not None:
            self._pool.ledger.unclaim(self._slab.number)
            self._slab = None

    def _tell(self, block: Block, offset: int) -> bool:
        start = block.announced
        if offset <= start:
            return False
        self._announce(block, start, offset)
        block.mark_announced(offset)
        return True

    def _place(self, size: int) -> tuple[SlabState, int]:
        size += padding(size, ALIGNMENT)
        ref = None if self._slab is None else self._pool.ledger.carve(self._slab.number, size)
        if ref is None:
            slab = self._pool.row_slab(size)
            if self._slab is not None:
                self._pool.ledger.unclaim(self._slab.number)
            self._slab = slab
            ref = self._pool.ledger.carve(slab.number, size)
            assert ref is not None
        return self._pool.ledger.slabs[ref.slab], ref.offset

    def __len__(self) -> int:
        return len(self._open)
