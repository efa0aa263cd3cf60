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
from typing import Any

from asynclog.engine.calls import Calls
from asynclog.engine.cursor import CursorFile
from asynclog.engine.feed import Feed
from asynclog.engine.hands import Hand, Hands
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.progress import Progress
from asynclog.engine.remote import RemoteSink
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.serving import Serving
from asynclog.flow.retry import BATCHES
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.sink import RunInfo

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
        self._on_trouble = on_trouble
        self._calls = Calls(self._tell, hand or Hands.of_threads([route.name]).of(route.name), batches)
        self._phase = "opening"
        way = right_of_way or RightOfWay()
        self._serving = Serving(route, feed, run, self.progress, self._calls, way, self._tell)
        self._tickets = self._serving.tickets
        self._task: asyncio.Task[None] | None = None
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
        old = self._serving.waking.loop
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
        if not self._serving.waking.tell():
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
        self._serving.waking.begin()
        try:
            if await self._serving.open():
                self._phase = "running"
                await self._serving.deliver(lambda: life == self._life)
            if life != self._life:
                return
            await self._serving.end()
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
        with self._serving.hand_lock:
            if self.orphaned or self.ended.is_set():
                return
            self.orphaned = True
            self._serving.waking.lose()
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
