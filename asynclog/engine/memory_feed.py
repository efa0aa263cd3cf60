"""A route's batches from a bounded queue between the engine's thread and the runner's."""

import threading
from collections.abc import Callable

from asynclog.engine.feed import Delivery, Ending, Gathering
from asynclog.flow.queue import BoundedQueue, Dropped, Overflow
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selector
from asynclog.wire.stream import Record


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
        self.ending: Ending | None = None
        self._waiting = 0
        self.last_offered = -1
        self.intake = Counters()
        """What came and what had to go, under the lock: another thread counts the rest."""

    @property
    def live(self) -> bool:
        return True

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

    def end(self, ending: Ending | None = None) -> None:
        self.ending = ending
        self._ended = True

    def next(self) -> Delivery | None:
        gathered = Gathering()
        with self._lock:
            # In one look: what is offered between two would come after the end.
            waiting, ended = self._queue.peek(1024), self._ended
            last = self.last_offered if not waiting else waiting[-1][0].frame.seq
        for record, always in waiting:
            gathered.take(self._selector, record, always)
        if not waiting:
            if ended:
                gathered.end(self._selector, self.last_offered + 1)
                batch = gathered.batch(self._writer, self._epoch)
                return Delivery(batch, gathered.delivered, gathered.settled, 0, self.last_offered, self._epoch, 0, ended=True)
            self._seq = max(self._seq, last)
            return None
        batch = gathered.batch(self._writer, self._epoch)
        return Delivery(batch, gathered.delivered, gathered.settled, 0, last, self._epoch, 0, time_ns=gathered.time_ns)

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
