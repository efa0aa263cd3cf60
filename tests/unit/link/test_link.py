"""Producer and consumer, end to end: what is written is told once, memory comes back, and deaths lose nothing."""

import gc
from collections.abc import Callable, Iterator

import pytest

from asynclog.errors import DamagedFrame, NoRoom
from asynclog.link.announcement import Define, End, Rows, Value, pack
from asynclog.link.messages import Ack, Finished, Flush, Flushed, Hold, Message, Pressure, Ready, Release, Report, Trouble
from asynclog.link.producer import RING_BYTES, Producer
from asynclog.shm.memory import Mapping, create_shared
from asynclog.shm.slab import CONTROL_SLAB_BYTES, Role
from asynclog.state import State
from asynclog.wire.frame import unpack_meta
from asynclog.wire.layout import BLOB_PART_BYTES
from asynclog.wire.schema import Group, Series, unpack_series
from tests.unit.link.ends import LOSS, START_NS, WIDE, Ends


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


@pytest.fixture(params=[False, True], ids=["processes", "threads"])
def either(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(threads=request.param)
    yield made
    made.close()


# -- telling --------------------------------------------------------------------------------------------------------------


def test_rows_arrive_whole_and_in_order(either: Ends) -> None:
    """Their definition first; then one announcement for all that were written since."""
    either.rows(5)
    either.producer.drain()
    defined, rows = either.take()
    assert isinstance(defined, Define)
    assert isinstance(rows, Rows)
    assert (rows.seq, rows.schema, rows.rows, rows.time) == (0, 1, 5, START_NS + 5)
    assert rows.meta == b""
    assert either.numbers(rows.ref) == [1, 2, 3, 4, 5]


def test_rows_say_nothing_until_they_are_drained(either: Ends) -> None:
    either.rows(5)
    assert either.take() == []
    assert either.producer.blocks.dirty
    either.producer.drain()
    assert len(either.take()) == 2
    assert not either.producer.blocks.dirty


def test_a_second_drain_tells_only_what_is_new(ends: Ends) -> None:
    ends.rows(2)
    ends.producer.drain()
    ends.rows(3)
    ends.producer.drain()
    ends.producer.drain()
    found = [one for one in ends.take() if isinstance(one, Rows)]
    assert [(one.seq, one.rows) for one in found] == [(0, 2), (1, 3)]
    assert ends.all_numbers(found) == [1, 2, 3, 4, 5]


def test_rows_say_their_epoch_and_level(ends: Ends) -> None:
    ends.rows(1, state=State(0, epoch=4, level="epoch"))
    ends.producer.drain()
    rows = ends.take()[1]
    assert isinstance(rows, Rows)
    assert unpack_meta(rows.meta) == {"epoch": 4, "level": "epoch"}


def test_much_rings_by_itself() -> None:
    """Not at every block, but before a stalled consumer would hear of all at once."""
    ends = Ends()
    ends.rows(RING_BYTES // LOSS.stride // 2)
    assert ends.take() == []
    ends.rows(RING_BYTES // LOSS.stride * 2)
    assert ends.take() != []
    ends.close()


def test_events_are_told_at_once_with_their_arrays(either: Ends) -> None:
    either.event(b"pixels" * 100)
    either.event()
    first, second = either.take()
    assert isinstance(first, Value)
    assert first.ref is not None
    assert bytes(either.consumer.lease(first.ref)) == b"pixels" * 100
    assert (first.seq, first.parts, first.time) == (0, 0, START_NS + 1)
    assert isinstance(second, Value)
    assert (second.seq, second.ref) == (1, None)


def test_a_large_event_takes_a_number_for_each_part() -> None:
    ends = Ends(quota=512 << 20, threads=True)
    nbytes = 2 * BLOB_PART_BYTES + 1
    ref = ends.producer.pool.allocate(nbytes)
    ends.producer.event(1, b"", ref)
    ends.event()
    first, second = ends.take()
    assert isinstance(first, Value)
    assert (first.seq, first.parts) == (3, 3)
    assert isinstance(second, Value)
    assert second.seq == 4
    ends.close()


def test_numbered_series_are_defined_without_a_schema(ends: Ends) -> None:
    ends.producer.define_series(7, Group("train", "", ["rare", "rarer"], "dd", bytes([0, 1])))
    ends.producer.ring()
    (defined,) = ends.take()
    assert isinstance(defined, Define)
    assert defined.schema == 0
    series = (Series("train", "", "rare"), Series("train", "", "rarer", "d", "mean"))
    assert unpack_series(defined.payload) == (series, [7, 8])
    assert ends.producer.definitions == [pack(defined)], "for successors"


def test_the_end_comes_last_with_what_was_not_told_yet(ends: Ends) -> None:
    ends.rows(3)
    ends.producer.end(START_NS + 9, "failed", "Traceback")
    found = ends.take()
    assert [type(one) for one in found] == [Define, Rows, End]
    assert found[2] == End(1, START_NS + 9, "failed", "Traceback")
    assert ends.consumer.ended
    assert len(ends.producer.blocks) == 0


def test_a_consumer_is_never_told_that_it_took_the_end(ends: Ends) -> None:
    """Its successor must be told of it again, or it would wait for it for ever."""
    ends.rows(3)
    ends.producer.end(START_NS + 9, "finished", None)
    ends.take()
    ends.settle()
    assert 0 < ends.link.acked < ends.producer.control.position
    ends.die()
    ends.replace()
    assert [type(one) for one in ends.take()] == [End]


def test_a_bite_is_bounded(ends: Ends) -> None:
    """About as many bytes as asked for; the rest is still there."""
    for _ in range(5):
        ends.event(b"x" * 1000)
    ends.consumer.receive()
    assert len(list(ends.consumer.take(2500))) == 3
    assert ends.consumer.behind
    assert len(list(ends.consumer.take(2500))) == 2
    assert not ends.consumer.behind


def test_counts_are_in_events(ends: Ends) -> None:
    ends.rows(5)
    assert ends.producer.blocks.rows_beyond() == 10
    ends.producer.drain()
    assert ends.producer.counts.accepted == 10
    assert ends.producer.blocks.rows_beyond() == 0


# -- memory ---------------------------------------------------------------------------------------------------------------


def test_memory_is_held_until_the_last_view_is_gone(either: Ends) -> None:
    """Acknowledging is not letting go."""
    ref = either.event(b"x" * (3 << 20))
    assert ref is not None
    (found,) = either.take()
    assert isinstance(found, Value)
    view = either.consumer.lease(ref)
    either.settle()
    assert not either.producer.pool.ledger.slabs[ref.slab].free
    part = view[5:10]
    del view
    either.settle()
    assert not either.producer.pool.ledger.slabs[ref.slab].free
    rooms = either.rooms
    del part
    either.settle()
    assert either.producer.pool.ledger.slabs[ref.slab].free
    assert either.rooms == rooms + 1, "whoever waits for room is told"


def test_memory_that_came_back_is_used_again_under_another_generation(ends: Ends) -> None:
    first = ends.event(b"a" * (3 << 20))
    ends.consumer.lease(first_of(ends.take()))
    ends.settle()
    second = ends.event(b"b" * (3 << 20))
    assert first is not None
    assert second is not None
    assert (second.slab, second.generation) == (first.slab, first.generation + 1)
    assert bytes(ends.consumer.lease(first_of(ends.take())))[:2] == b"bb"


def first_of(found: "list[object]") -> "object":
    (value,) = [one for one in found if isinstance(one, Value)]
    return value.ref


def test_many_pieces_of_a_slab_come_back_in_one_message(ends: Ends) -> None:
    for _ in range(10):
        ends.event(b"x" * 100)
    for one in ends.take():
        assert isinstance(one, Value)
        assert one.ref is not None
        ends.consumer.lease(one.ref)
    gc.collect()
    ends.consumer.ack()
    assert ends.link.channel is not None
    sent = [message for message, _ in ends.link.channel.receive()]
    assert [type(one) for one in sent] == [Ack, Release]
    assert isinstance(sent[1], Release)
    assert [list(one) for one in sent[1].pieces] == [[2, 1, 10]]


def test_nothing_to_say_is_not_said(ends: Ends) -> None:
    ends.consumer.ack()
    assert ends.link.channel is not None
    assert ends.link.channel.receive() == []


def test_all_slabs_come_back_whatever_was_written(either: Ends) -> None:
    for _ in range(20):
        either.rows(500)
        either.rows(3, WIDE)
        either.event(b"x" * 5000)
        either.producer.drain()
        found = either.take()
        for one in found:
            if isinstance(one, Rows | Value) and one.ref is not None:
                either.consumer.lease(one.ref)
        either.settle()
    either.producer.end(either.time + 1, "finished", None)
    for one in either.take():
        if isinstance(one, Rows | Value) and one.ref is not None:
            either.consumer.lease(one.ref)
    either.settle()
    busy = [one for one in either.producer.pool.ledger.slabs.values() if not one.free]
    assert [one.role for one in busy if one.role is not Role.ARRAYS] == [Role.CONTROL]
    assert all(one.claims == 1 and not one.announced for one in busy), "the log's and the arena's own claims are left"


def test_control_slabs_are_used_again_once_everybody_took_them(ends: Ends) -> None:
    meta = bytes(100_000)
    for _ in range(100):
        ends.event(meta=meta)
        ends.take()
        ends.settle()
    slabs = [one for one in ends.producer.pool.ledger.slabs.values() if one.role is Role.CONTROL]
    assert len(slabs) <= 3
    assert ends.producer.control.position > 5 * CONTROL_SLAB_BYTES


def test_a_slab_that_was_given_up_is_forgotten(ends: Ends) -> None:
    """Its memory goes back to the system, at both ends."""
    ref = ends.event(b"x" * (40 << 20))
    ends.consumer.lease(first_of(ends.take()))
    ends.settle()
    assert ref is not None
    ends.producer.pool.abandon(ends.producer.pool.allocate(16 << 20))
    assert ref.slab not in ends.producer.pool.mappings
    ends.take()
    with pytest.raises(KeyError):
        ends.consumer.lease(ref)


def test_a_release_twice_is_said_and_changes_nothing(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    """It is a bug at the other end, which may not cost the run."""
    ref = ends.event(b"x" * 100)
    assert ref is not None
    ends.producer.received(ends.link, Release([(ref.slab, ref.generation, 1)]))
    before = repr(ends.producer.pool.ledger.slabs)
    ends.producer.received(ends.link, Release([(ref.slab, ref.generation, 1)]))
    assert "StaleLease" in caplog.text
    assert repr(ends.producer.pool.ledger.slabs) == before


def test_no_room_for_a_record_leaves_the_row_to_be_told_later() -> None:
    """The system refuses memory for the log: nothing is announced half, counted twice, or held for ever."""
    refuse: list[bool] = []

    def create(size: int) -> Mapping:
        if refuse and size <= CONTROL_SLAB_BYTES:
            raise NoRoom("memory is short")
        return create_shared(size)

    ends = Ends(create=create)
    ends.rows(3)
    refuse.append(True)
    for meta in (bytes(5000), b""):
        with pytest.raises(NoRoom, match="memory is short"):
            fill_the_log(ends, meta)
    seq = ends.producer.next_seq
    for _ in range(2):
        with pytest.raises(NoRoom, match="memory is short"):
            ends.producer.drain()
    assert (ends.producer.next_seq, ends.producer.counts.accepted) == (seq, 0)
    refuse.clear()
    ends.producer.drain()
    assert (ends.producer.next_seq, ends.producer.counts.accepted) == (seq + 1, 6)
    found = ends.take()
    while not found or found[-1].seq < seq:
        ends.settle()
        ends.producer.ring_missed()
        found += ends.take()
    assert [one.seq for one in found if not isinstance(one, Define)] == list(range(seq + 1))
    assert ends.all_numbers(found) == [1, 2, 3]
    ends.producer.blocks.close_all()
    ends.settle()
    assert not [one for one in ends.producer.pool.ledger.slabs.values() if one.role is Role.ROWS and not one.free]
    ends.close()


def fill_the_log(ends: Ends, meta: bytes) -> None:
    while True:
        ends.event(meta=meta)


def test_slabs_for_rows_are_stocked_before_they_run_out() -> None:
    """Whoever may take its time is asked once, and makes one."""
    asked: list[int] = []
    producer = Producer(quota=64 << 20, on_low=lambda: asked.append(1))
    producer.open_block(("main", 1), LOSS, State(0)._context)
    assert asked == [1]
    producer.open_block(("main", 2), LOSS, State(0)._context)
    assert asked == [1], "asked already"
    producer.stock()
    assert len(producer.pool.ledger.free_slabs(Role.ROWS)) == 1
    producer.open_block(("main", 3), LOSS, State(0)._context)
    assert asked == [1], "there is one"
    producer.close()


def test_stocking_within_a_full_quota_is_no_error() -> None:
    producer = Producer(quota=7 << 20)
    producer.open_block(("main", 1), LOSS, State(0)._context)
    producer.pool.allocate(1 << 20)
    producer.stock()
    assert producer.pool.ledger.total_bytes == 7 << 20
    producer.close()


# -- several consumers, and none ------------------------------------------------------------------------------------------


def test_a_slab_is_free_when_the_last_consumer_let_go(ends: Ends) -> None:
    other = ends.producer.attach("slow")
    ref = ends.event(b"x" * (3 << 20))
    assert ref is not None
    ends.consumer.lease(first_of(ends.take()))
    ends.settle()
    assert not ends.producer.pool.ledger.slabs[ref.slab].free
    ends.producer.drop(other)
    assert ends.producer.pool.ledger.slabs[ref.slab].free
    assert other.number not in ends.producer.links
    assert "recorder: up, acknowledged" in repr(ends.link)


def test_the_log_is_kept_for_the_slowest(ends: Ends) -> None:
    slow = ends.producer.attach("slow")
    for _ in range(30):
        ends.event(meta=bytes(100_000))
        ends.take()
        ends.settle()
    assert len(ends.producer.control.slabs) > 2
    ends.producer.drop(slow)
    assert len(ends.producer.control.slabs) == 1


def test_messages_reach_those_who_are_up(ends: Ends) -> None:
    ends.producer.attach("not yet")
    assert ends.producer.send(Flush(1, 0)) == [ends.link]
    assert ends.consumer.receive() == [Flush(1, 0)]
    ends.link.finished = True
    assert ends.producer.send(Pressure()) == []


def test_a_flush_is_as_good_as_a_doorbell(ends: Ends) -> None:
    ends.rows(1)
    ends.producer.blocks.drain()
    ends.producer.send(Flush(1, ends.producer.control.position))
    ends.consumer.receive()
    assert ends.consumer.behind


@pytest.mark.parametrize(
    ("message", "look", "passed_on"),
    [
        (Ready(77), lambda ends: ends.link.pid == 77, True),
        (Ack(5), lambda ends: ends.link.acked == 5, True),
        (Hold("sink", True), lambda ends: ends.producer.held == {"sink"}, False),
        (Report({"events": 3}), lambda ends: ends.link.report == {"events": 3} and ends.link.report_ns > 0, False),
        (Finished({"events": 4}), lambda ends: ends.link.finished and ends.link.report == {"events": 4}, True),
        (Trouble("sink", "text", False), lambda ends: True, True),
        (Flushed(1, {}, None), lambda ends: True, True),
    ],
)
def test_what_a_consumer_says_is_known(ends: Ends, message: Message, look: Callable[[Ends], bool], passed_on: bool) -> None:
    ends.consumer.send(message)
    ends.hear()
    assert look(ends)
    assert ends.heard == ([message] if passed_on else [])


def test_a_route_with_room_again_wakes_who_waits(ends: Ends) -> None:
    ends.producer.received(ends.link, Hold("sink", True))
    before = ends.rooms
    ends.producer.received(ends.link, Hold("sink", False))
    assert ends.producer.held == set()
    assert ends.rooms == before + 1


def test_an_older_acknowledgement_takes_nothing_back(ends: Ends) -> None:
    ends.producer.received(ends.link, Ack(9))
    ends.producer.received(ends.link, Ack(5))
    assert ends.link.acked == 9


# -- deaths ---------------------------------------------------------------------------------------------------------------


def test_a_successor_is_told_everything_that_was_not_acknowledged(either: Ends) -> None:
    """Under the same numbers, with the same bytes, wherever in the sequence its predecessor died."""
    either.rows(3)
    either.producer.drain()
    kept = either.take()
    either.settle()
    either.rows(2)
    either.producer.drain()
    either.event(b"image")
    taken = either.take()
    either.die()
    either.event(b"later")
    either.replace()
    again = either.take()
    assert again[: len(taken)] == taken
    assert [one.seq for one in again] == [1, 2, 3]
    assert isinstance(again[2], Value)
    rows = again[0]
    assert isinstance(rows, Rows)
    assert either.numbers(rows.ref) == [4, 5]
    assert len(kept) == 2
    for one in again[1:]:
        assert isinstance(one, Value)
        assert one.ref is not None
        assert bytes(either.consumer.lease(one.ref)) in (b"image", b"later")


def test_a_dead_consumer_s_memory_comes_back(either: Ends) -> None:
    """To the system: those it served may still look into it. What it had acknowledged goes at once; the rest waits for the
    successor, and goes after it."""
    done = either.event(b"x" * (3 << 20))
    either.take()
    held = either.consumer.lease(done)  # type: ignore[arg-type]
    either.consumer.ack()
    either.hear()
    waiting = either.event(b"y" * (3 << 20))
    assert done is not None
    assert waiting is not None
    slabs = either.producer.pool.ledger.slabs
    assert not slabs[done.slab].free
    rooms = either.rooms
    either.die()
    del held
    assert done.slab not in slabs
    assert either.rooms > rooms
    assert not slabs[waiting.slab].free
    either.replace()
    either.consumer.lease(first_of(either.take()))
    either.settle()
    assert waiting.slab not in slabs
    assert either.link.deaths == 1


def test_memory_of_what_nobody_took_is_not_reused_between_two_consumers(ends: Ends) -> None:
    """A full quota, a dead consumer: what waits for the successor is not overwritten."""
    refs = [ends.event(bytes([at]) * (12 << 20)) for at in range(5)]
    ends.die()
    with pytest.raises(NoRoom):
        ends.producer.pool.allocate(12 << 20)
    ends.replace()
    found = [one for one in ends.take() if isinstance(one, Value)]
    assert [one.ref for one in found] == refs
    for at, one in enumerate(found):
        assert one.ref is not None
        assert bytes(ends.consumer.lease(one.ref)[:1]) == bytes([at])


def test_releases_of_a_predecessor_no_longer_count(ends: Ends) -> None:
    ref = ends.event(b"x" * 100)
    ends.die()
    ends.replace()
    assert ref is not None
    ends.producer.received(ends.link, Release([(ref.slab, ref.generation, 1), (ref.slab, ref.generation, 1)]))
    assert not ends.producer.pool.ledger.slabs[ref.slab].announced


def test_a_death_noticed_twice_is_one_death(ends: Ends) -> None:
    ends.die()
    ends.producer.disconnect(ends.link)
    assert ends.link.deaths == 1


def test_slabs_made_while_nobody_was_there_are_known_to_the_successor(ends: Ends) -> None:
    ends.die()
    ends.event(b"x" * (3 << 20))
    ends.rows(2)
    ends.producer.drain()
    ends.replace()
    found = ends.take()
    assert bytes(ends.consumer.lease(first_of(found))[:3]) == b"xxx"
    assert ends.all_numbers(found) == [2, 3]


def test_rows_never_announced_outlive_their_writer(ends: Ends) -> None:
    """No doorbell was rung, no drain was made: they are read from memory, numbered on."""
    ends.rows(3)
    ends.producer.drain()
    ends.take()
    ends.rows(2)
    ends.rows(4, WIDE, state=State(0, epoch=1, level="epoch"))
    ends.consumer.receive()
    ends.consumer.writer_died()
    found = ends.take()
    assert [type(one) for one in found] == [Define], "committed, and not announced by any doorbell"
    recovered = list(ends.consumer.recover())
    assert [(one.seq, one.schema, one.rows) for one in recovered] == [(1, 1, 2), (2, 2, 4)]
    assert [one.time for one in recovered] == [START_NS + 5, START_NS + 9]
    assert ends.all_numbers(recovered) == [4, 5]
    assert ends.all_numbers(recovered, WIDE) == [6, 7, 8, 9]
    assert unpack_meta(recovered[1].meta) == {"epoch": 1, "level": "epoch"}
    assert ends.consumer.last_time == START_NS + 9
    assert ends.consumer.next_seq == 3


def test_announced_rows_whose_writer_died_before_it_noted_it_come_once(ends: Ends) -> None:
    """A kill between the record and the block's own note: the record counts."""
    ends.rows(3)
    ends.producer.drain()
    block = ends.producer.blocks.everyone()[0]
    block.mark_announced(64)
    ends.take()
    ends.consumer.writer_died()
    assert list(ends.consumer.recover()) == []


def test_a_successor_recovers_what_its_predecessor_was_never_told(ends: Ends) -> None:
    """Both die: the successor knows ranges announced before its time from the blocks themselves."""
    ends.rows(3)
    ends.producer.drain()
    ends.take()
    ends.settle()
    ends.die()
    ends.rows(2)
    ends.replace()
    assert ends.take() == []
    ends.consumer.next_seq = 1
    ends.consumer.writer_died()
    recovered = list(ends.consumer.recover())
    assert [(one.seq, one.rows) for one in recovered] == [(1, 2)]
    assert ends.all_numbers(recovered) == [4, 5]


def test_a_reused_slab_forgets_what_was_announced_of_it(ends: Ends) -> None:
    """Ranges of an older generation say nothing of the new contents."""
    for _ in range(3):
        ends.rows(2)
        ends.producer.drain()
        for one in ends.take():
            if isinstance(one, Rows):
                ends.consumer.lease(one.ref)
        ends.producer.blocks.close_all()
        ends.settle()
    ends.rows(2)
    ends.producer.drain()
    (told,) = [one for one in ends.take() if isinstance(one, Rows)]
    assert told.ref.generation == 4
    ends.rows(1)
    ends.consumer.writer_died()
    assert [one.rows for one in ends.consumer.recover()] == [1]


def test_a_record_that_is_none_is_damage(ends: Ends) -> None:
    ends.producer.control.append(b"junk")
    ends.producer.ring()
    ends.consumer.receive()
    with pytest.raises(DamagedFrame, match="not a control record"):
        list(ends.consumer.take(100))
