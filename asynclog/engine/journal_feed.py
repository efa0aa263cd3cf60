"""A route's batches from the journal: nothing waits in memory, however slow the sink is."""

from pathlib import Path
from typing import Final

from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import Delivery, Ending, Gathering
from asynclog.engine.rewinds import rewinds
from asynclog.engine.tail import Chunk, StreamTail
from asynclog.errors import DamagedFrame
from asynclog.flow.limit import Limiter
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selector
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.rewind import Steps, left_of, record_within
from asynclog.wire.stream import Record, StreamDecoder

# What a GAP may pass over: as many as a reader takes for missing rather than for damage.
_LONGEST_GAP: Final = 1 << 22


class JournalFeed:
    """Reads the journal from a cursor on; nothing waits in memory, however slow the sink is.

    own_epoch: the epoch being written; the feed ends behind its last footer. Numbers that wait to be folded are rebuilt after
    a restart by reading again from where the oldest of them stands, without delivering anything twice.

    rewound: where the own epoch went back to, which its segments may not say yet. What a rewind has superseded isn't delivered;
    it counts as filtered.
    """

    def __init__(
        self, route: Route, stream: Path, writer: str, own_epoch: int, cursor: Cursor | None, rewound: Steps | None = None
    ) -> None:
        self._route, self._writer, self._own_epoch = route, writer, own_epoch
        self._cursor = cursor or Cursor(own_epoch)
        self._stream = stream
        self._tail = StreamTail(stream, self._cursor.epoch)
        self._frames: list[Frame] = []
        self._following: Chunk | None = None
        self._rewinds = rewinds(stream) | ({own_epoch: rewound} if rewound else {})
        self._begin_epoch(self._cursor.epoch)
        self._beyond = False
        self.damaged = 0
        self.intake = Counters()
        self.events = self._cursor.events if self._cursor.epoch == own_epoch else 0
        """Events of the own epoch in what was committed so far."""

    @property
    def live(self) -> bool:
        """Whether what comes next comes from memory."""
        return False

    @property
    def cursor(self) -> Cursor:
        """Where the route stands; without its counters."""
        return Cursor(self._cursor.epoch, self._cursor.seq, self._cursor.replay_from)

    @property
    def seq(self) -> int:
        return self._cursor.seq if self._cursor.epoch == self._own_epoch else -1

    @property
    def status(self) -> str | None:
        """How the epoch ended that was read last, if it says so."""
        footer = self._decoder.footer
        return None if footer is None else str(footer.meta.get("status"))

    @property
    def ending(self) -> Ending | None:
        footer = self._decoder.footer
        if footer is None or self._epoch != self._own_epoch or footer.meta.get("status", "open") == "open":
            return None
        error = footer.meta.get("error")
        return Ending(str(footer.meta["status"]), None if error is None else str(error))

    def begin_at(self, segment: int, seq: int) -> None:
        """Read on behind ``seq`` of the own epoch, which lies in this segment or a later one."""
        self._tail.close()
        self._tail = StreamTail(self._stream, self._own_epoch, segment)
        self._frames, self._following = [], None
        self._decoder = StreamDecoder(last_seq=seq)

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._decoder = StreamDecoder()
        self._selector: Selector | None = None
        self._waiting_since = -1
        self._passed = -1
        self._events_read = 0
        self._steps = left_of(epoch, self._rewinds)
        self._may_wait_beyond = bool(self._steps)

    @property
    def _reached(self) -> int:
        """The last seq that was read, or that a GAP says will never come."""
        return max(self._decoder.last_seq, self._passed)

    def next(self) -> Delivery | None:
        gathered = Gathering()
        while not gathered.full:
            if not self._frames:
                chunk, self._following = self._following or self._tail.next(), None
                if chunk is None:
                    break
                if chunk.epoch > self._own_epoch:
                    # The writer's next life is another stream: whoever serves that one delivers it.
                    self._beyond = True
                    break
                if chunk.epoch != self._epoch:
                    if gathered.offered or self._waiting_since >= 0:
                        # The old epoch is settled before the new one begins.
                        self._following = chunk
                        return self._delivery(gathered, ended=False, epoch_over=True)
                    self._begin_epoch(chunk.epoch)
                self.damaged += len(chunk.damage)
                self._frames = chunk.frames[::-1]
                continue
            self._take(self._frames.pop(), gathered)
        ended = self._ended
        if not gathered.offered and not ended and self._reached <= self._cursor.seq:
            if self._epoch == self._own_epoch:
                # All of it was delivered before a restart, and from memory maybe more than the journal has.
                self.events = max(self.events, self._events_read)
            return None
        return self._delivery(gathered, ended=ended)

    @property
    def _ended(self) -> bool:
        footer = self._decoder.footer
        complete = footer is not None and footer.meta.get("status", "open") != "open"
        return self._epoch >= self._own_epoch and not self._frames and (complete or self._beyond)

    def _take(self, frame: Frame, gathered: Gathering) -> None:
        try:
            record = self._decoder.feed(frame)
            if frame.kind == Kind.GAP:
                self._pass_over(frame.meta.get("to_seq"))
        except DamagedFrame:
            self.damaged += 1
            return
        if frame.kind == Kind.SEGMENT:
            self._selector = self._selector or self._select()
        if record is not None:
            self._take_record(record, self._decoder.always, gathered)

    def _take_record(self, record: Record, always: int, gathered: Gathering) -> None:
        if self._selector is None:
            self._selector = self._select()
        seq = record.frame.seq
        self._events_read += record.events
        if self._epoch == self._cursor.epoch and seq <= self._cursor.seq:
            # A limit of the route's own, which the stream knows nothing of, counts from the stream's beginning.
            if seq >= self._cursor.replay_from or self._selector.limiter is not None:
                self._selector.take(record, always)
                if seq < self._cursor.replay_from:
                    # Nothing of it waited any more when the cursor was saved.
                    self._selector.forget()
                self._note_waiting(seq)
            return
        self._leave_out(gathered)
        held = record_within(record, self._decoder.book.series, self._steps) if self._steps else record
        if held is not None:
            gathered.take(self._selector, held, always)
        if held is not record:
            gathered.leave_out(record.events - (0 if held is None else held.events))
        self._note_waiting(seq)

    def _leave_out(self, gathered: Gathering) -> None:
        """Settle what waited when the cursor was saved, before training went back behind it."""
        if self._may_wait_beyond and self._selector is not None:
            self._may_wait_beyond = False
            gathered.settled.filtered += self._selector.leave_out(self._steps)

    def _pass_over(self, last: object) -> None:
        if isinstance(last, int) and last - self._reached <= _LONGEST_GAP:
            self._passed = max(self._passed, last)

    def _select(self) -> Selector:
        names = self._decoder.routes
        bit = names.index(self._route.name) if self._route.name in names else None
        limiter = Limiter(self._route.limit) if bit is None and self._route.limit is not None else None
        return Selector(self._route, bit, limiter)

    def _note_waiting(self, seq: int) -> None:
        assert self._selector is not None
        if not self._selector.waiting:
            self._waiting_since = -1
        elif self._waiting_since < 0:
            self._waiting_since = seq

    def _delivery(self, gathered: Gathering, *, ended: bool, epoch_over: bool = False) -> Delivery:
        seq = max(self._reached, self._cursor.seq if self._epoch == self._cursor.epoch else -1)
        if (ended or epoch_over) and self._selector is not None:
            self._leave_out(gathered)
            gathered.end(self._selector, seq + 1)
            self._waiting_since = -1
        batch = gathered.batch(self._writer, self._epoch)
        replay_from = self._waiting_since if self._waiting_since >= 0 else seq + 1
        return Delivery(
            batch,
            gathered.delivered,
            gathered.settled,
            gathered.offered,
            seq,
            self._epoch,
            replay_from,
            ended,
            gathered.time_ns,
        )

    def commit(self, delivery: Delivery) -> None:
        self._cursor = Cursor(delivery.epoch, delivery.seq, delivery.replay_from)
        if delivery.epoch == self._own_epoch:
            self.events = self._events_read

    def close(self) -> Counters:
        self._tail.close()
        return Counters()
