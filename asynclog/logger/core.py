"""What all logger objects of one run share in the training process: the producer, the limits, the clock, and who serves what.

It opens on first use, so that building a logger touches neither disk nor processes; files are touched off the loop.
"""

import asyncio
import logging
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Literal

from asynclog.engine.settings import Journal
from asynclog.engine.travel import check_picklable
from asynclog.errors import InvalidConfiguration, InvalidValue, LoggerClosed, SinkError
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.link.messages import Finished, Flushed, Message, Pressure, Ready, Trouble
from asynclog.link.producer import Link, Producer
from asynclog.logger.due import DueBoard
from asynclog.logger.numbers import Numbers, NumberWriter
from asynclog.logger.pending import Taken
from asynclog.logger.writing import Writing
from asynclog.shm import memory
from asynclog.shm.rows import Block
from asynclog.sink import Sink
from asynclog.state import State

_log = logging.getLogger("asynclog")
_MOST_COMPLAINTS: Final = 100
_SMALLEST_QUOTA: Final = 16 << 20
YIELD_NS: Final = 5_000_000
_FLOATS: Final = {float}
_WORTH_SAYING_S: Final = 5.0
MAKING_S_PER_BYTE: Final = 2e-9
"""What fresh memory costs where it is made while the loop runs, measured: 0.7 ms a megabyte on an idle machine, 3 on a busy."""
LITTLE_BYTES: Final = 32 << 20
"""With less than this on its way, new memory is worth making."""


async def _not_open() -> None:
    """Until a MultiLogger says how to open."""


def routes_of(sinks: "list[Sink | Route]") -> list[Route]:
    """Bare sinks get a route each; names are made unique where nobody chose them. Raises InvalidConfiguration."""
    routes: list[Route] = []
    names: set[str] = set()
    for one in sinks:
        route = one if isinstance(one, Route) else Route(one)
        chosen = route.named
        base, number = route.name, 2
        while route.name in names:
            if chosen:
                raise InvalidConfiguration(f"two routes are named {route.name!r}")
            route.name, number = f"{base}-{number}", number + 1
        names.add(route.name)
        routes.append(route)
    if len(routes) > 63:
        raise InvalidConfiguration(f"at most 63 routes, got {len(routes)}")
    return routes


def _let_go_on(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Core:
    """See MultiLogger, which documents the arguments."""

    def __init__(
        self,
        run: "str | os.PathLike[str] | None",
        sinks: "list[Sink | Route]",
        limit: RateLimit | None,
        journal: Journal | None,
        quota: int | None,
        recorder: Literal["process", "thread"],
        config: Any,
        *,
        strict: bool,
        writer: str,
        switch_interval: float | None,
    ) -> None:
        if limit is not None and not isinstance(limit, RateLimit):
            raise InvalidConfiguration(f"limit: expected a RateLimit, got {limit!r}; write RateLimit({limit!r})")
        if recorder not in ("process", "thread"):
            raise InvalidConfiguration(f"recorder: expected 'process' or 'thread', got {recorder!r}")
        if quota is not None and (not isinstance(quota, int) or quota < _SMALLEST_QUOTA):
            raise InvalidConfiguration(f"slabs: expected at least {_SMALLEST_QUOTA} bytes of shared memory, got {quota!r}")
        self.directory = None if run is None else Path(run)
        self.journal = journal if self.directory is not None else None
        self.routes = routes_of(sinks)
        self.limit, self.recorder, self.strict, self.writer = limit, recorder, strict, writer
        self.config, self.switch_interval = config, switch_interval
        self.board = DueBoard(self.routes, limit, journal.limit if journal else None, self.journal is not None)
        self._place_routes()
        self.quota = quota or memory.default_quota()
        create = memory.create_shared if self._needs_sharing else memory.create_anonymous
        self.producer = Producer(
            quota=self.quota, create=create, on_room=self._on_room, on_low=self._on_low, on_message=self._on_message
        )
        self.numbers = NumberWriter(self.producer)
        self.owner = 0
        self.scopes: ContextVar[str] | None = None
        self.state = "new"
        self.offset_ns = 0
        self._last_time = 0
        self._complaints: list[str] = []
        self.complaint_count = 0
        self._copier: ThreadPoolExecutor | None = None
        self._room_waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self.room_came = threading.Condition(self.producer.lock)
        self.troubles: dict[str, SinkError] = {}
        self.flush_tickets: dict[int, Callable[[int, Flushed], None]] = {}
        self.on_finished: list[Callable[[], None]] = []
        self.listeners: list[Callable[[Link, Message], None]] = []
        self.open_off_loop: Callable[[], Awaitable[None]] = _not_open
        self.open_here: Callable[[], None] = lambda: None
        self.on_low: Callable[[], None] = lambda: None
        self._breathed_ns = 0
        self._waited_at = self._waiting_since = 0.0
        self._turned = True

    def _place_routes(self) -> None:
        self.memory_fed = 0
        for bit, route in enumerate(self.routes):
            if route.place == "process":
                route.place = "recorder"
            if route.overflow == "journal" and self.journal is None:
                raise InvalidConfiguration(f"route {route.name!r}: overflow='journal' needs a run directory")
            if route.overflow is None:
                route.overflow = "journal" if self.journal is not None else "drop_oldest"
            if route.overflow != "journal":
                self.memory_fed |= 1 << bit
            if route.place == "recorder" and self.recorder == "process":
                check_picklable(route.name, route.sink)

    @property
    def _needs_sharing(self) -> bool:
        return self.recorder == "process" and (self.journal is not None or bool(self.recorder_routes))

    @property
    def recorder_routes(self) -> list[Route]:
        return [one for one in self.routes if one.place == "recorder"]

    @property
    def local_routes(self) -> list[Route]:
        return [one for one in self.routes if one.place != "recorder"]

    # -- time -------------------------------------------------------------------------------------------------------

    def start_clock(self) -> None:
        """Wall clock once, monotonic from then on: a clock that jumps moves nothing."""
        self.offset_ns = self.numbers.since = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return time.monotonic_ns() + self.offset_ns

    def next_time(self) -> int:
        """The time of a write: its identity, so never twice the same."""
        self._last_time = max(self.now(), self._last_time + 1)
        return self._last_time

    async def breathe(self, block: Block, now: int) -> None:
        """A loop that awaits nothing but ``write`` still lets its other tasks run, every 5 ms; one that turned by itself in the
        meantime isn't made to turn again."""
        block.breathe_at = now + YIELD_NS
        if now - self._breathed_ns < YIELD_NS:
            return
        if not self._turned:
            await asyncio.sleep(0)
        self._turned = False
        self._breathed_ns = now
        asyncio.get_running_loop().call_soon(self._note_turn)

    def _note_turn(self) -> None:
        self._turned = True

    # -- states -----------------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        if self.state in ("closing", "closed"):
            raise LoggerClosed("this logger was closed; what it accepted is recorded, this write is not")

    @property
    def inert(self) -> bool:
        """In a forked child nothing is recorded: memory and sockets belong to the parent."""
        return self.state == "forked"

    def after_fork(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if self.state != "open":
            return
        self.state = "forked"
        self.producer.lock = threading.RLock()
        self.producer.blocks.shut()
        self.producer.close()
        _log.warning("a logger was inherited by a forked process (pid %d), where it records nothing", os.getpid())

    def copier(self) -> ThreadPoolExecutor:
        """The thread that copies large arrays, made when first needed."""
        if self._copier is None:
            self._copier = ThreadPoolExecutor(1, thread_name_prefix="asynclog-copy")
        return self._copier

    def stop_copier(self) -> None:
        if self._copier is not None:
            self._copier.shutdown(wait=True)

    def owner_here(self) -> Hashable:
        """Whose blocks this thread may use: the logger's own thread has those of the hot path, others have their own."""
        here = threading.get_ident()
        return here if here == self.owner else ("foreign", here)

    def begin(self, taken: Taken, state: State, owner: Hashable) -> Writing:
        """A write of what was taken, the long way."""
        return Writing(self, taken, state, owner)

    def write_plain(self, numbers: Numbers, state: State, owner: Hashable) -> Block | None:
        """A write of floats alone, in one go. Raises NoRoom, having changed nothing."""
        with self.producer.lock:
            self.check_open()
            board = self.board
            decision = board.decide(state, self.now())
            due = decision.due | board.always
            mask = None if due == board.always else due
            block = self.numbers.write(numbers, state.step, state._context, self.next_time(), mask, owner, floats=True)
            if block is not None:
                block.due_until = board.due_until(decision, state.phase)
            return block

    def is_plain(self, taken: Taken) -> bool:
        """Whether a write is of floats alone, and nothing has to be waited for."""
        if taken.values or not taken.numbers or self.producer.held or self._complaints:
            return False
        return all(set(map(type, keys.values())) == _FLOATS for _, keys in taken.numbers)

    # -- room -------------------------------------------------------------------------------------------------------

    async def room(self) -> None:
        """Until memory or a held route may have come free."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        with self.producer.lock:
            self._room_waiters.append((loop, waiter))
            self.producer.send(Pressure())
        # Room may have come between the refusal and this; look again soon, whatever is signalled.
        try:
            await asyncio.wait_for(waiter, 0.05)
        except TimeoutError:
            self.check_open()
            self._say_why_it_waits()

    async def comes_free(self, nbytes: int) -> bool:
        """Wait for a slab to come back for as long as making one would take; True if it did (or its wait was in vain, but there
        is one now). Where much is on its way memory soon comes back, and used memory is warm."""
        patience = 0.05
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience
        while (left := give_up - loop.time()) > 0:
            waiter: asyncio.Future[None] = loop.create_future()
            with self.producer.lock:
                if not self.producer.pool.lacks(nbytes):
                    return True
                if self.producer.pool.ledger.announced_bytes() < LITTLE_BYTES:
                    return False
                self._room_waiters.append((loop, waiter))
            await asyncio.wait([waiter], timeout=left)
        return False

    def _say_why_it_waits(self) -> None:
        """Once every few seconds of waiting: a loop that stands still for its logger must not wonder why."""
        now = time.monotonic()
        if now - self._waited_at > 1.0:
            self._waiting_since = now
        self._waited_at = now
        if now - self._waiting_since >= _WORTH_SAYING_S:
            self._waiting_since = now
            in_use = self.producer.pool.ledger.total_bytes >> 20
            held = f"; full routes: {', '.join(sorted(self.producer.held))}" if self.producer.held else ""
            _log.warning("a write has waited for shared memory for %.0f s (%d MiB in use%s)", _WORTH_SAYING_S, in_use, held)

    def _on_room(self) -> None:
        waiters, self._room_waiters = self._room_waiters, []
        for loop, waiter in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_let_go_on, waiter)
        self.room_came.notify_all()

    def _on_low(self) -> None:
        self.on_low()

    def check_size(self, nbytes: int, kind: str, namespace: str, key: str) -> None:
        """Raises InvalidValue for what can never fit."""
        if nbytes > self.quota // 2:
            raise InvalidValue(
                namespace=namespace,
                key=key,
                kind=kind,
                expected=f"at most half of the shared memory ({self.quota} bytes)",
                got=f"{nbytes} bytes",
                hint="MultiLogger(slabs=bytes) sets how much there is",
            )

    # -- bad input --------------------------------------------------------------------------------------------------

    def complain(self, error: InvalidValue) -> None:
        """Count bad input and record it as an event of the next commit; raise it if the logger is strict."""
        self.producer.counts.invalid += 1
        self.complaint_count += 1
        if self.strict:
            raise error
        if self.complaint_count <= _MOST_COMPLAINTS:
            self._complaints.append(str(error))
            _log.warning("not recorded: %s", error)

    def take_complaints(self) -> list[str]:
        complaints, self._complaints = self._complaints, []
        return complaints

    # -- what consumers say -----------------------------------------------------------------------------------------

    def _on_message(self, link: Link, message: Message) -> None:
        if isinstance(message, Trouble):
            self.trouble(message.route, message.text, message.fatal)
        elif isinstance(message, Flushed):
            settle = self.flush_tickets.get(message.ticket)
            if settle is not None:
                settle(link.number, message)
        elif isinstance(message, Finished):
            for action in list(self.on_finished):
                action()
        elif isinstance(message, Ready):
            pass
        for listener in self.listeners:
            listener(link, message)

    def trouble(self, route: str, text: str, fatal: bool) -> None:
        """Something went wrong elsewhere: say it once, and keep it if it ended a sink."""
        who = f"sink {route!r}" if route else "journal"
        if fatal:
            self.troubles[route] = SinkError(f"{who} was stopped:\n{text}")
            _log.error("%s was stopped: %s", who, text.splitlines()[-1] if text else "")
        else:
            _log.warning("%s: %s", who, text.splitlines()[-1] if text else "")

    def host(self) -> str:
        return platform.node()
