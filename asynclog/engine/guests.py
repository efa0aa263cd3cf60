"""Processes that attached themselves to a live run: each is served from a thread of its own, like a sink, but by no route.

It says what it wants, and from where on; then it is handed batches until it leaves or the run ends. It may die or stop at any
moment: nobody waits for it, neither a flush nor, for long, the end. What it wasn't given it finds in the journal.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from asynclog.engine.cursor import Cursor
from asynclog.engine.host import told
from asynclog.engine.live_feed import LiveFeed
from asynclog.engine.runner import SinkRunner
from asynclog.engine.served import ProcessGone, Served
from asynclog.engine.tail import segment_of
from asynclog.errors import InvalidConfiguration
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.shm.lending import Lending
from asynclog.sink import Batch as AnyBatch
from asynclog.sink import RunInfo
from asynclog.wire.batch import Batch

if TYPE_CHECKING:
    from asynclog.engine.engine import Engine

MOST_GUESTS: Final = 64
_HELLO_S: Final = 5.0
PATIENCE_S: Final = 5.0
"""At the end: what a guest hasn't taken by then it reads in the journal."""


class _AnotherLife(Exception):
    """It wants to go on in an epoch that is over: the rest of that lies in the journal."""


class GuestSink:
    """What stands for an attached process. leave(): nothing is to be tried again."""

    takes_console: ClassVar[bool] = True
    hooks = True

    def __init__(self, served: Served, end: Callable[[], "tuple[str, str | None]"]) -> None:
        self._served, self._end = served, end
        self.leave: Callable[[], None] = lambda: None
        self.cut = False
        """Whether its time is up before it has had everything: it is hung up on, and reads the rest."""

    async def open(self, run: RunInfo) -> None:
        await self._called("open", told(run))

    async def write(self, batch: AnyBatch, /) -> None:
        assert isinstance(batch, Batch)
        try:
            await self._served.write(batch)
        except Exception:
            self.leave()
            raise

    async def aclose(self) -> None:
        if not self._served.gone and not self.cut:
            await self._called("end", [*self._end()])
            await self._called("aclose")

    async def _called(self, what: Any, content: Any = None) -> None:
        try:
            await self._served.call(what, content)
        except Exception:
            self.leave()
            raise


class Guests:
    """Of one engine. wake(): it is to make a turn."""

    def __init__(self, engine: "Engine", stream: Path) -> None:
        self._engine, self._stream = engine, stream
        self.runners: list[SinkRunner] = []
        self._served: dict[SinkRunner, Served] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._threads = self._busy = 0

    def welcome(self, sock: socket.socket, pid: int) -> bool:
        """Serve somebody from a thread, once it has said what it wants. False if the system gives no thread for it."""
        with self._lock:
            if self._threads >= 2 * MOST_GUESTS:
                # There is no end of those who come though they were told.
                sock.close()
                return True
            full = self._threads >= MOST_GUESTS
            self._threads += 1
            self._busy += 1
        thread = threading.Thread(target=self._attend, args=(sock, pid, full), name=f"asynclog-guest-{pid}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads -= 1
                self._busy -= 1
            sock.close()
            return False
        return True

    def notify(self) -> None:
        for one in self.runners:
            one.notify()

    def report(self) -> list[dict[str, Any]]:
        """Of those that are served: pid, counters, whether they keep up, and the bytes of slabs they look into."""
        found = []
        for runner, served in list(self._served.items()):
            known = runner.statistics()
            found.append(
                {
                    "name": runner.route.name,
                    "delivered": known["delivered"],
                    "behind_s": known["behind_s"],
                    "behind_records": max(0, self._engine.put_seq - runner.feed.seq),
                    "live": runner.feed.live,
                    "lent_bytes": served.lending.held_bytes,
                }
            )
        return found

    def left(self) -> bool:
        """Whether some are still being served."""
        return self._busy > 0

    def close(self) -> None:
        """Let go of them."""
        for one in self.runners:
            assert isinstance(one.route.sink, GuestSink)
            one.route.sink.cut = True
            one.leave()

    def _attend(self, sock: socket.socket, pid: int, full: bool) -> None:
        try:
            asyncio.run(self._attend_to(sock, pid, full))
        finally:
            with self._lock:
                self._threads -= 1

    async def _attend_to(self, sock: socket.socket, pid: int, full: bool) -> None:
        served = Served(sock, Lending(self._engine.settings.lent_bytes, self._engine.allowance))
        try:
            try:
                await self._serve(served, pid, full)
            finally:
                with self._lock:
                    self._busy -= 1
            if served.leaving:
                # What it has taken it may go on to look at.
                await served.over
        finally:
            served.close()

    async def _serve(self, served: Served, pid: int, full: bool) -> None:
        runner = None
        try:
            what, *wishes = await asyncio.wait_for(served.hello, _HELLO_S)
            if full:
                # Said, not just hung up: it would take that for a recorder's death, and come again at once.
                raise InvalidConfiguration(f"{MOST_GUESTS} processes are attached already")
            if what == "report":
                await served.tell(["report", self._engine.report() | {"slabs": self._engine.stock}])
                return
            runner = self._runner(served, pid, *wishes)
            # If its recorder dies before anything came, it goes on from there.
            await served.tell(["begins", self._engine.settings.run.epoch, runner.feed.seq])
            await runner.serve_here()
        except _AnotherLife:
            await served.tell(["over"])
        except (ProcessGone, TimeoutError, InvalidConfiguration, TypeError, ValueError) as error:
            await served.tell(["refused", str(error)])
        finally:
            if runner is not None:
                self._forget(runner)

    def _runner(self, served: Served, pid: int, start: str, epoch: int, seq: int, filters: dict[str, Any]) -> SinkRunner:
        """start: "beginning" (of the epoch), "now", or "behind" the record (epoch, seq). Raises what a wrong wish raises."""
        engine, settings = self._engine, self._engine.settings
        sink = GuestSink(served, engine.ending)
        with self._lock:
            self._number += 1
            name = f"attached-{self._number}-{pid}"
        if not isinstance(filters, dict):
            raise InvalidConfiguration(f"filters: expected a map, got {filters!r}")
        names = {one: filters.get(one) for one in ("kinds", "namespaces", "phases", "level", "levels")}
        route = Route(sink, name=name, place="process", deadline=PATIENCE_S, **names)
        route.ephemeral = True
        run = settings.run
        cursor = Cursor(run.epoch)
        if start == "behind" and int(epoch) != run.epoch:
            raise _AnotherLife
        if start == "behind":
            cursor = Cursor(run.epoch, int(seq), int(seq) + 1)
        elif start == "now":
            seq = engine.put_seq
            cursor = Cursor(run.epoch, seq, seq + 1)
        limit, together = settings.lent_bytes, engine.allowance
        feed = LiveFeed(route, self._stream, run.writer, run.epoch, cursor, bit=None, limit=limit, together=together)
        if cursor.seq >= 0:
            feed.begin_at(segment_of(self._stream, run.epoch, cursor.seq), cursor.seq)
        runner = SinkRunner(
            route,
            feed,
            run,
            cursor_file=None,
            counters=Counters(),
            on_trouble=_quiet,
            total_events=engine.total_events,
        )
        sink.leave = runner.leave
        with self._lock:
            self._served[runner] = served
            self.runners = [*self.runners, runner]
        engine.offer_to(runner)
        return runner

    def _forget(self, runner: SinkRunner) -> None:
        self._engine.offer_no_more(runner)
        with self._lock:
            self._served.pop(runner, None)
            self.runners = [one for one in self.runners if one is not runner]


def _quiet(route: str, text: str, fatal: bool) -> None:
    """A guest that goes is no trouble."""
