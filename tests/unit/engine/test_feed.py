"""Feeds: peek, write, commit. From the journal at a cursor, or from memory with what its policy leaves."""

from pathlib import Path
from typing import Any

import pytest

from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.feed import BATCH_EVENTS, Delivery
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.settings import Journal
from asynclog.flow.limit import RateLimit
from asynclog.flow.queue import Overflow
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.wire.stream import StreamDecoder
from tests.unit.engine.parts import FOLDED, LOSS, START_NS, ToldSink, journal_writer, rows, settings, text


class Written:
    """A journal that grows, and feeds that read it."""

    def __init__(self, directory: Path, epoch: int = 0, journal: Journal | None = None, **route: Any) -> None:
        self.directory, self.epoch = directory, epoch
        self.route = Route(ToldSink(), name="sink", **route)
        self.settings = settings(directory, [self.route], epoch=epoch, journal=journal)
        self.journal = journal_writer(self.settings)

    def put(self, *frames: Any) -> None:
        for frame in frames:
            assert self.journal.add(frame)
        self.journal.commit()

    def end(self, status: str = "finished") -> None:
        self.journal.close(status, None, START_NS)

    def feed(self, cursor: Cursor | None = None, route: Route | None = None) -> JournalFeed:
        assert self.settings.stream is not None
        return JournalFeed(route or self.route, self.settings.stream, "main", self.epoch, cursor)


def values(delivery: Delivery | None) -> list[Any]:
    assert delivery is not None
    return [] if delivery.batch is None else [event.value for event in delivery.batch]


def drained(feed: JournalFeed | MemoryFeed) -> tuple[list[Any], Counters, Delivery | None]:
    """All values, the counters that settled, and the last delivery."""
    found: list[Any] = []
    counted = Counters()
    last: Delivery | None = None
    while (delivery := feed.next()) is not None:
        found += values(delivery)
        counted.add(Counters(offered=delivery.offered, delivered=delivery.delivered))
        counted.add(delivery.settled)
        feed.commit(delivery)
        last = delivery
        if delivery.ended:
            break
    counted.add(feed.intake)
    return found, counted, last


def after(delivery: Delivery) -> Cursor:
    return Cursor(delivery.epoch, delivery.seq, delivery.replay_from)


# -- from the journal -----------------------------------------------------------------------------------------------------


def test_nothing_is_delivered_before_something_was_written(tmp_path: Path) -> None:
    written = Written(tmp_path)
    feed = written.feed()
    assert feed.next() is None
    assert feed.seq == -1
    written.put(rows(0, 0.5))
    delivery = feed.next()
    assert values(delivery) == [0.5]
    assert feed.seq == -1, "not before it is committed"
    assert delivery is not None
    assert delivery.batch is not None
    assert (delivery.batch.writer, delivery.batch.epoch, delivery.batch.seq) == ("main", 0, 0)
    feed.commit(delivery)
    assert (feed.seq, feed.events) == (0, 1)
    assert feed.next() is None
    feed.close()


def test_the_feed_ends_behind_the_footer(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.put(rows(0, 0.5))
    written.end()
    found, counted, last = drained(written.feed())
    assert found == [0.5]
    assert last is not None
    assert last.ended
    assert counted.pending == 0


def test_a_segment_that_goes_on_is_no_end(tmp_path: Path) -> None:
    written = Written(tmp_path, journal=Journal(segment_bytes=4096))
    feed = written.feed()
    found: list[Any] = []
    for seq in range(100):
        written.put(rows(seq, float(seq)))
        more, _, last = drained(feed)
        found += more
        assert last is None or not last.ended
    written.end()
    more, _, last = drained(feed)
    assert found + more == [float(one) for one in range(100)]
    assert last is not None
    assert last.ended


@pytest.mark.parametrize("seq", range(-1, 5))
def test_a_feed_goes_on_behind_its_cursor(tmp_path: Path, seq: int) -> None:
    written = Written(tmp_path)
    written.put(*(rows(at, float(at)) for at in range(5)))
    written.end()
    feed = written.feed(Cursor(0, seq, seq + 1))
    assert feed.seq == seq
    found, counted, last = drained(feed)
    assert found == [float(one) for one in range(seq + 1, 5)]
    assert counted.offered == counted.delivered == 4 - seq
    assert feed.events == 5, "those of the epoch, whoever delivered them"
    assert last is not None
    assert last.ended


def test_batches_are_bounded(tmp_path: Path) -> None:
    written = Written(tmp_path)
    per_frame = 2000
    written.put(*(rows(seq, *[float(seq)] * per_frame) for seq in range(20)))
    written.end()
    feed = written.feed()
    sizes = []
    while (delivery := feed.next()) is not None:
        assert delivery.batch is not None
        sizes.append(len(delivery.batch))
        feed.commit(delivery)
        if delivery.ended:
            break
    assert sum(sizes) == 20 * per_frame
    assert max(sizes) < BATCH_EVENTS + per_frame
    assert len(sizes) > 2


def test_epochs_follow_each_other(tmp_path: Path) -> None:
    """A killed epoch has no footer; the next one's first segment says that it is over. Each settles before the next."""
    old = Written(tmp_path)
    old.put(rows(0, 0.5), rows(1, 1.5))
    new = Written(tmp_path, epoch=1)
    new.put(rows(0, 10.5))
    new.end()
    feed = new.feed(Cursor(0, 0, 1))
    assert feed.seq == -1, "of its own epoch nothing was delivered"
    first = feed.next()
    assert values(first) == [1.5]
    assert first is not None
    assert (first.epoch, first.seq, first.ended) == (0, 1, False)
    feed.commit(first)
    assert feed.events == 0
    second = feed.next()
    assert values(second) == [10.5]
    assert second is not None
    assert (second.epoch, second.seq, second.ended) == (1, 0, True)
    feed.commit(second)
    assert (feed.seq, feed.events) == (0, 1)


def test_an_epoch_that_was_delivered_is_passed_over(tmp_path: Path) -> None:
    old = Written(tmp_path)
    old.put(rows(0, 0.5))
    old.end()
    new = Written(tmp_path, epoch=1)
    new.put(rows(0, 10.5))
    found, counted, _ = drained(new.feed(Cursor(0, 0, 1)))
    assert found == [10.5]
    assert counted.offered == 1


def test_without_a_cursor_a_feed_begins_with_its_own_epoch(tmp_path: Path) -> None:
    old = Written(tmp_path)
    old.put(rows(0, 0.5))
    new = Written(tmp_path, epoch=1)
    new.put(rows(0, 10.5))
    assert drained(new.feed())[0] == [10.5]


def test_a_repeat_is_delivered_once(tmp_path: Path) -> None:
    """A condemned segment's frames stand in the next one too."""
    written = Written(tmp_path)
    written.put(rows(0, 0.5), rows(1, 1.5))
    written.journal._pending = [rows(0, 0.5), rows(1, 1.5)]
    written.put(rows(2, 2.5))
    assert drained(written.feed())[0] == [0.5, 1.5, 2.5]


def test_damage_is_counted_and_passed_over(tmp_path: Path) -> None:
    """Bytes that are no frame, and a frame that is no record."""
    written = Written(tmp_path)
    written.put(rows(0, 0.5))
    assert written.settings.stream is not None
    path = written.settings.stream / "0000-000000.alog"
    size = path.stat().st_size
    written.put(rows(1, 1.5), text(2, parts=[77]), rows(3, 3.5))
    data = bytearray(path.read_bytes())
    data[size + 64] ^= 1
    path.write_bytes(data)
    feed = written.feed()
    found, counted, last = drained(feed)
    assert found == [0.5, 3.5]
    assert feed.damaged == 2
    assert counted.offered == 2
    assert last is not None
    assert last.seq == 3


def test_values_that_are_not_due_settle_without_delivery(tmp_path: Path) -> None:
    """The cursor moves on, though there is no batch."""
    written = Written(tmp_path)
    written.put(text(0, due=0), text(1, due=0))
    feed = written.feed()
    delivery = feed.next()
    assert delivery is not None
    assert delivery.batch is None
    assert (delivery.settled.not_due, delivery.seq) == (2, 1)
    feed.commit(delivery)
    assert feed.seq == 1
    assert feed.next() is None


def test_folds_span_batches(tmp_path: Path) -> None:
    """What is not due waits, and is part of the next delivery that is."""
    written = Written(tmp_path)
    feed = written.feed()
    written.put(rows(0, 1.0, 2.0, schema=FOLDED, due=[0, 0]))
    first = feed.next()
    assert first is not None
    assert first.batch is None
    assert (first.settled.folded, first.replay_from) == (1, 0)
    feed.commit(first)
    written.put(rows(1, 6.0, schema=FOLDED, due=[1]))
    second = feed.next()
    assert values(second) == [3.0]
    assert second is not None
    assert second.replay_from == 2


@pytest.mark.parametrize("stop", range(1, 6))
def test_folds_are_rebuilt_after_a_restart(tmp_path: Path, stop: int) -> None:
    """Wherever the route is stopped: it delivers the same values, and counts the same, as without a stop."""
    due = [0, 0, 1, 0, 0, 1]
    written = Written(tmp_path)
    feed = written.feed()
    found: list[Any] = []
    counted = Counters()
    cursor = None
    for at, mask in enumerate(due):
        if at == stop:
            feed.close()
            feed = written.feed(cursor)
        written.put(rows(at, float(at), schema=FOLDED, due=[mask]))
        more, settled, last = drained(feed)
        found += more
        counted.add(settled)
        assert last is not None
        cursor = after(last)
    assert found == [1.0, 4.0]
    assert (counted.offered, counted.delivered, counted.folded, counted.pending) == (6, 2, 4, 0)


def test_what_was_reduced_by_the_end_is_delivered(tmp_path: Path) -> None:
    """A mean over the last steps would else never reach the sink. Its batch begins where no other does."""
    written = Written(tmp_path)
    written.put(rows(0, 1.0, 2.0, schema=FOLDED, due=[0, 0]))
    written.end()
    found, counted, last = drained(written.feed())
    assert found == [1.5]
    assert (counted.delivered, counted.folded, counted.not_due, counted.pending) == (1, 1, 0, 0)
    assert last is not None
    assert last.batch is not None
    assert last.batch.seq == 1
    again, _, _ = drained(written.feed(after(last)))
    assert again == []


def test_a_route_the_stream_doesn_t_know_gets_the_last_reduction_once(tmp_path: Path) -> None:
    """Its own limit is counted again from the stream's beginning, and what it had gathered by the end with it."""
    old = Written(tmp_path)
    old.put(rows(0, 1.0, 2.0, schema=FOLDED, due=[1, 1]))
    old.end()
    new = Route(ToldSink(), name="new", limit=RateLimit(3600.0))
    feed = old.feed(Cursor(0), new)
    found, _, last = drained(feed)
    assert found == [1.0, 2.0]
    feed.close()
    assert last is not None
    following = Written(tmp_path, epoch=1)
    following.put(rows(0, 9.0, schema=FOLDED, due=[1]))
    again, _, _ = drained(following.feed(after(last), new))
    assert again == [9.0]


def test_a_record_that_was_left_out_is_not_waited_for(tmp_path: Path) -> None:
    """A flush is done behind a GAP, though no record with its number ever comes."""
    written = Written(tmp_path)
    feed = written.feed()
    written.put(rows(0, 1.0))
    written.journal.gap("two recorders died", 1, 3, 3)
    written.journal.commit()
    drained(feed)
    assert feed.seq == 3


def test_what_was_reduced_by_an_epoch_s_end_is_delivered(tmp_path: Path) -> None:
    """Folds never span epochs."""
    old = Written(tmp_path)
    old.put(rows(0, 1.0, 2.0, schema=FOLDED, due=[0, 0]))
    new = Written(tmp_path, epoch=1)
    new.put(rows(0, 9.0, schema=FOLDED, due=[1]))
    found, counted, last = drained(new.feed(Cursor(0)))
    assert found == [1.5, 9.0]
    assert (counted.offered, counted.delivered, counted.folded, counted.pending) == (3, 2, 1, 0)
    assert last is not None
    assert (last.epoch, last.replay_from) == (1, 1)


def test_a_route_the_stream_doesn_t_know_applies_its_own_limit(tmp_path: Path) -> None:
    """A later sync to a new backend: to the recorded times."""
    written = Written(tmp_path)
    written.put(*(rows(seq, float(seq)) for seq in range(10)), text(10))
    written.end()
    everything = Route(ToldSink(), name="new")
    assert drained(written.feed(route=everything))[0] == [*map(float, range(10)), "words"]
    limited = Route(ToldSink(), name="limited", limit=RateLimit(500e-9))
    assert drained(written.feed(route=limited))[0] == [0.0, 5.0, "words"]


def test_a_journal_without_its_head_is_read_all_the_same(tmp_path: Path) -> None:
    """The first frame is damaged: masks are taken as they are."""
    written = Written(tmp_path)
    written.put(rows(0, 0.5))
    assert written.settings.stream is not None
    path = written.settings.stream / "0000-000000.alog"
    data = bytearray(path.read_bytes())
    data[64] ^= 1
    path.write_bytes(data)
    feed = written.feed()
    assert drained(feed)[0] == [0.5]
    assert feed.damaged == 1


# -- from memory ----------------------------------------------------------------------------------------------------------


class Offered:
    """A feed from memory, with a limit that holds some records of one row."""

    def __init__(self, policy: Overflow, records: int = 4) -> None:
        self.holds: list[bool] = []
        self.decoder = StreamDecoder()
        self.decoder.feed(LOSS.frame(0, 0))
        self.decoder.feed(FOLDED.frame(0, 0))
        self.feed = MemoryFeed(Route(ToldSink(), name="sink"), "main", 3, 0, policy, records * 280, self.holds.append)
        self.seq = 0

    def offer(self, *numbers: float, **options: Any) -> int:
        """How many events had to go."""
        record = self.decoder.feed(rows(self.seq, *numbers, **options))
        self.seq += 1
        assert record is not None
        return self.feed.offer(record, -1).events


def test_memory_delivers_what_was_offered() -> None:
    offered = Offered("drop_oldest")
    assert offered.feed.next() is None
    offered.offer(0.5)
    offered.offer(1.5)
    delivery = offered.feed.next()
    assert values(delivery) == [0.5, 1.5]
    assert delivery is not None
    assert delivery.batch is not None
    assert (delivery.batch.epoch, delivery.batch.seq, offered.feed.seq) == (3, 0, -1)
    offered.feed.commit(delivery)
    assert offered.feed.seq == 1
    assert offered.feed.next() is None
    offered.feed.end()
    _, counted, last = drained(offered.feed)
    assert last is not None
    assert last.ended
    assert counted == Counters(offered=2)


def test_the_oldest_go_except_those_in_flight() -> None:
    offered = Offered("drop_oldest")
    offered.offer(0.0)
    in_flight = offered.feed.next()
    gone = [offered.offer(float(at)) for at in range(1, 8)]
    assert gone == [0, 0, 0, 1, 1, 1, 1]
    assert values(in_flight) == [0.0]
    assert in_flight is not None
    offered.feed.commit(in_flight)
    found, counted, _ = drained(offered.feed)
    assert found == [5.0, 6.0, 7.0]
    assert (counted.offered, counted.dropped) == (8, 4)


def test_the_newest_goes() -> None:
    offered = Offered("drop_newest")
    assert [offered.offer(float(at)) for at in range(6)] == [0, 0, 0, 0, 1, 1]
    found, counted, _ = drained(offered.feed)
    assert found == [0.0, 1.0, 2.0, 3.0]
    assert (counted.offered, counted.dropped) == (6, 2)


def test_a_full_blocking_route_holds_the_writer_and_lets_go_once_half_is_free() -> None:
    """Once each: a signal, not a stream of them."""
    offered = Offered("block")
    assert [offered.offer(float(at)) for at in range(7)] == [0] * 7
    assert offered.holds == [True]
    assert drained(offered.feed)[0] == [float(at) for at in range(7)]
    assert offered.holds == [True, False]


def test_under_pressure_only_what_may_drop_does() -> None:
    for policy, left in (("drop_oldest", [3.0]), ("drop_newest", [0.0, 1.0, 2.0, 3.0]), ("block", [0.0, 1.0, 2.0, 3.0])):
        offered = Offered(policy)  # type: ignore[arg-type]
        for at in range(4):
            offered.offer(float(at))
        shed = offered.feed.shed(0.25)
        assert shed.events == 4 - len(left)
        found, counted, _ = drained(offered.feed)
        assert found == left
        assert (counted.offered, counted.dropped) == (4, 4 - len(left))


def test_a_closed_feed_drops_what_waits_and_what_comes() -> None:
    """And what waited to be folded: everything offered is accounted for."""
    offered = Offered("drop_oldest", records=100)
    offered.offer(1.0, 2.0, schema=FOLDED, due=[0, 0])
    counted = Counters()
    first = offered.feed.next()
    assert first is not None
    counted.add(first.settled)
    offered.feed.commit(first)
    offered.offer(3.0, schema=FOLDED, due=[1])
    offered.feed.next()  # in flight, and never committed
    offered.offer(4.0)
    counted.add(offered.feed.close())
    assert offered.offer(5.0) == 1
    counted.add(offered.feed.intake)
    assert (counted.offered, counted.folded, counted.dropped, counted.pending) == (5, 1, 4, 0)


def test_what_was_reduced_in_memory_is_delivered_at_the_end() -> None:
    offered = Offered("drop_oldest", records=100)
    offered.offer(1.0, 2.0, schema=FOLDED, due=[0, 0])
    offered.feed.end()
    found, counted, last = drained(offered.feed)
    assert found == [1.5]
    assert last is not None
    assert last.ended
    assert (counted.delivered, counted.folded, counted.pending) == (1, 1, 0)


def test_what_memory_settles_without_delivery_moves_on() -> None:
    offered = Offered("drop_oldest")
    offered.offer(1.0, schema=FOLDED, due=[0])
    delivery = offered.feed.next()
    assert delivery is not None
    assert delivery.batch is None
    offered.feed.commit(delivery)
    assert offered.feed.seq == 0


# -- cursors --------------------------------------------------------------------------------------------------------------


def test_a_cursor_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    file = CursorFile(tmp_path, "sink", "main")
    assert file.load() is None
    cursor = Cursor(2, 17, 11, Counters(offered=20, delivered=15, folded=3))
    file.save(Cursor(0))
    file.save(cursor)
    file.close()
    again = CursorFile(tmp_path, "sink", "main")
    assert again.load() == cursor
    again.close()
    assert sorted(one.name for one in (tmp_path / "cursors" / "sink").iterdir()) == ["main.json", "main.lock"]


def test_a_cursor_has_one_owner(tmp_path: Path) -> None:
    """A live route and a later sync never serve one sink at once; other routes and writers are not concerned."""
    file = CursorFile(tmp_path, "sink", "main")
    with pytest.raises(BlockingIOError):
        CursorFile(tmp_path, "sink", "main")
    others = [CursorFile(tmp_path, "other", "main"), CursorFile(tmp_path, "sink", "other")]
    file.close()
    CursorFile(tmp_path, "sink", "main").close()
    for one in others:
        one.close()
