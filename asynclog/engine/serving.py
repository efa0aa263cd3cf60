"""What a runner does for its sink, from one task: open it, give it batch after batch, flush and close it, and keep the cursor.

A batch is taken into the hand, written, and settled; only then is the next one fetched. What is in the hand outlives the task:
where its loop ends, whoever goes on finds it there.
"""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from asynclog.engine.calls import Calls
from asynclog.engine.feed import Delivery, Feed
from asynclog.engine.progress import Progress
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.tickets import Tickets
from asynclog.engine.waking import Waking
from asynclog.flow.route import Route
from asynclog.sink import RunInfo
from asynclog.wire.batch import Batch

T = TypeVar("T")
_MOST_REASONS: Final = 100
_SAVE_S: Final = 0.02  # what a kill may repeat stays within a sink's own memory of what it wrote


class Serving:
    """tell(text, fatal): tell a person. right_of_way: of the journal that shares the sink's process."""

    def __init__(
        self,
        route: Route,
        feed: Feed,
        run: RunInfo,
        progress: Progress,
        calls: Calls,
        right_of_way: RightOfWay,
        tell: Callable[[str, bool], None],
    ) -> None:
        self.waking, self.tickets = Waking(), Tickets()
        self.hand_lock = threading.Lock()
        self._route, self._feed, self._run = route, feed, run
        self._progress, self._calls, self._right_of_way, self._tell = progress, calls, right_of_way, tell
        self._opened = self._over = False
        self._reasons: set[str] = set()
        self._saved = 0.0
        self._in_hand: Delivery | None = None

    async def open(self) -> bool:
        """Open the sink, unless an earlier task has; False if it can't be."""
        self._opened = self._opened or await self._calls.attempt("open", self._open)
        return self._opened

    async def deliver(self, here: Callable[[], bool]) -> None:
        """Until the feed ends or the sink is given up. here(): whether this is still the task that serves it."""
        while here() and not self._calls.stopped and not self._calls.left:
            self.waking.look()
            if not self._feed.live:
                await self._right_of_way.wait()
            delivery = await self._next()
            if delivery is None:
                await self._flush_if_reached()
                await self.waking.wait()
                continue
            await self._deliver(delivery, here)
            if delivery.ended:
                self._over = True
                break

    async def end(self) -> None:
        """Tell the sink how the run ended, if it has; flush and close it."""
        await self._tell_ending()
        await self._flush_if_reached()
        await self._calls.attempt("aclose", self._route.sink.aclose)
        self._progress.counters.add(self._feed.close())
        await self._save(force=True)

    async def _aside(self, work: Callable[[], T]) -> T:
        """Do what touches files. In the training process the loop is the caller's: there it belongs in a thread."""
        return await asyncio.to_thread(work) if self._route.place == "caller" else work()

    async def _open(self) -> None:
        await self._aside(self._progress.begin)
        opening = getattr(self._route.sink, "open", None)
        if opening is not None:
            await opening(self._run)

    async def _next(self) -> Delivery | None:
        await self._aside(self._fetch)
        return self._in_hand

    def _fetch(self) -> None:
        """Into the hand, so that it is there for the next loop if this one ends meanwhile."""
        with self.hand_lock:
            if self._in_hand is None:
                self._in_hand = self._feed.next()

    async def _deliver(self, delivery: Delivery, here: Callable[[], bool]) -> None:
        batch = delivery.batch
        if batch is not None:
            batch.pace = self._right_of_way.pause
        accepted = batch is None or await self._calls.attempt("write", lambda: self._write(batch))
        if not here():
            # Its loop stood still, and another took over what was in hand.
            return
        # From here on without its batch, whose views would keep shared memory: a writer may be waiting for it.
        self._in_hand = None
        if (self._calls.stopped or self._calls.left) and not accepted:
            # Not settled: in a journal it waits for a later sync; from memory it is dropped and counted by close().
            return
        self._progress.settle(delivery, accepted=accepted)
        await self._save(force=False)
        await self._flush_if_reached()

    async def _write(self, batch: Batch) -> None:
        # What a failed try has rejected the next one rejects anew.
        batch.rejected.clear()
        await self._route.sink.write(batch)
        for why in batch.rejected:
            if why not in self._reasons and len(self._reasons) < _MOST_REASONS:
                self._reasons.add(why)
                self._tell(f"{why}; such values are counted as rejected", False)

    async def _tell_ending(self) -> None:
        ended, ending = getattr(self._route.sink, "run_ended", None), self._feed.ending
        if ended is None or ending is None or not self._over or self._calls.stopped or self._calls.left:
            return
        await self._calls.attempt("run_ended", lambda: ended(*ending))

    async def _flush_if_reached(self) -> None:
        reached = self.tickets.reached(lambda seq: seq <= self._feed.seq or self._calls.stopped)
        if not reached:
            return
        flush = getattr(self._route.sink, "flush", None)
        if flush is not None and not self._calls.stopped:
            await self._calls.attempt("flush", flush)
        await self._save(force=True)
        self.tickets.settle(reached)

    async def _save(self, *, force: bool) -> None:
        now = monotonic()
        if not force and now - self._saved < _SAVE_S:
            return
        self._saved = now
        try:
            await self._aside(self._progress.save)
        except OSError as error:
            # The older cursor stands: after a crash more is delivered again, and nothing is left out.
            self._tell(f"its cursor can't be saved: {error}", False)
