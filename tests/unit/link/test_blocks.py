"""Open blocks: a few schemas at a time, least recently used first to close, and every drain a prefix of what was written."""

import sys
import threading
from typing import Any

import pytest

from asynclog.errors import NoRoom
from asynclog.link.blocks import MOST_OPEN, OPEN_BYTES, OpenBlocks
from asynclog.shm.memory import create_anonymous
from asynclog.shm.pool import Pool
from asynclog.shm.rows import BLOCK_HEADER_BYTES, LARGEST_BLOCK_BYTES, NEVER, SMALLEST_BLOCK_BYTES, Block
from asynclog.shm.slab import ROW_SLAB_BYTES
from asynclog.state import State
from asynclog.wire.schema import Schema, Series

CONTEXT = State(0)._context


def schema(number: int = 1, width: int = 1) -> Schema:
    return Schema(number, tuple(Series("train", "", f"key {number} {at}") for at in range(width)))


class Open:
    """Open blocks that tell what they announced: (key, start, end)."""

    def __init__(self, quota: int = 64 << 20) -> None:
        self.told: list[tuple[Any, int, int]] = []
        self.pool = Pool(quota, lambda *_: None, lambda _: None, create_anonymous)
        self.blocks = OpenBlocks(self.pool, lambda block, start, end: self.told.append((block.key, start, end)))

    def block(self, key: Any, number: int = 1, rows: int = 0) -> Block:
        made = self.blocks.open(key, schema(number), CONTEXT)
        made.width = 1
        for _ in range(rows):
            put(made)
        return made


def put(block: Block, time: int = 1) -> None:
    assert block.schema is not None
    block.schema.struct.pack_into(block.buffer, block.offset, 0, *[0.0] * len(block.schema.series), time)
    block.offset += block.stride


def test_blocks_of_a_slab_do_not_overlap() -> None:
    """They lie aligned one after the other, until the slab is full and another one is begun."""
    opened = Open()
    made = [opened.block(("main", at)) for at in range(600)]
    ends: dict[int, int] = {}
    for one in made:
        assert one.start >= ends.get(one.slab.number, 0)
        assert one.start % 64 == 0
        ends[one.slab.number] = one.start + len(one.buffer)
        assert ends[one.slab.number] <= ROW_SLAB_BYTES
    assert len(ends) > 1


def test_a_slab_is_free_when_its_blocks_are_closed_and_told() -> None:
    opened = Open()
    made = [opened.block(("main", at)) for at in range(600)]
    first = [one for one in made if one.slab is made[0].slab]
    for one in first:
        assert not made[0].slab.free
        opened.blocks.close(one)
    assert made[0].slab.free
    opened.blocks.close_all()
    assert all(one.free for one in opened.pool.ledger.slabs.values())
    opened.blocks.close_all()


def test_opening_again_closes_the_block_that_was_there() -> None:
    """Its rows are told, and whoever still holds it can't pack into it any more."""
    opened = Open()
    before = opened.block(("main", 1), rows=2)
    after = opened.block(("main", 1))
    assert opened.told == [(("main", 1), BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES + 2 * before.stride)]
    assert before.width == NEVER
    assert not before.put(before, (), 0, 0)
    assert opened.blocks.get(("main", 1)) is after
    assert len(after.buffer) > 1.9 * len(before.buffer), "what is used much has larger blocks"


def test_no_room_leaves_the_block_that_was_there() -> None:
    opened = Open(quota=ROW_SLAB_BYTES)
    # Of the two slabs that rows have in any case.
    opened.pool.row_slab(1)
    key = ("main", 1)

    def fill() -> None:
        while True:
            opened.block(key, rows=1)

    with pytest.raises(NoRoom):
        fill()
    told = len(opened.told)
    before = opened.blocks.get(key)
    assert before is not None
    assert before.width == 1
    put(before)
    assert opened.blocks.drain()
    assert len(opened.told) == told + 1


def test_a_sparse_block_holds_what_is_asked_of_it() -> None:
    opened = Open()
    block = opened.blocks.open(("sparse",), None, CONTEXT, nbytes=1 << 20)
    assert block.has_room(1 << 20)
    assert block.stride == 0
    assert not opened.blocks.dirty
    assert opened.blocks.rows_beyond() == 0


def test_the_least_recently_used_blocks_of_an_owner_are_evicted() -> None:
    """Only once it has too many open, and never another owner's, whose thread may be packing a row."""
    opened = Open(quota=1 << 30)
    others = [opened.block(("other", at), rows=1) for at in range(5)]
    made = [opened.block(("main", at), rows=1) for at in range(MOST_OPEN)]
    assert not opened.blocks.evict("main")
    assert len(opened.blocks) == MOST_OPEN + 5
    opened.blocks.get(made[0].key)
    made.append(opened.block(("main", MOST_OPEN)))
    assert opened.blocks.evict("main")
    closed = [one.width == NEVER for one in made]
    assert closed[:2] == [False, True], "the first was used since"
    gone = closed.count(True)
    assert closed == [False] + [True] * gone + [False] * (MOST_OPEN - gone)
    assert len(opened.blocks) == MOST_OPEN + 1 + 5 - gone
    assert len(opened.told) == gone, "their rows are told"
    assert [one.width for one in others] == [1] * 5
    assert not opened.blocks.evict("main")


def test_nobody_is_evicted_for_another_owner_s_sake() -> None:
    opened = Open(quota=1 << 30)
    for at in range(MOST_OPEN + 1):
        opened.block(("other", at))
    mine = opened.block(("main", 0))
    assert not opened.blocks.evict("main")
    assert mine.width == 1


def test_shut_blocks_take_no_rows_and_keep_what_they_have() -> None:
    opened = Open()
    block = opened.block(("main", 1), rows=3)
    opened.blocks.shut()
    assert block.width == NEVER
    assert opened.blocks.everyone() == [block]
    assert opened.blocks.rows_beyond() == 3
    assert opened.blocks.drain()
    assert opened.told == [(block.key, BLOCK_HEADER_BYTES, block.offset)]


def test_a_drain_is_a_prefix_of_what_was_written() -> None:
    """A writer alternates between many blocks while they are drained: a later row is never told before an earlier one."""
    opened = Open()
    blocks = [opened.block(("main", at)) for at in range(20)]
    written: list[int] = []
    failures: list[str] = []
    stop = threading.Event()
    started = threading.Event()
    room = min(len(one.buffer) - BLOCK_HEADER_BYTES for one in blocks) // blocks[0].stride

    def write() -> None:
        for at in range(20 * room):
            if stop.is_set():
                break
            block = blocks[at % 20]
            block.offset += block.stride
            started.set()
        written.append(at)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        writer = threading.Thread(target=write)
        writer.start()
        assert started.wait(10)
        while writer.is_alive():
            opened.blocks.drain()
            told = [(one.announced - BLOCK_HEADER_BYTES) // one.stride for one in blocks]
            # Round after round, so that counts fall by one at most, once, from left to right.
            if sorted(told, reverse=True) != told or told[0] - told[-1] > 1:
                failures.append(repr(told))
                break
        stop.set()
        writer.join(10)
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_open_blocks_share_what_they_may_take_together() -> None:
    """However much each is used: a thousand sets of keys must not hold a thousand of the largest blocks."""
    opened = Open(quota=1 << 30)
    keys = [("main", at) for at in range(200)]
    for _ in range(10):
        for at, key in enumerate(keys):
            opened.block(key, number=at)
    sizes = [len(one.buffer) for one in opened.blocks.everyone()]
    assert len(sizes) == len(keys)
    assert 0.95 * OPEN_BYTES < sum(sizes) <= OPEN_BYTES
    assert max(sizes) - min(sizes) < 64


def test_a_block_of_its_own_grows_to_the_largest_there_is() -> None:
    opened = Open()
    sizes = [len(opened.block(("main", 1)).buffer) for _ in range(10)]
    assert sizes == sorted(sizes)
    assert LARGEST_BLOCK_BYTES - 64 < sizes[-1] <= LARGEST_BLOCK_BYTES


def test_very_many_open_blocks_still_hold_some_rows_each() -> None:
    """The share has a floor: what is left of it by ten thousand would be less than a row."""
    opened = Open(quota=1 << 30)
    made = [opened.block(("main", at)) for at in range(2 * OPEN_BYTES // SMALLEST_BLOCK_BYTES)]
    assert len(made[-1].buffer) == len(made[0].buffer) > SMALLEST_BLOCK_BYTES - 64
