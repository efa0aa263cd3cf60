"""The runner: it serves one sink from one task, in a thread with an event loop of its own, or on the caller's loop. On a
shared loop one ``time.sleep(2)`` stopped the other sinks for 2.05 s, and ``sys.exit`` ended it: hence a thread each.

A caller's loop may end before the logger does (``asyncio.run`` twice). Its runner is then an orphan: it keeps what it had in
hand, and goes on where ``adopt`` puts it. Until then nothing it holds counts as delivered.
"""

import asyncio
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from asynclog.engine.calls import Calls
from asynclog.engine.cursor import CursorFile
from asynclog.engine.feed import Delivery, Feed
from asynclog.engine.hands import Hand, Hands
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.progress import Progress
from asynclog.engine.remote import RemoteSink
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.tickets import Tickets
from asynclog.flow.retry import BATCHES
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.sink import RunInfo
from asynclog.wire.batch import Batch

_POLL_S: Final = 1.0
_MOST_REASONS: Final = 100
_SAVE_S: Final = 0.02  # what a kill may repeat stays within a sink's own memory of what it wrote
Trouble = Callable[[str, str, bool], None]


class SinkRunner:
    """on_trouble(route, text, fatal): tell a person. total_events(): events the stream has so far, for what is pending. hand:
    where it is marked that the sink is being called. right_of_way: of the journal that shares the sink's process. batches: so
    many that fail in a row stop the sink."""

    def __init__(
        self,
        route: Route,
        feed: Feed,
        run: RunInfo,
        *,
        cursor_file: CursorFile | None,
        counters: Counters,
        on_trouble: Trouble,
        total_events: Callable[[], int],
        hand: Hand | None = None,
        right_of_way: RightOfWay | None = None,
        batches: int = BATCHES,
    ) -> None:
        self.route, self.feed = route, feed
        self.progress = Progress(feed, run.epoch, counters, cursor_file, total_events)
        self._run, self._on_trouble = run, on_trouble
        self._right_of_way = right_of_way or RightOfWay()
        self._calls = Calls(self._tell, hand or Hands.of_threads([route.name]).of(route.name), batches)
        self._phase = "opening"
        self._tickets = Tickets()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._idle = False
        self._told = False
        self._opened = self._over = False
        self._reasons: set[str] = set()
        self._saved = 0.0
        self._in_hand: Delivery | None = None
        self._fetching = threading.Lock()
        self._life = 0
        self._in_thread = False
        self.ended = threading.Event()
        self.orphaned = False

    # -- from any thread --------------------------------------------------------------------------------------------

    def start_thread(self) -> None:
        """Serve the sink in a thread and loop of its own."""
        self._calls.own_thread = True
        self._in_thread = True
        threading.Thread(target=self._serve_in_thread, name=f"asynclog-{self.route.name}", daemon=True).start()

    def _serve_in_thread(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as error:
            if self.ended.is_set() or self._calls.left:
                raise
            # A task of the sink's has ended the loop, which nobody runs again.
            self._life += 1
            self.stop_before("".join(traceback.format_exception(error)).rstrip())

    async def serve_here(self) -> None:
        """Serve the sink in the running loop, which is its own."""
        self._calls.own_thread = True
        await self.serve()

    def start_on(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Serve the sink on the caller's loop, which runs; without one in a thread."""
        if self._phase == "opening":
            self._phase = "starting"
        if loop is None:
            self.route.place = "thread"
            self.start_thread()
        else:
            self._task = loop.create_task(self.serve(), name=f"asynclog-{self.route.name}")

    def adopt(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Go on in this loop, or in a thread, if the old one has ended or stands still."""
        old = self._loop
        if old is not None and old is not loop and not old.is_running():
            self._lose_loop()
        if self.orphaned and not self.ended.is_set():
            self.orphaned = False
            self.start_on(loop)

    def stop_before(self, error: str) -> None:
        """Instead of serving it, or going on: the sink is stopped, loudly, and its route keeps its cursor and counts."""
        with suppress(OSError):
            self.progress.begin()
        self._calls.stop(error)
        self.progress.counters.add(self.feed.close())
        self._finish()

    def notify(self) -> None:
        """Something has come. Costs a wake-up only while the runner waits."""
        self._told = True
        loop, wake = self._loop, self._wake
        if self._idle and loop is not None and wake is not None:
            self._idle = False
            try:
                loop.call_soon_threadsafe(wake.set)
            except RuntimeError:
                # The caller's loop was closed.
                self._lose_loop()

    def flush(self, seq: int) -> "Future[None]":
        """Done when everything up to ``seq`` was delivered and the sink has flushed, or the sink was stopped."""
        ticket = self._tickets.issue(seq)
        if self.ended.is_set():
            self._tickets.settle_all()
        self.notify()
        return ticket

    def unflush(self, ticket: "Future[None]") -> None:
        """Nobody waits for it any more."""
        self._tickets.forget(ticket)

    def statistics(self) -> dict[str, Any]:
        own = {"state": self.state, "error": self.error, "place": self.route.place}
        remote = self.route.sink.statistics() if isinstance(self.route.sink, RemoteSink) else {}
        return self.progress.statistics() | own | remote

    @property
    def state(self) -> str:
        if self._calls.stopped:
            return "stopped"
        return "failing" if self._calls.failing and self._phase != "ended" else self._phase

    @property
    def error(self) -> str | None:
        return self._calls.error

    @property
    def waits_for_its_start(self) -> bool:
        return self._phase == "opening" and not self._calls.stopped

    @property
    def reads_journal(self) -> bool:
        return isinstance(self.feed, JournalFeed)

    # -- in the runner's own task -----------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Open, deliver until the feed ends, close."""
        self._life += 1
        life = self._life
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            if self._opened or await self._calls.attempt("open", self._open):
                self._opened = True
                self._phase = "running"
                await self._deliver_all(life)
            if life != self._life:
                return
            await self._tell_ending()
            await self._flush_if_reached()
            await self._calls.attempt("aclose", self.route.sink.aclose)
            self.progress.counters.add(self.feed.close())
            await self._save(force=True)
        except (asyncio.CancelledError, GeneratorExit):
            if life == self._life and not self._calls.left:
                if self._in_thread:
                    # For whoever runs the loop to tell.
                    self._life += 1
                else:
                    self._lose_loop()
            raise
        finally:
            # Also if the caller's loop cancels once the logger is gone: somebody may be waiting for the end.
            if life == self._life and not self.orphaned:
                self._finish()

    async def _deliver_all(self, life: int) -> None:
        while life == self._life and not self._calls.stopped and not self._calls.left:
            self._told = False
            if not self.feed.live:
                await self._right_of_way.wait()
            delivery = await self._next()
            if delivery is None:
                await self._flush_if_reached()
                await self._wait()
                continue
            await self._deliver(delivery, life)
            if delivery.ended:
                self._over = True
                break

    async def _open(self) -> None:
        if self.route.place == "caller":
            await asyncio.to_thread(self.progress.begin)
        else:
            self.progress.begin()
        opening = getattr(self.route.sink, "open", None)
        if opening is not None:
            await opening(self._run)

    async def _next(self) -> Delivery | None:
        # In the training process the loop is the caller's: reading files belongs in a thread.
        if self.route.place == "caller":
            await asyncio.to_thread(self._fetch)
        else:
            self._fetch()
        return self._in_hand

    def _fetch(self) -> None:
        """Into the hand, so that it is there for the next loop if this one ends meanwhile."""
        with self._fetching:
            if self._in_hand is None:
                self._in_hand = self.feed.next()

    async def _wait(self) -> None:
        assert self._wake is not None
        self._wake.clear()
        self._idle = True
        if self._told:
            # It came while the feed was being looked at, when nobody needed to be woken.
            self._idle = False
            return
        delivery_may_wait = asyncio.wait_for(self._wake.wait(), _POLL_S)
        try:
            await delivery_may_wait
        except TimeoutError:
            pass
        finally:
            self._idle = False

    async def _deliver(self, delivery: Delivery, life: int) -> None:
        batch = delivery.batch
        if batch is not None:
            batch.pace = self._right_of_way.pause
        accepted = batch is None or await self._calls.attempt("write", lambda: self._write(batch))
        if life != self._life:
            # Its loop stood still, and another took over what was in hand.
            return
        # From here on without its batch, whose views would keep shared memory: a writer may be waiting for it.
        self._in_hand = None
        if (self._calls.stopped or self._calls.left) and not accepted:
            # Not settled: in a journal it waits for a later sync; from memory it is dropped and counted by close().
            return
        self.progress.settle(delivery, accepted=accepted)
        await self._save(force=False)
        await self._flush_if_reached()

    async def _write(self, batch: Batch) -> None:
        # What a failed try has rejected the next one rejects anew.
        batch.rejected.clear()
        await self.route.sink.write(batch)
        for why in batch.rejected:
            if why not in self._reasons and len(self._reasons) < _MOST_REASONS:
                self._reasons.add(why)
                self._tell(f"{why}; such values are counted as rejected", False)

    async def _tell_ending(self) -> None:
        ended, ending = getattr(self.route.sink, "run_ended", None), self.feed.ending
        if ended is None or ending is None or not self._over or self._calls.stopped or self._calls.left:
            return
        await self._calls.attempt("run_ended", lambda: ended(*ending))

    async def _flush_if_reached(self) -> None:
        reached = self._tickets.reached(lambda seq: seq <= self.feed.seq or self._calls.stopped)
        if not reached:
            return
        flush = getattr(self.route.sink, "flush", None)
        if flush is not None and not self._calls.stopped:
            await self._calls.attempt("flush", flush)
        await self._save(force=True)
        self._tickets.settle(reached)

    async def _save(self, *, force: bool) -> None:
        now = monotonic()
        if not force and now - self._saved < _SAVE_S:
            return
        self._saved = now
        try:
            if self.route.place == "caller":
                await asyncio.to_thread(self.progress.save)
            else:
                self.progress.save()
        except OSError as error:
            # The older cursor stands: after a crash more is delivered again, and nothing is left out.
            self._tell(f"its cursor can't be saved: {error}", False)

    # -- its end ----------------------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """From the thread that ends the engine: what was not served by now is left for later, and saved as pending."""
        self._calls.left = True
        try:
            self.progress.conclude()
        except OSError as error:
            self._tell(f"its cursor can't be saved: {error}", False)
        if not self.ended.is_set():
            self.notify()

    def leave(self) -> None:
        """From another thread: the logger is gone, so nothing is tried again, and whoever comes next may have the cursor. A
        sink that doesn't return is left behind."""
        self.conclude()

    def disown(self) -> None:
        """In a forked child: the cursor and its lock are the parent's."""
        self.progress.forget()

    def _lose_loop(self) -> None:
        with self._fetching:
            if self.orphaned or self.ended.is_set():
                return
            self.orphaned = True
            self._loop = self._wake = None
            self._life += 1
        self._tell("its event loop has ended; it goes on in the next one that uses the logger", False)

    def _finish(self) -> None:
        if not self._calls.stopped and not self._calls.left:
            # One that was left before it was done is told of as unfinished.
            self.progress.disown()
            self._phase = "ended"
        self.ended.set()
        self._tickets.settle_all()

    def _tell(self, text: str, fatal: bool) -> None:
        self._on_trouble(self.route.name, text, fatal)

    def __repr__(self) -> str:
        return f"<SinkRunner {self.route.name}: {self.state}, {self.progress.totals().as_dict()}>"
