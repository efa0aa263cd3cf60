"""What a run's journal still owes a route that nobody serves: read to its end, by whoever finishes the work later.

A live route ends with the footer that its own recorder writes. Here the recorder may be gone without one, may be replaced by
the writer's next life, or may write on while it is read; whoever asks decides whether to stay until it ends.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import Delivery, Ending, Gathering
from asynclog.engine.footers import events_by_epoch
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.rundir import segments
from asynclog.flow.route import Route
from asynclog.flow.select import Counters

_NO_END: Final = "no end was recorded: what wrote the run and its recorder were both gone"


class BacklogFeed(JournalFeed):
    """own_epoch: the newest. grows(): whether a process still writes the stream. follow: wait for what it writes; otherwise the
    feed ends about where the journal does now, and tells of no ending while the stream grows.
    """

    def __init__(
        self,
        route: Route,
        stream: Path,
        writer: str,
        own_epoch: int,
        cursor: Cursor | None,
        *,
        grows: Callable[[], bool],
        follow: bool,
    ) -> None:
        super().__init__(route, stream, writer, own_epoch, cursor)
        self._grows, self._follow = grows, follow
        self._halted = self._lost = self._over = False
        self._first_epoch = self._cursor.epoch
        self._settled_here = self._cursor.events
        self._known = events_by_epoch(stream)
        # A run may grow faster than it is delivered.
        self._until = max((epoch, number, path.stat().st_size) for epoch, number, path in segments(stream))

    def halt(self) -> None:
        """From any thread: end before the next delivery, wherever that is."""
        self._halted = True

    @property
    def halted(self) -> bool:
        """Whether it ended, or will, before the stream did."""
        return self._halted

    @property
    def ending(self) -> Ending | None:
        if self._halted:
            return None
        return Ending("killed", _NO_END) if self._lost else super().ending

    def next(self) -> Delivery | None:
        if self._halted:
            return self._standing()
        # Asked before the files are: whoever finds nobody writing has seen everything that will come.
        grows = self._grows()
        if grows and not self._follow and self._reached_now:
            self._halted = True
            return self._standing()
        found = super().next()
        if found is not None:
            return found
        if self._beyond or not grows:
            self._lost = not self._beyond
            return self._delivery(Gathering(), ended=True)
        if not self._follow:
            self._halted = True
            return self._standing()
        return None

    @property
    def _reached_now(self) -> bool:
        """Whether all is read that was there when the feed began."""
        return self._tail.place >= self._until and not self._frames and self._following is None

    def _standing(self) -> Delivery:
        """Ends the feed without settling anything: numbers that wait to be folded go on waiting, in a later life."""
        cursor = self._cursor
        return Delivery(None, 0, Counters(), 0, cursor.seq, cursor.epoch, cursor.replay_from, ended=True)

    def commit(self, delivery: Delivery) -> None:
        super().commit(delivery)
        self._over = delivery.ended and not self._halted
        self._settled_here = self._events_read

    @property
    def remaining(self) -> int:
        """Events that the journal holds beyond the cursor; in a segment that is being written, nobody has counted them yet."""
        if self._over:
            return 0
        later = sum(events for epoch, events in self._known.items() if epoch > self._cursor.epoch)
        return later + max(0, self._known.get(self._cursor.epoch, 0) - self._settled_here)

    def read_bytes(self) -> tuple[int, int]:
        """(how far it has read, how long the stream is), of the epochs from the cursor's on, as they are now."""
        at = self._tail.place
        done = total = 0
        for epoch, number, path in segments(self._stream):
            if self._first_epoch <= epoch <= self._own_epoch:
                size = path.stat().st_size
                total += size
                done += size if (epoch, number) < at[:2] else at[2] if (epoch, number) == at[:2] else 0
        return (total, total) if self._over else (min(done, total), total)
