"""Blocks of rows, and what of them survives a writer that was killed at any store."""

from struct import pack_into
from typing import Any

import pytest

from asynclog.shm.rows import (
    BLOCK_HEADER_BYTES,
    LARGEST_BLOCK_BYTES,
    NEVER,
    SMALLEST_BLOCK_BYTES,
    Block,
    Recovered,
    block_bytes,
    recover,
)
from asynclog.shm.slab import Role, SlabState
from asynclog.state import State
from asynclog.wire.schema import SPARSE_DUE, SPARSE_ELAPSED, SPARSE_HEAD, Schema, Series, sparse_length

SCHEMA = Schema(3, (Series("train", "", "loss"), Series("train", "", "lr")))
STRIDE = SCHEMA.stride
PLAIN = State(0)._context


class Slab:
    """A row slab with blocks one after the other."""

    def __init__(self, size: int = 4096, generation: int = 1) -> None:
        self.state = SlabState(1, Role.ROWS, size, generation=generation)
        self.view = memoryview(bytearray(size))
        self.end = 0

    def block(self, rows: int = 8, schema: Schema | None = SCHEMA, state: State | None = None, size: int = 0) -> Block:
        size = size or BLOCK_HEADER_BYTES + rows * (STRIDE if schema is None else schema.stride)
        context = PLAIN if state is None else state._context
        made = Block(self.state, self.view, self.end, size, schema, context, ("key",))
        self.end += size + -size % 64
        return made

    def recovered(self, announced: Any = lambda generation, block: 0) -> list[Recovered]:
        return list(recover(self.view.toreadonly(), announced))


def put(block: Block, *times: int) -> None:
    """A row for each time."""
    for time in times:
        pack_into("=qddq", block.buffer, block.offset, time * 10, 0.5, -0.5, time)
        block.offset += STRIDE


def sparse(block: Block, time: int, numbers: int = 3, flags: int = 0) -> int:
    length = sparse_length(numbers, flags)
    SPARSE_HEAD.pack_into(block.buffer, block.offset, time, numbers, flags)
    pack_into("=q", block.buffer, block.offset + length - 8, time)
    block.offset += length
    return length


def test_a_slab_that_was_never_used_holds_nothing() -> None:
    assert Slab().recovered() == []


def test_an_empty_block_holds_nothing() -> None:
    slab = Slab()
    slab.block()
    assert slab.recovered() == []


def test_rows_never_announced_are_recovered() -> None:
    slab = Slab(generation=5)
    block = slab.block(state=State(0, epoch=7, level="epoch"))
    put(block, 11, 12, 15)
    assert slab.recovered() == [
        Recovered(
            offset=BLOCK_HEADER_BYTES,
            nbytes=3 * STRIDE,
            rows=3,
            schema=3,
            stride=STRIDE,
            epoch=7,
            level=1,
            generation=5,
            last_time=15,
        )
    ]


def test_what_was_announced_is_not_recovered() -> None:
    """Whether the block says so itself or only a control record, which comes first."""
    slab = Slab()
    block = slab.block()
    put(block, 1, 2, 3)
    block.mark_announced(BLOCK_HEADER_BYTES + STRIDE)
    (found,) = slab.recovered()
    assert (found.offset, found.rows) == (BLOCK_HEADER_BYTES + STRIDE, 2)
    asked: list[tuple[int, int]] = []

    def announced(generation: int, at: int) -> int:
        asked.append((generation, at))
        return BLOCK_HEADER_BYTES + 2 * STRIDE

    (found,) = slab.recovered(announced)
    assert (found.offset, found.rows, found.last_time) == (BLOCK_HEADER_BYTES + 2 * STRIDE, 1, 3)
    assert asked == [(1, 0)]
    block.mark_announced(block.offset)
    assert slab.recovered() == []


def test_a_full_block_is_recovered_to_its_last_row() -> None:
    slab = Slab()
    put(slab.block(8), *range(1, 9))
    (found,) = slab.recovered()
    assert (found.rows, found.last_time) == (8, 8)


def test_blocks_follow_each_other() -> None:
    slab = Slab()
    first, second, third = slab.block(3), slab.block(5), slab.block(1)
    put(first, 1, 2)
    put(third, 3)
    found = slab.recovered()
    assert [one.offset for one in found] == [BLOCK_HEADER_BYTES, third.start + BLOCK_HEADER_BYTES]
    assert [one.rows for one in found] == [2, 1]
    put(second, 4)
    assert [one.rows for one in slab.recovered()] == [2, 1, 1]


@pytest.mark.parametrize("kept", range(4 * 8))
def test_a_torn_row_is_no_row(kept: int) -> None:
    """Whatever part of a row was stored when the writer was killed: without its time it isn't there."""
    slab = Slab()
    block = slab.block()
    put(block, 1, 2)
    whole = bytearray(STRIDE)
    pack_into("=qddq", whole, 0, 77, 1.0, 2.0, 3)
    block.buffer[block.offset : block.offset + kept] = whole[:kept]
    (found,) = slab.recovered()
    # The time's lowest byte is the first of it that is stored, and this time has no other.
    assert found.rows == (3 if kept > STRIDE - 8 else 2)


@pytest.mark.parametrize("times", [(1, 2, 0, 3), (1, 2, 2), (1, 2, 1), (1, 2, -5)])
def test_recovery_stops_where_time_does_not_increase(times: tuple[int, ...]) -> None:
    """A zero time, a repeated or an earlier one: the remains of something else."""
    slab = Slab()
    put(slab.block(), *times)
    assert [(one.rows, one.last_time) for one in slab.recovered()] == [(2, 2)]


@pytest.mark.parametrize("first", [0, -1])
def test_a_first_row_without_a_time_is_no_row(first: int) -> None:
    slab = Slab()
    put(slab.block(), first, 5)
    assert slab.recovered() == []


def test_sparse_records_are_recovered_one_by_one() -> None:
    """Each has its own length; those with a due mask and an elapsed time are longer."""
    slab = Slab()
    block = slab.block(schema=None, size=1024)
    lengths = [sparse(block, 1), sparse(block, 2, 1, SPARSE_DUE), sparse(block, 3, 4, SPARSE_DUE | SPARSE_ELAPSED)]
    (found,) = slab.recovered()
    assert (found.nbytes, found.rows, found.schema, found.stride) == (sum(lengths), 3, 0, 0)
    block.mark_announced(BLOCK_HEADER_BYTES + lengths[0])
    (found,) = slab.recovered()
    assert (found.offset, found.rows, found.last_time) == (BLOCK_HEADER_BYTES + lengths[0], 2, 3)


@pytest.mark.parametrize("time", [0, 2, 1])
def test_a_torn_sparse_record_is_no_record(time: int) -> None:
    slab = Slab()
    block = slab.block(schema=None, size=1024)
    length = sparse(block, 1) + sparse(block, 2)
    sparse(block, time)
    assert [(one.nbytes, one.rows) for one in slab.recovered()] == [(length, 2)]


def test_a_sparse_record_ends_with_its_block() -> None:
    """A forged length is not followed out of the block."""
    slab = Slab()
    block = slab.block(schema=None, size=256)
    sparse(block, 1)
    SPARSE_HEAD.pack_into(block.buffer, block.offset, 2, 1000, 0)
    assert [one.rows for one in slab.recovered()] == [1]


def test_a_block_filled_to_the_brim_with_sparse_records() -> None:
    slab = Slab()
    length = sparse_length(3, 0)
    block = slab.block(schema=None, size=BLOCK_HEADER_BYTES + 2 * length)
    sparse(block, 1)
    sparse(block, 2)
    assert [one.rows for one in slab.recovered()] == [2]


@pytest.mark.parametrize("size", [0, 63, 5000])
def test_a_forged_block_ends_the_slab(size: int) -> None:
    slab = Slab()
    block, _ = slab.block(), slab.block()
    put(block, 1)
    block.buffer[12:16] = size.to_bytes(4, "little")
    assert slab.recovered() == []


def test_an_announcement_of_the_whole_block_leaves_nothing() -> None:
    slab = Slab()
    block = slab.block(1)
    put(block, 1)
    assert slab.recovered(lambda generation, at: block.offset) == []


@pytest.mark.parametrize("rows", range(1, 9))
def test_what_a_slab_held_before_is_not_recovered(rows: int) -> None:
    """A slab that is used again is full of old rows and blocks; a new block ends what can be found there."""
    slab = Slab()
    while slab.end + 64 + 9 * STRIDE < 4096:
        put(slab.block(3), 1, 2, 3)
    slab.end = 0
    block = slab.block(rows)
    assert slab.recovered() == []
    put(block, *range(10, 10 + rows))
    assert [(one.rows, one.last_time) for one in slab.recovered()] == [(rows, 9 + rows)]
    slab.block(2)
    assert [one.rows for one in slab.recovered()] == [rows]


def test_a_block_knows_its_room() -> None:
    block = Slab().block(2)
    assert block.has_room(2 * STRIDE)
    assert not block.has_room(2 * STRIDE + 1)
    put(block, 1)
    assert block.has_room(STRIDE)
    assert not block.has_room(STRIDE + 1)


def test_a_new_block_takes_no_rows_before_it_is_opened() -> None:
    """The hot path finds neither a width that fits nor a packer that packs."""
    block = Slab().block()
    assert block.width == NEVER
    assert not block.put(block, {}, 0, 0)


def test_blocks_describe_themselves() -> None:
    slab = Slab()
    block = slab.block()
    put(block, 1, 2)
    assert repr(block) == "<Block of slab 1 at 0: 2 rows>"
    assert repr(slab.block(schema=None, size=256)) == f"<Block of slab 1 at {-(-block.buffer.nbytes // 64) * 64}: sparse rows>"


def test_blocks_grow_with_their_use() -> None:
    """A whole number of rows each, from 8 KiB to 1 MiB, unless eight rows need more, or less is allowed."""
    sizes = [0]
    for _ in range(9):
        sizes.append(block_bytes(STRIDE, sizes[-1]))
        assert (sizes[-1] - BLOCK_HEADER_BYTES) % STRIDE == 0
    assert SMALLEST_BLOCK_BYTES - STRIDE < sizes[1] <= SMALLEST_BLOCK_BYTES
    assert 1.9 < sizes[2] / sizes[1] < 2.1
    assert LARGEST_BLOCK_BYTES - STRIDE < sizes[8] == sizes[9] <= LARGEST_BLOCK_BYTES
    assert block_bytes(STRIDE, sizes[9], most=64 << 10) <= 64 << 10
    assert block_bytes(1 << 20, 0) == BLOCK_HEADER_BYTES + 8 * (1 << 20)
    assert block_bytes(0, 0) == SMALLEST_BLOCK_BYTES
    assert block_bytes(0, 1 << 20) == LARGEST_BLOCK_BYTES
