"""The runner: the one place that isolates. Whatever a sink does (block, raise, hang, ``sys.exit``) ends here, is counted, and
touches nothing else.

A runner serves one sink from one task: in a thread with an event loop of its own, or on the caller's loop. On a shared loop
one ``time.sleep(2)`` stopped the other sinks for 2.05 s, and ``sys.exit`` ended it: hence a thread each.
"""

import asyncio
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.feed import Delivery, Feed, JournalFeed
from asynclog.engine.settings import EngineSettings
from asynclog.flow.retry import Retry, Verdict
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.sink import RunInfo

_POLL_S: Final = 1.0
_SAVE_S: Final = 0.02  # what a kill may repeat stays within a sink's own memory of what it wrote
Trouble = Callable[[str, str, bool], None]


class SinkRunner:
    """on_trouble(route, text, fatal): tell a person. total_events(): events the stream has so far, for what is pending."""

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
    ) -> None:
        self.route, self.feed, self.counters = route, feed, counters
        self.state = "opening"
        self.error: str | None = None
        self._run, self._cursor_file = run, cursor_file
        self._on_trouble, self._total_events = on_trouble, total_events
        self._retry = Retry()
        self._tickets: list[tuple[int, Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._idle = False
        self._told = False
        self._stopped = self._left = False
        self._saved = 0.0
        self._last: Delivery | None = None
        self.ended = threading.Event()
        self._thread: threading.Thread | None = None

    # -- from any thread --------------------------------------------------------------------------------------------

    def start_thread(self) -> None:
        """Serve the sink in a thread and loop of its own."""
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve()), name=f"asynclog-{self.route.name}", daemon=True
        )
        self._thread.start()

    def notify(self) -> None:
        """Something has come. Costs a wake-up only while the runner waits."""
        self._told = True
        if self._idle and self._loop is not None and self._wake is not None:
            self._idle = False
            self._loop.call_soon_threadsafe(self._wake.set)

    def flush(self, seq: int) -> "Future[None]":
        """Done when everything up to ``seq`` was delivered and the sink has flushed, or the sink was stopped."""
        ticket: Future[None] = Future()
        self._tickets.append((seq, ticket))
        if self.ended.is_set():
            self._settle_tickets_now()
        self.notify()
        return ticket

    def statistics(self) -> dict[str, Any]:
        counted = self._totals()
        if isinstance(self.feed, JournalFeed):
            counted.offered += max(0, self._total_events() - self.feed.events)
        return counted.as_dict() | {"state": self.state, "error": self.error, "place": self.route.place}

    def _totals(self) -> Counters:
        counted = Counters()
        counted.add(self.counters)
        counted.add(self.feed.intake)
        return counted

    @property
    def reads_journal(self) -> bool:
        return isinstance(self.feed, JournalFeed)

    # -- in the runner's own task -----------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Open, deliver until the feed ends, close."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            if await self._attempt(self._open):
                self.state = "running"
                await self._deliver_all()
            await self._flush_if_reached()
            await self._attempt(self._close, tries=1)
            self.counters.add(self.feed.close())
            await self._save(force=True)
        finally:
            # Also if the caller's loop cancels: somebody may be waiting for the end.
            self._finish()

    async def _deliver_all(self) -> None:
        while not self._stopped and not self._left:
            self._told = False
            delivery = await self._next()
            if delivery is None:
                await self._flush_if_reached()
                await self._wait()
                continue
            await self._deliver(delivery)
            if delivery.ended:
                break

    async def _open(self) -> None:
        if self._cursor_file is not None and self.reads_journal:
            # A sink that is down for the whole of this life is owed it in the next.
            begun = Cursor(self._run.epoch)
            if self.route.place == "caller":
                await asyncio.to_thread(self._cursor_file.begin, begun)
            else:
                self._cursor_file.begin(begun)
        opening = getattr(self.route.sink, "open", None)
        if opening is not None:
            await opening(self._run)

    async def _close(self) -> None:
        await self.route.sink.aclose()

    async def _next(self) -> Delivery | None:
        # In the training process the loop is the caller's: reading files belongs in a thread.
        if self.route.place == "caller":
            return await asyncio.to_thread(self.feed.next)
        return self.feed.next()

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

    async def _deliver(self, delivery: Delivery) -> None:
        batch = delivery.batch

        async def write() -> None:
            if batch is not None:
                await self.route.sink.write(batch)

        accepted = await self._attempt(write)
        if self._stopped and not accepted:
            # Not settled: in a journal it waits for a later sync; from memory it is dropped and counted by close().
            return
        settled = Counters(offered=delivery.offered)
        settled.add(delivery.settled)
        if accepted:
            settled.delivered += delivery.delivered
        else:
            settled.rejected += delivery.delivered
        self.feed.commit(delivery)
        self.counters.add(settled)
        # Without its batch, whose views would keep shared memory until the next one comes: a writer may be waiting for it.
        self._last = replace(delivery, batch=None)
        await self._save(force=False)
        await self._flush_if_reached()

    async def _attempt(self, action: Callable[[], Any], tries: int | None = None) -> bool:
        """Do what may fail as often as the retry rules say; True if it went well in the end."""
        while True:
            try:
                await action()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    if self._thread is None:
                        raise
                    # In a thread of its own nobody but the sink can have asked for it.
                    while task.uncancel():
                        pass
                failure: BaseException = SystemExit("the sink cancelled its own task")
            except BaseException as error:  # noqa: BLE001 - this is the one place that isolates
                failure = error
            else:
                # A flush that goes well says nothing about the batches that don't.
                if tries is None:
                    self._retry.succeeded()
                    self.state = "running" if self.state == "failing" else self.state
                return True
            self._note(failure)
            if tries == 1:
                return False
            if self._left:
                self._stopped = True
                return False
            verdict = self._retry.failed(failure)
            # Its traceback holds this frame, and so the batch: a cycle would keep shared memory until it is collected.
            del failure
            if verdict is Verdict.AGAIN:
                self.state = "failing"
                await asyncio.sleep(self._retry.delay_s)
                continue
            if verdict is Verdict.STOP or action == self._open:
                self._stopped = True
                self.state = "stopped"
                self._on_trouble(self.route.name, self.error or "", True)
            return False

    def _note(self, error: BaseException) -> None:
        self.error = "".join(traceback.format_exception(error)).rstrip()
        self._on_trouble(self.route.name, self.error, False)

    async def _flush_if_reached(self) -> None:
        reached = [one for one in self._tickets if one[0] <= self.feed.seq or self._stopped]
        if not reached:
            return
        flush = getattr(self.route.sink, "flush", None)
        if flush is not None and not self._stopped:
            await self._attempt(flush, tries=1)
        await self._save(force=True)
        for one in reached:
            self._tickets.remove(one)
            one[1].set_result(None)

    async def _save(self, *, force: bool) -> None:
        now, file = time.monotonic(), self._cursor_file
        if file is None or self._last is None or (not force and now - self._saved < _SAVE_S):
            return
        self._saved = now
        cursor = Cursor(self._last.epoch, self._last.seq, self._last.replay_from, self._totals())
        try:
            if self.route.place == "caller":
                await asyncio.to_thread(file.save, cursor)
            else:
                file.save(cursor)
        except OSError as error:
            # The older cursor stands: after a crash more is delivered again, and nothing is left out.
            self._on_trouble(self.route.name, f"its cursor can't be saved: {error}", False)

    def leave(self) -> None:
        """From another thread: the logger is gone, so nothing is tried again, and whoever comes next may have the cursor. A
        sink that doesn't return is left behind."""
        self._left = True
        if not self.ended.is_set():
            self.disown()
            self.notify()

    def disown(self) -> None:
        """Let go of the cursor and its lock: at the end, and in a forked child, where they are the parent's."""
        file, self._cursor_file = self._cursor_file, None
        if file is not None:
            file.close()

    def _finish(self) -> None:
        self.disown()
        if not self._stopped:
            self.state = "ended"
        self.ended.set()
        self._settle_tickets_now()

    def _settle_tickets_now(self) -> None:
        while self._tickets:
            ticket = self._tickets.pop()[1]
            if not ticket.done():
                ticket.set_result(None)

    def __repr__(self) -> str:
        return f"<SinkRunner {self.route.name}: {self.state}, {self._totals().as_dict()}>"


def journal_runner(route: Route, settings: EngineSettings, on_trouble: Trouble, total_events: Callable[[], int]) -> SinkRunner:
    """A runner in the training process: it reads the journal that the recorder writes. Not started yet."""
    run = settings.run
    assert settings.stream is not None
    assert run.directory is not None
    file = None if route.ephemeral else CursorFile(run.directory, route.name, run.writer)
    cursor = None if file is None else file.load()
    return SinkRunner(
        route,
        JournalFeed(route, settings.stream, run.writer, run.epoch, cursor),
        replace(run, resumed=cursor is not None and cursor.moved),
        cursor_file=file,
        counters=Counters() if cursor is None else cursor.counters,
        on_trouble=on_trouble,
        total_events=total_events,
    )
