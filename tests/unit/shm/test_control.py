"""The control log: records in order over any number of slabs, and a way through them wherever the writer was killed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from asynclog.errors import DamagedFrame, NoRoom
from asynclog.shm import control
from asynclog.shm.control import HEADER_BYTES, KEPT_BACK_BYTES, ControlReader, ControlWriter
from asynclog.shm.slab import Role, SlabState

SLAB = HEADER_BYTES + 128


class Memory:
    """Slabs of a fixed size, larger where a record needs it."""

    def __init__(self, slabs: int = 1 << 30) -> None:
        self.views: dict[int, memoryview] = {}
        self.left = slabs

    def new_slab(self, nbytes: int) -> tuple[SlabState, memoryview]:
        if not self.left:
            raise NoRoom("no more slabs")
        self.left -= 1
        number = len(self.views) + 1
        size = max(SLAB, nbytes)
        self.views[number] = memoryview(bytearray(size))
        return SlabState(number, Role.CONTROL, size, claims=1), self.views[number]

    def reader(self, position: int = 0, *, only: "set[int] | None" = None) -> ControlReader:
        reader = ControlReader(position)
        for number, view in self.views.items():
            if only is None or number in only:
                reader.add(number, view.toreadonly())
        return reader


def record(at: int) -> bytes:
    """Of a length that depends on its number, with a content that tells it."""
    return bytes([at % 251 + 1]) * (1 + at * 7 % 40)


def written(count: int) -> tuple[Memory, ControlWriter, list[int]]:
    memory = Memory()
    writer = ControlWriter(memory.new_slab)
    return memory, writer, [writer.append(record(at)) for at in range(count)]


def test_records_come_in_order_over_slabs() -> None:
    memory, writer, positions = written(50)
    assert len(memory.views) > 10
    assert list(memory.reader().read(writer.position)) == [(at, record(n)) for n, at in enumerate(positions)]


def test_records_of_any_length_come_back() -> None:
    """Of length 1 to more than a slab; each fills its slab to another byte."""
    memory = Memory()
    writer = ControlWriter(memory.new_slab)
    records = [b"x" * length for length in range(1, 300)]
    for one in records:
        writer.append(one)
    assert [found for _, found in memory.reader().read(writer.position)] == records


def test_a_reader_goes_on_where_another_stopped() -> None:
    memory, writer, positions = written(30)
    for at, position in enumerate(positions):
        rest = [found for _, found in memory.reader(position).read(writer.position)]
        assert rest == [record(n) for n in range(at + 1, 30)]


def test_nothing_is_read_beyond_the_doorbell() -> None:
    memory, _, positions = written(30)
    reader = memory.reader()
    assert [found for _, found in reader.read(positions[4])] == [record(n) for n in range(5)]
    assert list(reader.read(positions[4])) == []
    assert [found for _, found in reader.read(positions[11])] == [record(n) for n in range(5, 12)]


def test_each_append_is_committed() -> None:
    memory = Memory()
    writer = ControlWriter(memory.new_slab)
    reader = memory.reader()
    assert reader.committed() == 0
    for at in range(40):
        position = writer.append(record(at))
        assert memory.reader().committed() == position == writer.position


def test_nothing_is_committed_where_there_is_no_slab() -> None:
    assert ControlReader(1234).committed() == 1234


def test_no_room_changes_nothing() -> None:
    """The record is not half there, and the next try goes on where this one would have."""
    memory = Memory(slabs=1)
    writer = ControlWriter(memory.new_slab)
    kept: list[bytes] = []

    def fill() -> None:
        while True:
            writer.append(record(len(kept)))
            kept.append(record(len(kept)))

    with pytest.raises(NoRoom):
        fill()
    position = writer.position
    assert memory.reader().committed() == position
    memory.left = 5
    writer.append(record(len(kept)))
    kept.append(record(len(kept)))
    assert [found for _, found in memory.reader().read(writer.position)] == kept


def test_slabs_that_were_read_are_done_with() -> None:
    """In order, each once, and never the one being filled."""
    _, writer, positions = written(40)
    ends = [end for _, end in writer.slabs]
    assert writer.done(ends[0] - 1) == []
    assert [one.number for one in writer.done(ends[0])] == [1]
    assert [one.number for one in writer.done(ends[3])] == [2, 3, 4]
    last = writer.slabs[-1][0].number
    rest = [one.number for one in writer.done(positions[-1] + 10_000)]
    assert rest == list(range(5, last))
    assert [one.number for one, _ in writer.slabs] == [last]


def test_a_slab_in_use_counts_as_full() -> None:
    """Nobody else carves a piece from it."""
    _, writer, _ = written(40)
    assert all(state.used == state.size for state, _ in writer.slabs)


def test_a_missing_slab_is_damage() -> None:
    memory, writer, _ = written(40)
    reader = memory.reader()
    reader.forget(2)
    reader.forget(2)
    with pytest.raises(DamagedFrame, match="no control slab holds position"):
        list(reader.read(writer.position))


@pytest.mark.parametrize("length", [0, 4000])
def test_a_forged_length_is_damage(length: int) -> None:
    """Never a loop, never a read beyond the slab."""
    memory, writer, _ = written(3)
    memory.views[1][HEADER_BYTES : HEADER_BYTES + 4] = length.to_bytes(4, "little")
    with pytest.raises(DamagedFrame, match="no control record at 0"):
        list(memory.reader().read(writer.position))


def test_a_slab_of_something_else_is_passed_over() -> None:
    """One that is known already and not begun yet, or that isn't a control slab's memory."""
    memory, writer, _ = written(10)
    reader = ControlReader()
    reader.add(100, memoryview(bytearray(SLAB)))
    reader.add(101, memoryview(b"\xff" * SLAB))
    for number, view in memory.views.items():
        reader.add(number, view)
    assert reader.committed() == writer.position
    assert len(list(reader.read(writer.position))) == 10


@contextmanager
def between_stores(see: Callable[[], None]) -> Iterator[None]:
    """``see()`` before every line of the control log's module: wherever a kill may stop the writer."""

    def each_line(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != control.__file__:
            return None
        see()
        return each_line

    before = sys.gettrace()
    sys.settrace(each_line)
    try:
        yield
    finally:
        sys.settrace(before)


def test_a_killed_writer_leaves_a_log_that_reads_to_its_end() -> None:
    """At every point of the sequence of stores, the committed records are there, in order, and nothing else is."""
    memory = Memory()
    snapshots: list[dict[int, bytes]] = []

    def look() -> None:
        now = {number: bytes(view) for number, view in memory.views.items()}
        if not snapshots or snapshots[-1] != now:
            snapshots.append(now)

    committed: list[bytes] = []
    done: list[int] = []
    with between_stores(look):
        writer = ControlWriter(memory.new_slab)
        for at in range(12):
            writer.append(record(at))
            committed.append(record(at))
            done.append(len(snapshots))
    look()
    assert len(memory.views) > 2
    assert len(snapshots) > 40
    for at, snapshot in enumerate(snapshots):
        for numbers in (list(snapshot), list(snapshot)[::-1]):
            reader = ControlReader()
            for number in numbers:
                reader.add(number, memoryview(snapshot[number]))
            found = [one for _, one in reader.read(reader.committed())]
            assert found == committed[: len(found)]
            assert len(found) >= sum(seen <= at for seen in done) - 1, "what append returned for is there"


def test_a_log_that_goes_on_in_memory_that_never_came_is_cut() -> None:
    """A killed writer may not have passed on its last slabs; whoever reads must be able to say so."""
    memory, _, _ = written(50)
    last = max(memory.views)
    whole, missing_last, missing_middle, first_only = (
        memory.reader(),
        memory.reader(only=set(range(1, last))),
        memory.reader(only={*range(1, 4), *range(6, last + 1)}),
        memory.reader(only={1}),
    )
    assert not whole.cut()
    for reader in (whole, missing_last, missing_middle, first_only):
        with suppress(DamagedFrame):
            list(reader.read(whole.committed()))
    assert [one.cut() for one in (whole, missing_last, missing_middle, first_only)] == [False, True, True, True]


def test_a_log_without_memory_is_not_cut() -> None:
    """Nothing was ever told of."""
    assert not ControlReader().cut()


def test_what_was_reserved_can_be_appended_when_no_memory_is_left() -> None:
    """And beside it what can't be refused, however full the system is by then."""
    memory = Memory()
    writer = ControlWriter(memory.new_slab)
    writer.reserve(10 * 40)
    memory.left = 0
    records = [record(at) for at in range(10)] + [b"end" * 20] * (KEPT_BACK_BYTES // 100)
    for one in records:
        writer.append(one)
    assert [found for _, found in memory.reader().read(writer.position)] == records


def test_what_can_not_be_reserved_changes_nothing() -> None:
    """Until there is memory again; what is there already suffices without more."""
    memory = Memory(slabs=2)
    writer = ControlWriter(memory.new_slab)
    writer.reserve()
    writer.reserve()
    position = writer.position
    with pytest.raises(NoRoom):
        writer.reserve(1 << 20)
    assert writer.position == position
    assert len(memory.views) == 2
    memory.left = 1
    writer.reserve(1 << 20)
    writer.append(b"x" * (1 << 20))
    assert [found for _, found in memory.reader().read(writer.position)] == [b"x" * (1 << 20)]
