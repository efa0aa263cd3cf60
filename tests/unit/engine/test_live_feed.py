"""Live feeds: from memory while they keep up, from the journal while they don't; nothing twice, nothing left out."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.engine.cursor import Cursor
from asynclog.engine.offering import COPIED_BYTES
from asynclog.shm.lease import Lease
from asynclog.shm.memory import Mapping, create_anonymous
from asynclog.shm.slab import Ref
from asynclog.values import Tensor
from asynclog.wire.frame import Frame
from tests.frames import event
from tests.unit.engine.live import Recorder, from_the_journal, route_named
from tests.unit.engine.parts import FOLDED, rows, text

SLAB = 1 << 20


class Memory:
    """Shared memory, and what was given back."""

    def __init__(self) -> None:
        self.returned: list[Ref] = []
        self.mappings: dict[int, Mapping] = {}

    def tensor(self, seq: int, slab: int, *, at: int = 0, nbytes: int = 2 * COPIED_BYTES) -> Frame:
        """A tensor that lies in a slab, filled with its seq."""
        mapping = self.mappings.setdefault(slab, create_anonymous(SLAB))
        mapping.view[at : at + nbytes] = bytes([seq]) * nbytes
        lease = Lease(mapping, Ref(slab, 1, at, nbytes), self.returned.append)
        frame = event("weights", Tensor(np.zeros(nbytes, np.uint8)), seq=seq)
        return Frame(frame.kind, seq=seq, time=frame.time, meta_bytes=frame.meta_bytes, payload=memoryview(lease.array()))

    @property
    def back(self) -> list[int]:
        """The slabs that were given back."""
        gc.collect()
        return sorted(ref.slab for ref in self.returned)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path, [route_named()])


def numbers(first: int, end: int) -> list[Frame]:
    return [rows(seq, float(seq)) for seq in range(first, end)]


def test_what_was_put_is_delivered_before_the_journal_has_it(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    assert taker.deliver() == []
    assert taker.feed.live
    recorder.put(*numbers(0, 3))
    assert [one.value for one in taker.deliver()] == [0.0, 1.0, 2.0]
    assert not list(recorder.stream.glob("*.alog"))
    recorder.commit()
    assert taker.deliver() == [], "and not again"
    recorder.finish()
    assert taker.deliver() == []
    assert taker.ended
    assert taker.seqs == [0, 1, 2]


def test_what_was_put_before_it_listened_comes_from_the_journal(recorder: Recorder) -> None:
    """Not before the journal has it, and ahead of what came since."""
    taker = recorder.serves(recorder.routes[0])
    recorder.put(*numbers(0, 2))
    assert taker.deliver() == []
    recorder.put(*numbers(2, 4))
    assert taker.deliver() == [], "what it follows on is missing"
    recorder.commit()
    assert [one.value for one in taker.deliver()] == [0.0, 1.0, 2.0, 3.0]


def test_a_feed_that_falls_behind_reads_the_journal_and_catches_up(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0], limit=3000)
    taker.deliver()
    recorder.put(*numbers(0, 3))
    taker.deliver()
    recorder.put(*numbers(3, 30))
    assert not taker.feed.live
    assert taker.deliver() == []
    recorder.commit()
    assert len(taker.deliver()) == 27
    assert taker.feed.live
    recorder.put(*numbers(30, 32))
    taker.deliver()
    assert taker.seqs == list(range(32))
    recorder.commit()
    recorder.finish()
    taker.deliver()
    assert (taker.ended, taker.counters.offered, taker.counters.delivered, taker.feed.events) == (True, 32, 32, 32)


def test_it_may_take_turns_as_often_as_it_likes(tmp_path: Path) -> None:
    """Over segments: what it finds again in the journal it has had already."""
    recorder = Recorder(tmp_path, [route_named()], segment_bytes=4096)
    taker = recorder.serves(recorder.routes[0], limit=5000)
    for first in range(0, 400, 4):
        burst = 4 if first % 40 else 1
        for seq in range(first, first + 4):
            recorder.put(rows(seq, float(seq)))
            if burst == 1 or seq % 2:
                recorder.commit()
        if first % 12 == 0:
            taker.deliver()
    assert len(list(recorder.stream.glob("*.alog"))) > 3
    recorder.commit()
    recorder.finish()
    taker.deliver()
    assert taker.seqs == list(range(400))
    assert taker.counters == from_the_journal(recorder, recorder.routes[0]).counters


def test_it_ends_from_memory_or_from_the_journal(tmp_path: Path) -> None:
    for at, limit in enumerate((1 << 20, 0)):
        recorder = Recorder(tmp_path / str(at), [route_named()])
        taker = recorder.serves(recorder.routes[0], limit=limit)
        taker.deliver()
        recorder.put(*numbers(0, 5))
        recorder.commit()
        recorder.finish()
        taker.deliver()
        assert (taker.ended, taker.seqs) == (True, list(range(5)))


def test_it_does_not_end_before_the_journal_has_what_it_lacks(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    recorder.put(*numbers(0, 5))
    taker.deliver()
    assert not taker.ended
    recorder.commit()
    recorder.finish()
    taker.deliver()
    assert (taker.ended, taker.seqs) == (True, list(range(5)))


def test_a_run_without_anything_ends(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.finish()
    taker.deliver()
    assert taker.ended


def test_folds_go_on_where_memory_and_journal_meet(recorder: Recorder) -> None:
    """Means over what came one way and the other."""
    route = recorder.routes[0]
    recorder.always = 0
    taker = recorder.serves(route, limit=2000)
    taker.deliver()
    seq = 0
    for round_ in range(12):
        for due in (0, 0, 1):
            recorder.put(rows(seq, float(seq), float(seq) / 2, schema=FOLDED, due=[0, due]))
            seq += 1
            if round_ % 3:
                taker.deliver()
        recorder.commit()
    recorder.put(rows(seq, 7.0, schema=FOLDED, due=[0]))
    recorder.commit()
    recorder.finish()
    taker.deliver()
    expected = from_the_journal(recorder, route)
    assert taker.events == expected.events
    assert taker.counters == expected.counters
    assert taker.counters.folded > 0


def test_a_record_that_was_left_out_is_not_waited_for(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(*numbers(0, 2))
    recorder.leave_out(rows(2, 2.0))
    recorder.put(*numbers(3, 5))
    assert [one.value for one in taker.deliver()] == [0.0, 1.0, 3.0, 4.0]
    recorder.commit()
    recorder.leave_out(rows(5, 5.0))
    recorder.finish()
    taker.deliver()
    assert (taker.ended, taker.seqs) == (True, [0, 1, 3, 4])


def test_parts_of_a_large_value_are_no_gap(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(rows(0, 0.0))
    recorder.put(event("w", Tensor(np.arange(9.0)), seq=3), parts=2)
    recorder.put(rows(4, 4.0))
    assert len(taker.deliver()) == 3
    assert not list(recorder.stream.glob("*.alog"))
    taker.feed.shed()
    recorder.commit()
    assert taker.deliver() == []


# -- restarts -------------------------------------------------------------------------------------------------------------


def test_a_successor_goes_on_behind_the_cursor(recorder: Recorder) -> None:
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(*numbers(0, 5))
    recorder.commit()
    taker.deliver()
    recorder.put(*numbers(5, 7))
    recorder.commit()
    recorder.killed()
    again = recorder.serves(recorder.routes[0], taker.cursor)
    assert [one.value for one in again.deliver()] == [5.0, 6.0]
    recorder.put(*numbers(7, 9))
    assert [one.value for one in again.deliver()] == [7.0, 8.0]


def test_what_was_delivered_before_it_was_on_disk_is_not_delivered_again(recorder: Recorder) -> None:
    """The recorder was killed in between: its cursor is ahead of the journal that its successor finds."""
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(*numbers(0, 3))
    recorder.commit()
    recorder.put(*numbers(3, 6))
    taker.deliver()
    assert taker.seqs == list(range(6))
    recorder.killed()
    again = recorder.serves(recorder.routes[0], taker.cursor)
    assert again.deliver() == []
    recorder.put(*numbers(0, 6))
    assert again.deliver() == []
    assert recorder.events == again.feed.events, "nothing is pending"
    recorder.put(*numbers(6, 8))
    assert [one.value for one in again.deliver()] == [6.0, 7.0]
    assert recorder.events == again.feed.events
    recorder.commit()
    recorder.finish()
    again.deliver()
    assert (again.ended, again.seqs) == (True, [6, 7])
    assert taker.counters.offered + again.counters.offered == 8


def test_an_earlier_epoch_is_finished_first(tmp_path: Path) -> None:
    route = route_named()
    old = Recorder(tmp_path, [route])
    old.put(*numbers(0, 3))
    old.commit()
    new = Recorder(tmp_path, [route], epoch=1)
    taker = new.serves(route, Cursor(0, 0, 1))
    new.put(*numbers(0, 2))
    assert [one.value for one in taker.deliver()] == [1.0, 2.0]
    assert taker.feed.seq == -1
    new.commit()
    assert [one.value for one in taker.deliver()] == [0.0, 1.0]
    assert taker.feed.live
    new.put(rows(2, 2.0))
    assert [one.value for one in taker.deliver()] == [2.0]


# -- who came later -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("committed", [True, False])
def test_a_late_joiner_gets_everything(recorder: Recorder, committed: bool) -> None:
    recorder.put(*numbers(0, 5))
    if committed:
        recorder.commit()
    taker = recorder.joined(route_named("late"))
    recorder.put(*numbers(5, 7))
    taker.deliver()
    recorder.commit()
    taker.deliver()
    recorder.put(*numbers(7, 9))
    taker.deliver()
    assert taker.seqs == list(range(9))


@pytest.mark.parametrize("committed", [True, False])
def test_one_that_begins_now_gets_what_comes(tmp_path: Path, committed: bool) -> None:
    recorder = Recorder(tmp_path, [route_named()], segment_bytes=4096)
    for seq in range(100):
        recorder.put(rows(seq, float(seq)))
        recorder.commit()
    recorder.put(*numbers(100, 103))
    if committed:
        recorder.commit()
    taker = recorder.joined(route_named("late"), now=True)
    assert taker.deliver() == []
    recorder.put(*numbers(103, 105))
    taker.deliver()
    recorder.commit()
    taker.deliver()
    recorder.finish()
    taker.deliver()
    assert (taker.ended, taker.seqs) == (True, [103, 104])


def test_one_that_joins_after_the_end_reads_the_journal(recorder: Recorder) -> None:
    recorder.put(*numbers(0, 5))
    recorder.commit()
    recorder.finish()
    taker = recorder.joined(route_named("late"))
    taker.deliver()
    assert (taker.ended, taker.seqs) == (True, list(range(5)))


def test_filters_are_a_route_s(recorder: Recorder) -> None:
    taker = recorder.joined(route_named("late", kinds={"string"}))
    taker.deliver()
    recorder.put(rows(0, 0.5), text(1), rows(2, 0.5))
    assert taker.deliver()[0].kind == "string"
    assert (taker.counters.offered, taker.counters.filtered, taker.counters.delivered) == (3, 2, 1)


# -- memory ---------------------------------------------------------------------------------------------------------------


def test_a_large_array_is_delivered_from_where_it_lies(recorder: Recorder) -> None:
    memory = Memory()
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(memory.tensor(0, 1))
    recorder.commit()
    (tensor,) = taker.deliver()
    assert np.shares_memory(tensor.value.data, np.frombuffer(memory.mappings[1].view, np.uint8))
    assert memory.back == []
    del tensor
    taker.events.clear()
    assert memory.back == [1]


def test_small_payloads_are_copied(recorder: Recorder) -> None:
    """They would keep a slab for a few bytes."""
    memory = Memory()
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(memory.tensor(0, 1, nbytes=COPIED_BYTES))
    recorder.commit()
    assert memory.back == [1]
    assert taker.deliver()[0].value.data.tobytes() == bytes(COPIED_BYTES)


def test_what_waits_keeps_no_more_than_the_limit(recorder: Recorder) -> None:
    """A slab counts whole, and once: several pieces of it keep no more than one does."""
    memory = Memory()
    taker = recorder.serves(recorder.routes[0], limit=2 * SLAB + 100_000)
    taker.deliver()
    for seq in range(4):
        recorder.put(memory.tensor(seq, 1, at=seq * 2 * COPIED_BYTES))
    recorder.put(memory.tensor(4, 2))
    recorder.commit()
    assert taker.feed.live
    assert memory.back == []
    recorder.put(memory.tensor(5, 3))
    recorder.commit()
    assert not taker.feed.live
    assert memory.back == [1, 1, 1, 1, 2, 3]
    assert [one.value.data[0] for one in taker.deliver()] == list(range(6))


def test_pressure_frees_what_waits_in_shared_memory(recorder: Recorder) -> None:
    """And nothing else: numbers that were copied keep nobody from anything."""
    memory = Memory()
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(*numbers(0, 3))
    taker.feed.shed()
    assert taker.feed.live
    recorder.put(memory.tensor(3, 1))
    recorder.commit()
    recorder.offering.shed(0.25)
    assert not taker.feed.live
    assert memory.back == [1]
    taker.deliver()
    assert taker.seqs == [0, 1, 2, 3]


def test_a_feed_that_is_closed_keeps_nothing(recorder: Recorder) -> None:
    memory = Memory()
    taker = recorder.serves(recorder.routes[0])
    taker.deliver()
    recorder.put(memory.tensor(0, 1))
    recorder.commit()
    taker.feed.close()
    assert memory.back == [1]
    recorder.put(memory.tensor(1, 2))
    recorder.commit()
    assert memory.back == [1, 2]


def test_somebody_who_left_is_offered_nothing(recorder: Recorder) -> None:
    memory = Memory()
    taker = recorder.joined(route_named("late"))
    taker.deliver()
    runner: Any = taker
    recorder.offering.drop(runner)
    recorder.put(memory.tensor(0, 1))
    recorder.commit()
    assert memory.back == [1]
    recorder.offering.notify()
    assert taker.woken == 0


def test_whoever_is_far_behind_at_the_end_gets_all_of_it(recorder: Recorder) -> None:
    """More than a batch holds, and frames of which each fills what is read at a time: the end isn't before the last of them."""
    taker = recorder.serves(recorder.routes[0])
    many = [event("weights", Tensor(np.zeros(1 << 20, np.uint8)), seq=seq) for seq in range(12)]
    recorder.put(*many)
    recorder.commit()
    recorder.finish()
    assert len(taker.deliver()) == 12
