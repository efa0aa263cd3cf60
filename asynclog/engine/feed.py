"""Where a route's batches come from: the journal, or a bounded queue in memory.

Both give a Delivery from ``next``, which may read files, and forget it only at ``commit``: peek, write, commit.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asynclog.engine.cursor import Cursor
from asynclog.engine.tail import Chunk, StreamTail
from asynclog.errors import DamagedFrame
from asynclog.flow.limit import Limiter
from asynclog.flow.queue import BoundedQueue, Dropped, Overflow
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selector
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.stream import Record, StreamDecoder

BATCH_EVENTS: Final = 16_384
BATCH_BYTES: Final = 4 << 20


@dataclass
class Delivery:
    """A batch and what becomes true once it was delivered. batch is None where nothing is left to deliver."""

    batch: Batch | None
    delivered: int
    settled: Counters
    offered: int
    seq: int
    epoch: int
    replay_from: int
    ended: bool = False


@dataclass
class _Gathering:
    """Parts of the batch that is being put together."""

    parts: list["Rows | Events"] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    settled: Counters = field(default_factory=Counters)
    delivered: int = 0
    offered: int = 0
    nbytes: int = 0
    first_seq: int = -1

    @property
    def full(self) -> bool:
        return self.delivered >= BATCH_EVENTS or self.nbytes >= BATCH_BYTES

    def take(self, selector: Selector, record: Record, always: int) -> None:
        selection = selector.take(record, always)
        self.settled.add(selection.settled)
        self.offered += record.events
        self.nbytes += len(record.frame.payload)
        if selection.parts:
            self.parts.extend(selection.parts)
            self.frames.append(record.frame)
            self.delivered += selection.events
            if self.first_seq < 0:
                self.first_seq = record.frame.seq


class JournalFeed:
    """Reads the journal from a cursor on; nothing waits in memory, however slow the sink is.

    own_epoch: the epoch being written; the feed ends behind its last footer. Numbers that wait to be folded are rebuilt after
    a restart by reading again from where the oldest of them stands, without delivering anything twice.
    """

    def __init__(self, route: Route, stream: Path, writer: str, own_epoch: int, cursor: Cursor | None) -> None:
        self._route, self._writer, self._own_epoch = route, writer, own_epoch
        self._cursor = cursor or Cursor(own_epoch)
        self._tail = StreamTail(stream, self._cursor.epoch)
        self._frames: list[Frame] = []
        self._following: Chunk | None = None
        self._begin_epoch(self._cursor.epoch)
        self.damaged = 0
        self.intake = Counters()
        self.events = 0
        """Events of the own epoch in what was committed so far."""

    @property
    def seq(self) -> int:
        return self._cursor.seq if self._cursor.epoch == self._own_epoch else -1

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._decoder = StreamDecoder()
        self._selector: Selector | None = None
        self._waiting_since = -1

    def next(self) -> Delivery | None:
        gathered = _Gathering()
        while not gathered.full:
            if not self._frames:
                chunk, self._following = self._following or self._tail.next(), None
                if chunk is None:
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
        if not gathered.offered and not ended and self._decoder.last_seq <= self._cursor.seq:
            if self._epoch == self._own_epoch:
                # All of it was delivered before a restart.
                self.events = self._decoder.events
            return None
        return self._delivery(gathered, ended=ended)

    @property
    def _ended(self) -> bool:
        footer = self._decoder.footer
        return (
            self._epoch >= self._own_epoch
            and not self._frames
            and footer is not None
            and footer.meta.get("status", "open") != "open"
        )

    def _take(self, frame: Frame, gathered: _Gathering) -> None:
        try:
            record = self._decoder.feed(frame)
        except DamagedFrame:
            self.damaged += 1
            return
        if frame.kind == Kind.SEGMENT:
            self._selector = self._selector or self._select()
        if record is None:
            return
        if self._selector is None:
            self._selector = self._select()
        seq = frame.seq
        if self._epoch == self._cursor.epoch and seq <= self._cursor.seq:
            # A limit of the route's own, which the stream knows nothing of, counts from the stream's beginning.
            if seq >= self._cursor.replay_from or self._selector.limiter is not None:
                self._selector.take(record, self._decoder.always)
                self._note_waiting(seq)
            return
        gathered.take(self._selector, record, self._decoder.always)
        self._note_waiting(seq)

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

    def _delivery(self, gathered: _Gathering, *, ended: bool, epoch_over: bool = False) -> Delivery:
        if (ended or epoch_over) and self._selector is not None:
            gathered.settled.add(self._selector.end())
            self._waiting_since = -1
        seq = max(self._decoder.last_seq, self._cursor.seq if self._epoch == self._cursor.epoch else -1)
        batch = None
        if gathered.parts:
            batch = Batch(
                gathered.parts, writer=self._writer, epoch=self._epoch, seq=gathered.first_seq, frames=gathered.frames
            )
        replay_from = self._waiting_since if self._waiting_since >= 0 else seq + 1
        return Delivery(batch, gathered.delivered, gathered.settled, gathered.offered, seq, self._epoch, replay_from, ended)

    def commit(self, delivery: Delivery) -> None:
        self._cursor = Cursor(delivery.epoch, delivery.seq, delivery.replay_from)
        if delivery.epoch == self._own_epoch:
            self.events = self._decoder.events

    def close(self) -> Counters:
        self._tail.close()
        return Counters()


class MemoryFeed:
    """A bounded queue between the engine's thread and the runner's.

    on_hold(held): a blocking route is full, or not any more.
    """

    def __init__(
        self,
        route: Route,
        writer: str,
        epoch: int,
        bit: int,
        policy: Overflow,
        limit: int,
        on_hold: Callable[[bool], None],
    ) -> None:
        self._writer, self._epoch = writer, epoch
        self._selector = Selector(route, bit)
        self._queue: BoundedQueue[tuple[Record, int]] = BoundedQueue(policy, limit)
        self._on_hold = on_hold
        self._lock = threading.Lock()
        self._seq = -1
        self._ended = False
        self._waiting = 0
        self.last_offered = -1
        self.intake = Counters()
        """What came and what had to go, under the lock: another thread counts the rest."""

    @property
    def seq(self) -> int:
        return self._seq

    def offer(self, record: Record, always: int) -> Dropped:
        """From the engine's thread; returns what had to go."""
        with self._lock:
            was_held = self._queue.held
            nbytes = len(record.frame.payload) + 256
            dropped = self._queue.offer((record, always), nbytes, record.events)
            self.last_offered = record.frame.seq
            self.intake.add(Counters(offered=record.events, dropped=dropped.events))
            if self._queue.held and not was_held:
                # Said under the lock: a later "not any more" from the runner's thread must not overtake it.
                self._on_hold(True)
        return dropped

    def shed(self, share: float) -> Dropped:
        """Let go of memory: a queue that may drop keeps only a share of its limit."""
        with self._lock:
            if self._queue.policy != "drop_oldest":
                return Dropped()
            dropped = self._queue.shed(int(self._queue.limit * share))
            self.intake.dropped += dropped.events
            return dropped

    def end(self) -> None:
        self._ended = True

    def next(self) -> Delivery | None:
        gathered = _Gathering()
        with self._lock:
            # In one look: what is offered between two would come after the end.
            waiting, ended = self._queue.peek(1024), self._ended
            last = self.last_offered if not waiting else waiting[-1][0].frame.seq
        for record, always in waiting:
            gathered.take(self._selector, record, always)
        if not waiting:
            if ended:
                return Delivery(None, 0, self._selector.end(), 0, self.last_offered, self._epoch, 0, True)
            self._seq = max(self._seq, last)
            return None
        batch = None
        if gathered.parts:
            batch = Batch(
                gathered.parts, writer=self._writer, epoch=self._epoch, seq=gathered.first_seq, frames=gathered.frames
            )
        return Delivery(batch, gathered.delivered, gathered.settled, 0, last, self._epoch, 0)

    def commit(self, delivery: Delivery) -> None:
        with self._lock:
            if self._queue.commit():
                self._on_hold(False)
        self._waiting = self._selector.waiting
        self._seq = max(self._seq, delivery.seq)

    def close(self) -> Counters:
        with self._lock:
            was_held = self._queue.held
            self.intake.dropped += self._queue.close().events
        if was_held:
            # The sink was stopped: nobody must wait for room in its queue any more.
            self._on_hold(False)
        # What waited to be folded into a delivery that never came.
        return Counters(dropped=self._waiting)


Feed = JournalFeed | MemoryFeed
