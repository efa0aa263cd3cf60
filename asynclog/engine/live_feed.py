"""A route's batches from memory while it keeps up, and from the journal while it doesn't.

What the engine takes is offered here before it is on disk, as references into shared memory: that is how a large tensor reaches
another process without a copy. A sink that falls behind loses its place in memory, never an event: it reads on in the journal,
at its cursor, until it has caught up.

    listening   what is offered is queued; ``next`` takes from the queue what follows on what it took last
    behind      nothing is queued; ``next`` reads the journal; at its end the feed listens again

Between the two a record may be neither in the queue nor yet in the file. Each offer therefore names the seq it follows: one
that follows on more than was taken waits until the journal has what is missing.
"""

import threading
from collections import Counter, deque
from pathlib import Path
from typing import Final, NamedTuple

from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import BATCH_BYTES, BATCH_EVENTS, Delivery, Ending, Gathering
from asynclog.engine.journal_feed import JournalFeed
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selector
from asynclog.shm.lease import lease_of
from asynclog.shm.lending import Allowance
from asynclog.wire.rewind import Steps
from asynclog.wire.stream import Record

_MOST_RECORDS: Final = 4096
_OVERHEAD_BYTES: Final = 512


class Offer(NamedTuple):
    """A record as it was put. after: the last seq before those it takes; segment: of the journal, in which it lies or will."""

    record: Record
    always: int
    after: int
    segment: int


class LiveFeed(JournalFeed):
    """bit: of the route in due masks, None for one that the stream doesn't know. limit: bytes that may wait in memory, of slabs
    those that their pieces keep. together: what a batch in hand may keep, with all others and with what was lent."""

    def __init__(
        self,
        route: Route,
        stream: Path,
        writer: str,
        own_epoch: int,
        cursor: Cursor | None,
        *,
        bit: int | None,
        limit: int,
        together: Allowance | None = None,
        rewound: Steps | None = None,
    ) -> None:
        super().__init__(route, stream, writer, own_epoch, cursor, rewound)
        self._bit, self._limit, self._together = bit, limit, together or Allowance()
        self._taken: list[tuple[int, int, int]] = []
        self._lock = threading.Lock()
        self._queue: deque[Offer] = deque()
        self._pieces: Counter[tuple[int, int]] = Counter()
        self._queued_bytes = 0
        self._listening = self._over = False
        self._ending: Ending | None = None
        self._offered_seq = -1
        self._segment = 0
        self._astray = False
        """Whether the journal has grown by what was taken from memory, and its tail is to be found again."""

    # -- from the engine's thread -----------------------------------------------------------------------------------

    def offer(self, offer: Offer) -> None:
        """A record that was put. Whoever is behind will read it."""
        with self._lock:
            self._offered_seq = offer.record.frame.seq
            if not self._listening:
                return
            self._queue.append(offer)
            self._queued_bytes += self._kept(offer.record, 1)
            if self._queued_bytes > self._limit or len(self._queue) > _MOST_RECORDS:
                self._fall_behind()

    def note(self, seq: int) -> None:
        """Records up to ``seq`` were put before this feed was offered any: the journal has them, or will."""
        with self._lock:
            self._offered_seq = max(self._offered_seq, seq)

    def shed(self) -> None:
        """Let go of memory: shared memory is short, and the journal has or will have it all."""
        with self._lock:
            if self._pieces:
                self._fall_behind()

    def end(self, ending: Ending | None = None) -> None:
        """No more will be offered, and the journal is complete."""
        with self._lock:
            self._ending = ending
            self._over = True

    @property
    def ending(self) -> Ending | None:
        return self._ending or super().ending

    def _kept(self, record: Record, change: int) -> int:
        """Bytes that a record keeps, or kept, from others. A piece keeps its slab, and the next one of the same slab no
        more."""
        payload = record.frame.payload
        lease = lease_of(payload)
        if lease is None:
            return _OVERHEAD_BYTES + len(payload)
        name = (lease.ref.slab, lease.ref.generation)
        others = self._pieces[name] - (change < 0)
        self._pieces[name] += change
        if not self._pieces[name]:
            del self._pieces[name]
        return _OVERHEAD_BYTES + (0 if others else lease.mapping.size)

    def _fall_behind(self) -> None:
        self._listening = False
        self._queue.clear()
        self._pieces.clear()
        self._queued_bytes = 0

    # -- from the runner's thread -----------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        return self._listening

    def next(self) -> Delivery | None:
        self._give_back()
        gathered = Gathering()
        while not gathered.offered and (offers := self._continuing()):
            for offer in offers:
                self._take_live(offer, gathered)
        if gathered.offered:
            return self._delivery(gathered, ended=False)
        with self._lock:
            if self._listening and not self._queue and self._reached >= self._offered_seq:
                return self._delivery(gathered, ended=True) if self._over else None
            if self._over:
                # What is missing in memory the journal has.
                self._fall_behind()
        if self._astray:
            # Behind what was taken from memory, from the segment in which that lies.
            self._astray = False
            self.begin_at(self._segment, self._reached)
        delivery = super().next()
        if delivery is None and self._epoch == self._own_epoch:
            with self._lock:
                self._listening = not self._over
        return delivery

    def _continuing(self) -> list[Offer]:
        """What of the queue follows on what was taken, about as much as a batch holds; it leaves the queue."""
        found: list[Offer] = []
        events = nbytes = 0
        reached = self._reached
        with self._lock:
            while self._queue and events < BATCH_EVENTS and nbytes < BATCH_BYTES:
                offer = self._queue[0]
                seq = offer.record.frame.seq
                if seq > reached and offer.after > reached:
                    break
                if not self._may_hold(offer.record):
                    # It would wait in memory for whoever keeps the rest.
                    self._fall_behind()
                    break
                self._queue.popleft()
                self._queued_bytes -= self._kept(offer.record, -1)
                if seq > reached:
                    found.append(offer)
                    reached = seq
                    events += offer.record.events
                    nbytes += len(offer.record.frame.payload)
        return found

    def _take_live(self, offer: Offer, gathered: Gathering) -> None:
        if self._selector is None:
            self._selector = Selector(self._route, self._bit)
        self._take_record(offer.record, offer.always, gathered)
        self._passed = offer.record.frame.seq
        self._segment = offer.segment
        self._astray = True

    def _may_hold(self, record: Record) -> bool:
        """Take what a batch in hand keeps from the writer, however long it is there."""
        lease = lease_of(record.frame.payload)
        if lease is None:
            return True
        slab = lease.ref.slab, lease.ref.generation, lease.mapping.size
        if not self._together.fits(*slab):
            return False
        self._together.take(*slab)
        self._taken.append(slab)
        return True

    def _give_back(self) -> None:
        for slab in self._taken:
            self._together.give_back(*slab)
        self._taken.clear()

    def commit(self, delivery: Delivery) -> None:
        super().commit(delivery)
        self._give_back()

    def close(self) -> Counters:
        with self._lock:
            self._fall_behind()
        self._give_back()
        return super().close()
