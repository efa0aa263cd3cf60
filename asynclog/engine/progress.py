"""How far a route has come: what it has settled, what is still before it, and the cursor file that says so.

Counters of a cursor are of what was settled. What the journal holds beyond it is saved beside them, as pending, so that the
file and a live logger tell the same; it is taken off again when the route goes on.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.feed import Delivery, Feed
from asynclog.engine.journal_feed import JournalFeed
from asynclog.flow.select import Counters


class Progress:
    """total_events(): events the stream has so far. skipped: values no route was asked about, since none was due; the training
    process counts them, and tells at its end."""

    def __init__(
        self, feed: Feed, epoch: int, counters: Counters, file: CursorFile | None, total_events: Callable[[], int]
    ) -> None:
        self.feed, self.counters, self.skipped = feed, counters, 0
        self.refused = 0
        """Events of batches that were not taken at all, since this began."""
        self._file, self._total_events = file, total_events
        self._place = feed.cursor if isinstance(feed, JournalFeed) else Cursor(epoch)
        self._begun = self._place
        self._changed = False
        self._settled_ns = time.time_ns()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Save where the route begins: a sink that is down for the whole of this life is owed it in the next."""
        with self._lock:
            if self._file is not None and isinstance(self.feed, JournalFeed):
                self._file.begin(self._begun)

    def settle(self, delivery: Delivery, *, accepted: bool) -> None:
        """A delivery is done with, one way or the other. Of an accepted one the sink may have rejected some."""
        settled = Counters(offered=delivery.offered)
        settled.add(delivery.settled)
        rejected = 0 if delivery.batch is None else min(delivery.delivered, sum(delivery.batch.rejected.values()))
        if not accepted:
            rejected = delivery.delivered
            self.refused += rejected
        settled.delivered += delivery.delivered - rejected
        settled.rejected += rejected
        self.feed.commit(delivery)
        self.counters.add(settled)
        self._place = Cursor(delivery.epoch, delivery.seq, delivery.replay_from)
        self._changed = True
        self._settled_ns = max(self._settled_ns, delivery.time_ns)

    def totals(self) -> Counters:
        """What was settled, and what came and went before it was looked at."""
        counted = Counters()
        counted.add(self.counters)
        counted.add(self.feed.intake)
        return counted

    def statistics(self) -> dict[str, Any]:
        counted = self.totals()
        counted.offered += self._ahead()
        behind = (time.time_ns() - self._settled_ns) / 1e9 if counted.pending else 0.0
        return counted.as_dict() | {"behind_s": round(max(0.0, behind), 3)}

    def _ahead(self) -> int:
        return max(0, self._total_events() - self.feed.events) if isinstance(self.feed, JournalFeed) else 0

    def save(self) -> None:
        """Save the cursor, if anything was settled. Raises OSError; the older one then stands."""
        if self._changed:
            self._save()

    def _save(self) -> None:
        counted = self.totals()
        counted.add(Counters(offered=self.skipped, not_due=self.skipped))
        place = self._place
        events = self.feed.events if isinstance(self.feed, JournalFeed) else 0
        with self._lock:
            if self._file is not None:
                self._file.save(Cursor(place.epoch, place.seq, place.replay_from, counted, events), self._ahead())

    def conclude(self) -> None:
        """From whatever thread ends the engine: the last word on a route that was stopped, or left behind. Raises OSError."""
        try:
            self._save()
        finally:
            self.disown()

    def disown(self) -> None:
        """Let go of the cursor and its lock."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def forget(self) -> None:
        """The same in a forked child, where they are the parent's, and where whoever held our own lock does not exist."""
        self._lock = threading.Lock()
        self.disown()
