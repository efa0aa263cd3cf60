"""A recorder without its processes: what it takes goes to a journal and to those it offers it to, in the order of an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import Delivery
from asynclog.engine.frames import in_parts
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.live_feed import LiveFeed
from asynclog.engine.offering import Offering
from asynclog.engine.settings import Journal
from asynclog.engine.tail import segment_of
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.sink import Event
from asynclog.wire.frame import Frame
from tests.unit.engine.parts import FOLDED, LOSS, MANY, START_NS, ToldSink, journal_writer, settings

PLENTY = 1 << 30


def route_named(name: str = "sink", **options: Any) -> Route:
    return Route(ToldSink(), name=name, place="process", **options)


class Taker:
    """What an engine offers to: a feed, and what was delivered from it. It goes on behind its cursor after a restart."""

    def __init__(self, recorder: "Recorder", route: Route, cursor: Cursor | None, *, bit: int | None, limit: int) -> None:
        stream = recorder.stream
        self.route, self.bit, self.limit, self.cursor = route, bit, limit, cursor
        self.feed = LiveFeed(route, stream, "main", recorder.epoch, cursor, bit=bit, limit=limit)
        self.events: list[Event] = []
        self.seqs: list[int] = []
        self.counters = Counters()
        self.woken = 0
        self.ended = False

    def notify(self) -> None:
        self.woken += 1

    def deliver(self, most: int = 1 << 30) -> list[Event]:
        """At most so many batches; what was in them."""
        before = len(self.events)
        while most and not self.ended and (delivery := self.feed.next()) is not None:
            most -= 1
            self.settle(delivery)
        return self.events[before:]

    def settle(self, delivery: Delivery) -> None:
        self.feed.commit(delivery)
        self.cursor = Cursor(delivery.epoch, delivery.seq, delivery.replay_from, events=self.feed.events)
        self.counters.add(Counters(offered=delivery.offered, delivered=delivery.delivered))
        self.counters.add(delivery.settled)
        self.ended = delivery.ended
        if delivery.batch is not None:
            # Part by part: a batch sorts them by time, which depends on how many there are.
            self.events += [event for part in delivery.batch.parts for event in part.events()]
            self.seqs += [one.seq for one in delivery.batch.records]

    @property
    def values(self) -> list[Any]:
        return [event.value for event in self.events]


class Recorder:
    """See above. definitions: SCHEMA frames, as announced before their first use."""

    def __init__(
        self,
        directory: Path,
        routes: Sequence[Route] = (),
        *,
        always: int = -1,
        epoch: int = 0,
        definitions: Sequence[Frame] = (),
        segment_bytes: int = 64 << 20,
    ) -> None:
        self.directory, self.routes, self.always, self.epoch = directory, list(routes), always, epoch
        self.definitions = [one.frame(0, 0) for one in (LOSS, MANY, FOLDED)] if not definitions else list(definitions)
        self.segment_bytes = segment_bytes
        self.settings = settings(
            directory, routes, always=always, epoch=epoch, journal=Journal(fsync="close", segment_bytes=segment_bytes)
        )
        assert self.settings.stream is not None
        self.stream = self.settings.stream
        self.takers: list[Taker] = []
        self.events = 0
        self.begin()

    def begin(self) -> None:
        """Also as the successor of one that was killed: what it had not written is announced again."""
        self.journal = journal_writer(self.settings)
        self.offering = Offering(self.always)
        self.events = self.journal.events
        for frame in self.definitions:
            self.journal.learn(frame)
            self.offering.book.learn(frame)
        self.takers = []

    def serves(self, route: Route, cursor: Cursor | None = None, *, bit: int | None = 0, limit: int = PLENTY) -> Taker:
        """A route, from the beginning of the engine on."""
        taker = Taker(self, route, cursor, bit=bit, limit=limit)
        self.takers.append(taker)
        self.offering.serve([taker])  # type: ignore[list-item]
        return taker

    def joined(self, route: Route, cursor: Cursor | None = None, *, now: bool = False, limit: int = PLENTY) -> Taker:
        """As one that attached itself."""
        if now:
            cursor = Cursor(self.epoch, self.offering.put_seq, self.offering.put_seq + 1)
        taker = Taker(self, route, cursor, bit=None, limit=limit)
        if cursor is not None and cursor.seq >= 0:
            taker.feed.begin_at(segment_of(self.stream, self.epoch, cursor.seq), cursor.seq)
        self.takers.append(taker)
        self.offering.add(taker)  # type: ignore[arg-type]
        return taker

    def put(self, *frames: Frame, parts: int = 0) -> None:
        """In memory; not in the journal before ``commit``."""
        for whole in frames:
            segment = self.journal.number
            if [self.journal.add(frame) for frame in in_parts(whole, parts)][-1]:
                self.events += self.offering.put(whole, parts, segment)
                self.journal.events = self.events

    def leave_out(self, frame: Frame, events: int = 1) -> None:
        self.journal.gap("two recorders died of it", frame.seq, frame.seq, events)

    def commit(self) -> None:
        self.journal.commit()

    def finish(self, status: str = "finished") -> None:
        self.journal.close(status, None, START_NS)
        self.offering.end()

    def killed(self) -> None:
        """What was not committed is lost with it."""
        for one in self.takers:
            one.feed.close()
        self.begin()


def from_the_journal(recorder: Recorder, route: Route, cursor: Cursor | None = None) -> Taker:
    """What a route gets of what lies in the journal now."""
    taker = Taker(recorder, route, cursor, bit=0, limit=0)
    taker.feed = JournalFeed(route, recorder.stream, "main", recorder.epoch, cursor)  # type: ignore[assignment]
    taker.deliver()
    taker.feed.close()
    return taker
