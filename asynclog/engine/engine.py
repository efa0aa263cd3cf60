"""The engine: takes announcements, makes frames, appends them to the journal, and feeds the runners.

A turn takes a bounded bite, so that acknowledgements, reports and dooms are never far away. While the journal can't be
written nothing more is taken: memory holds it, and the training process feels it when its quota is full.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from asynclog.engine.answers import Answers
from asynclog.engine.feed import Ending
from asynclog.engine.files import Files
from asynclog.engine.frames import definition_frame, event_frame, in_parts, rows_frame
from asynclog.engine.guests import Guests
from asynclog.engine.hands import Hands
from asynclog.engine.journal import JournalStalled, JournalWriter, Nonces
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.offering import Offering
from asynclog.engine.reports import Reports
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.runner import SinkRunner
from asynclog.engine.runners import Surroundings, engine_runner
from asynclog.engine.sampling import Sampling
from asynclog.engine.settings import EngineSettings
from asynclog.engine.taps import LOOK_S, MARK, LastWord, Taps, line_meta
from asynclog.engine.workers import Workers
from asynclog.errors import DamagedFrame
from asynclog.link import announcement as told
from asynclog.link.consumer import Consumer
from asynclog.link.messages import (
    Flush,
    Hold,
    Message,
    Pressure,
    Said,
    Sample,
    Skipped,
    Stock,
    Tap,
    Trouble,
    Unflush,
    Untap,
)
from asynclog.shm.lending import Allowance
from asynclog.wire.frame import Frame, unpack_meta

TURN_BYTES: Final = 8 << 20
_STALL_RETRY_S: Final = 0.2
_PRESSURE_SHARE: Final = 0.25
_LENT_SHARES: Final = 3
"""So many times what one process may keep, an eighth of all, all of them may: the largest array, of half, finds room."""
FLUSH_PATIENCE_S: Final = 3600.0
_MARK: Final = MARK.encode()


class Engine:
    """settings.journal None: no journal, sinks are fed from memory alone. wake(): the loop around it is to make a turn."""

    def __init__(
        self,
        settings: EngineSettings,
        consumer: Consumer,
        wake: Callable[[], None],
        files: Files | None = None,
        hands: Hands | None = None,
    ) -> None:
        self.settings, self.consumer = settings, consumer
        self.journal: JournalWriter | None = None
        if settings.journal is not None and settings.stream is not None:
            self.journal = JournalWriter(settings.stream, settings, settings.journal, files or Files(), Nonces)
        self.allowance = Allowance(_LENT_SHARES * settings.lent_bytes)
        self._offering = Offering(settings.always, self.allowance)
        self._events = 0 if self.journal is None else self.journal.events
        self._stalled_at = 0.0
        self.stall: str | None = None
        self._skip = settings.skip >= 0 and settings.skip == settings.position
        self._answers = Answers(self, wake)
        self._reports = Reports(self)
        self.end: told.End | None = None
        self.closed = False
        self.stock: dict[str, Any] = {}
        """What the writer last said of shared memory."""
        self.loop: dict[str, Any] | None = None
        """What the writer last said of its own loop, if it watches it."""
        self._newest: told.Rows | told.Value | None = None
        self.taps = Taps(consumer.send)
        self.sampling = Sampling(consumer.send)
        self._right_of_way = RightOfWay()
        for record in settings.definitions:
            self._define(told.unpack(record))
        self.workers = Workers()
        around = Surroundings(
            settings,
            self._trouble,
            self.total_events,
            hands or Hands.of_threads([one.name for one in settings.routes]),
            self._hold,
            self._said,
            self._right_of_way,
            self.workers,
            self.allowance,
        )
        self.runners = [engine_runner(route, around) for route in settings.routes]
        self._offering.serve(self.runners)
        self.guests = None if settings.stream is None else Guests(self, settings.stream)

    def start(self) -> None:
        for runner in self.runners:
            if (why := self.settings.stopped.get(runner.route.name)) is not None:
                runner.stop_before(why)
            elif runner.route.place != "caller":
                runner.start_thread()

    # -- turns ------------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Take a bite; True if there may be more to take at once."""
        for message in self.consumer.receive():
            self._obey(message)
        if self.consumer.behind:
            self._right_of_way.claim()
        self._reports.give_if_due()
        if self.stall is not None and time.monotonic() - self._stalled_at < _STALL_RETRY_S:
            self._right_of_way.release()
            return False
        if not self._commit():
            self._right_of_way.release()
            return False
        more = False
        if self.consumer.behind and self.end is None:
            for announcement in self.consumer.take(TURN_BYTES):
                self._take(announcement)
            # Before the disk has it: what memory holds is on its way meanwhile.
            self._offering.notify()
            more = self.consumer.behind
            if not self._commit():
                self._right_of_way.release()
                return False
        if not more:
            self._right_of_way.release()
        self.consumer.ack()
        self._answers.give()
        self.taps.turn()
        return more

    def writer_died(self) -> None:
        """Take everything that memory still holds, and end as killed."""
        self.consumer.receive()
        self.consumer.writer_died()
        while self.consumer.behind and self.end is None:
            for announcement in self.consumer.take(TURN_BYTES):
                self._take(announcement)
        if self.end is None:
            if self.consumer.log_is_cut() and self.journal is not None:
                seq = self.consumer.next_seq
                self.journal.gap("what was told next lies in memory that was never passed on", seq, seq, 0)
                self.consumer.next_seq += 1
            for rows in self.consumer.recover():
                self._take(rows)
        if self.end is None and self.taps:
            self._tell_taps_step()
            for word in self.taps.last_words():
                self._take(self._told_at_last(word))
        self._offering.notify()
        if self.end is None:
            self._take(told.End(self.consumer.next_seq, max(time.time_ns(), self.consumer.last_time + 1), "killed", None))

    def _tell_taps_step(self) -> None:
        newest = self._newest
        if isinstance(newest, told.Rows):
            step = self.consumer.step_of(newest)
            self.taps.step = self.taps.step if step is None else step
        elif newest is not None:
            self.taps.step = int(unpack_meta(newest.meta).get("step", 0))

    def _told_at_last(self, word: LastWord) -> told.Value:
        """A line as its process would have announced it."""
        consumer, settings = self.consumer, self.settings
        due = sum(1 << settings.bit(one) for one in settings.routes if one.takes_console)
        consumer.last_time = max(time.time_ns(), consumer.last_time + 1)
        value = told.Value(
            consumer.next_seq, consumer.last_time, line_meta(word.stream, word.line, self.taps.step, due), None, 0
        )
        consumer.next_seq += 1
        return value

    def finish(self, deadline: float) -> bool:
        """Close the journal; False while the operating system refuses, until ``deadline`` (monotonic)."""
        if self.closed or self.end is None:
            return self.closed
        try:
            if self.journal is not None:
                self.journal.close(self.end.status, self.end.error, self.end.time)
        except JournalStalled as error:
            self._stall(error)
            if time.monotonic() < deadline:
                return False
        self.closed = True
        self._offering.end(Ending(self.end.status, self.end.error))
        self._notify()
        return True

    def _take(self, announcement: told.Announcement) -> None:
        if isinstance(announcement, told.Define):
            self._define(announcement)
        elif isinstance(announcement, told.End):
            self.end = announcement
        elif self._skip:
            self._skip = False
            self._leave_out(announcement, "two recorders died while they took this record")
        elif not self.consumer.holds(announcement.ref):
            self._leave_out(announcement, "the memory it lies in was never passed on")
        elif isinstance(announcement, told.Rows):
            self._newest = announcement
            self._put(rows_frame(announcement, self.consumer.lease))
        else:
            self._newest = announcement
            if _MARK in announcement.meta:
                self.taps.came_back(announcement.meta)
            self._put(event_frame(announcement, self.consumer.lease), announcement.parts)

    def _define(self, definition: told.Announcement) -> None:
        assert isinstance(definition, told.Define)
        frame = definition_frame(definition)
        self._offering.book.learn(frame)
        if self.journal is not None:
            self.journal.learn(frame)

    def _put(self, whole: Frame, parts: int = 0) -> None:
        # Before the journal is told: what lies in memory is to be found in the segment it names, or in a later one.
        segment = 0 if self.journal is None else self.journal.number
        if self.journal is not None and not [self.journal.add(frame) for frame in in_parts(whole, parts)][-1]:
            # An earlier recorder wrote it.
            return
        try:
            self._events += self._offering.put(whole, parts, segment)
        except DamagedFrame as error:
            self._trouble("", f"a record that can't be read back: {error}", False)
        if self.journal is not None:
            self.journal.events = self._events

    def _leave_out(self, announcement: told.Rows | told.Value, reason: str) -> None:
        self._trouble("", f"{reason}: seq {announcement.seq} is left out", False)
        if announcement.ref is not None and self.consumer.holds(announcement.ref):
            self.consumer.lease(announcement.ref).release()
        if self.journal is not None:
            first = announcement.seq - (announcement.parts if isinstance(announcement, told.Value) else 0)
            self.journal.gap(reason, first, announcement.seq, self._events_of(announcement))

    def _events_of(self, left_out: told.Rows | told.Value) -> int:
        schema = self._offering.book.schemas.get(left_out.schema) if isinstance(left_out, told.Rows) else None
        rows = left_out.rows if isinstance(left_out, told.Rows) else 1
        return rows * len(schema.series) if schema is not None else rows

    def _commit(self) -> bool:
        if self.journal is None:
            return True
        before = self.journal.bytes
        try:
            self.journal.commit()
        except JournalStalled as error:
            self._stall(error)
            return False
        if self.stall is not None:
            self.stall = None
            self._trouble("", "the journal can be written again; nothing was lost", False)
        if self.journal.bytes != before:
            self._notify()
        return True

    def _notify(self) -> None:
        for runner in self.runners:
            runner.notify()
        if self.guests is not None:
            self.guests.notify()

    def _stall(self, error: JournalStalled) -> None:
        self._stalled_at = time.monotonic()
        if self.stall is None:
            self._trouble("", str(error), False)
        self.stall = str(error)

    # -- what the training process asks -----------------------------------------------------------------------------

    def _obey(self, message: Message) -> None:
        if isinstance(message, Flush):
            self._answers.owe(message)
        elif isinstance(message, Unflush):
            self._answers.forget(message.ticket)
        elif isinstance(message, Skipped):
            for runner in self.runners:
                runner.progress.skipped = message.events
        elif isinstance(message, Stock):
            self.stock = {name: one for name, one in message.content.items() if name != "loop"}
            self.loop = message.content.get("loop")
        elif isinstance(message, Tap | Untap):
            self.taps.obey(message)
        elif isinstance(message, Sample):
            self.sampling.start(message)
        elif isinstance(message, Pressure):
            self._offering.shed(_PRESSURE_SHARE)

    def last_seq(self, runner: SinkRunner) -> int:
        """The last record that this runner will ever see of what was taken so far: one that was left out never comes."""
        if isinstance(runner.feed, MemoryFeed):
            return runner.feed.last_offered
        return (self.consumer if self.journal is None else self.journal).next_seq - 1

    def synced(self) -> bool:
        """Make what was committed durable; False while the operating system refuses."""
        try:
            if self.journal is not None:
                self.journal.sync()
        except JournalStalled as error:
            self._stall(error)
            return False
        return True

    def next_chore_in(self) -> float:
        """Seconds until a turn is due though nothing was heard."""
        due = self._reports.due_in()
        if self.taps:
            due = min(due, LOOK_S)
        if self.stall is not None:
            due = min(due, max(0.0, self._stalled_at + _STALL_RETRY_S - time.monotonic()))
        return due

    def report(self) -> dict[str, Any]:
        return self._reports.content()

    # -- who attached itself ----------------------------------------------------------------------------------------

    @property
    def put_seq(self) -> int:
        """The last seq that was taken, by an earlier recorder too."""
        return self._offering.put_seq if self.journal is None else self.journal.next_seq - 1

    def total_events(self) -> int:
        return self._events

    def ending(self) -> tuple[str, str | None]:
        """How the run ended, and why."""
        return ("open", None) if self.end is None else (self.end.status, self.end.error)

    def offer_to(self, runner: SinkRunner) -> None:
        self._offering.add(runner)

    def offer_no_more(self, runner: SinkRunner) -> None:
        self._offering.drop(runner)

    def _trouble(self, route: str, text: str, fatal: bool) -> None:
        self.consumer.send(Trouble(route, text, fatal))

    def _said(self, route: str, level: int, name: str, text: str) -> None:
        self.consumer.send(Said(route, level, name, text))

    def _hold(self, route: str, held: bool) -> None:
        self.consumer.send(Hold(route, held))
