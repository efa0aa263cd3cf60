"""What all logger objects of one run share in the training process: the producer, the limits, the clock, and who serves what.

It opens on first use, so that building a logger touches neither disk nor processes; files are touched off the loop.
"""

import asyncio
import logging
import os
import platform
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Final, Literal

from asynclog.artifacts.settings import Artifacts
from asynclog.engine.settings import Journal
from asynclog.errors import InvalidValue, LoggerClosed, SinkError, WouldBlock
from asynclog.flow.hooks import NO_HOOKS, journaled
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.link.links import Link
from asynclog.link.messages import Finished, Flushed, Message, Said, Trouble
from asynclog.link.producer import Producer
from asynclog.logger.arguments import place
from asynclog.logger.aside import Aside
from asynclog.logger.desk import ArtifactDesk
from asynclog.logger.devices import Devices
from asynclog.logger.due import DueBoard
from asynclog.logger.loan_account import LoanAccount
from asynclog.logger.numbers import Numbers, NumberWriter
from asynclog.logger.pending import Logged, Taken
from asynclog.logger.precedents import Precedents
from asynclog.logger.room import LITTLE_BYTES, Room
from asynclog.logger.writing import Writing
from asynclog.shm import memory
from asynclog.shm.rows import Block
from asynclog.state import State

_log = logging.getLogger("asynclog")
_MOST_COMPLAINTS: Final = 100
YIELD_NS: Final = 5_000_000
HELD_NS: Final = 1_000_000
_FLOATS: Final = {float}

__all__ = ["LITTLE_BYTES", "Core"]


async def _not_open() -> None:
    """Until a MultiLogger says how to open."""


class Core:
    """See MultiLogger, which documents the arguments."""

    def __init__(
        self,
        directory: Path | None,
        routes: list[Route],
        limit: RateLimit | None,
        journal: Journal,
        quota: int | None,
        recorder: Literal["process", "thread"],
        config: Any,
        *,
        strict: bool,
        writer: str,
        switch_interval: float | None,
        artifacts: Artifacts,
    ) -> None:
        self.directory = directory
        self.journal = journal if directory is not None else None
        self.routes = routes
        self.limit, self.recorder, self.strict, self.writer = limit, recorder, strict, writer
        self.config, self.switch_interval, self.artifacts = config, switch_interval, artifacts
        self.board = DueBoard(self.routes, limit, journal.limit, self.journal is not None)
        self.hooks = NO_HOOKS if self.journal is None else journaled(journal.kinds)
        self.give_settings: Callable[[], list[Logged]] | None = None
        """Settings that were given with the logger and wait for its first write."""
        self.wanted_hooks = reduce(or_, (one.hooks for one in routes), self.hooks)
        self.memory_fed = place(routes, journaled=self.journal is not None, recorder=recorder)
        self.quota = quota or memory.default_quota()
        create = memory.create_shared if self._needs_sharing else memory.create_anonymous
        self._room = Room(self.check_open)
        self.producer = Producer(
            quota=self.quota, create=create, on_room=self._on_room, on_low=self._on_low, on_message=self._on_message
        )
        self.numbers = NumberWriter(self.producer)
        self.loans = LoanAccount(self.producer, self.quota, self._on_room)
        self.precedents = Precedents()
        self.owner = 0
        self.scopes: ContextVar[Any] | None = None
        self.state = "new"
        self.offset_ns = 0
        self._last_time = 0
        self.table_columns: dict[tuple[str, str], Sequence[str] | None] = {}
        self._complaints: list[str] = []
        self.complaint_count = 0
        self._copier: ThreadPoolExecutor | None = None
        self.devices = Devices(self)
        self.desk: ArtifactDesk | None = None
        self.aside = Aside(self)
        self.failure: BaseException | None = None
        """What nobody caught, once the interpreter has said so."""
        self.troubles: dict[str, SinkError] = {}
        self.flush_tickets: dict[int, Callable[[int, Flushed], None]] = {}
        self.on_finished: list[Callable[[], None]] = []
        self.listeners: list[Callable[[Link, Message], None]] = []
        self.open_off_loop: Callable[[], Awaitable[None]] = _not_open
        self.open_here: Callable[[], None] = lambda: None
        self.on_low: Callable[[], None] = lambda: None
        self.on_breath: Callable[[], None] = lambda: None
        self._breathed_ns = 0
        self._turned = True
        self._held_ns = 0
        self._way_is_free = True

    @property
    def _needs_sharing(self) -> bool:
        return self.recorder == "process" and (self.journal is not None or bool(self.recorder_routes))

    @property
    def recorder_routes(self) -> list[Route]:
        """Those whose sinks live in the recorder, or in workers under it."""
        return [one for one in self.routes if one.place in ("recorder", "process")]

    @property
    def local_routes(self) -> list[Route]:
        return [one for one in self.routes if one.place not in ("recorder", "process")]

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
        self.on_breath()
        asyncio.get_running_loop().call_soon(self._note_turn)

    async def make_way(self) -> None:
        """Before a write of values: where others' have held the loop for HELD_NS without its turning, it turns first. Of tasks
        that end at one moment, each costs little, and all of them together a stall."""
        loop = asyncio.get_running_loop()
        if not self._way_is_free:
            if time.monotonic_ns() - self._held_ns < HELD_NS:
                return
            await asyncio.sleep(0)
        self._way_is_free = False
        self._held_ns = time.monotonic_ns()
        loop.call_soon(self._free_way)

    def _free_way(self) -> None:
        self._way_is_free = True

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
        self.devices.after_fork()
        self.producer.lock = threading.RLock()
        self.producer.blocks.shut()
        for link in self.producer.links.values():
            if link.channel is not None:
                link.channel.after_fork()
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
        """A write of floats alone, in one go. Raises NoRoom, and InvalidValue for a key that is no str, having changed
        nothing."""
        with self.producer.lock:
            self.check_open()
            board = self.board
            # One time for both: two deliveries are then never closer than their limit says.
            now = self.next_time()
            decision = board.decide(state, now)
            due = decision.due | board.always
            mask = None if due == board.always else due
            block = self.numbers.write(numbers, state.step, state._context, now, mask, owner, floats=True)
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
        with self.producer.lock:
            self.loans.sweep()
        await self._room.wait(self.producer)

    def room_here(self) -> None:
        """The same, waiting in this thread. Raises WouldBlock where that would be for ever: a full route's sink lives on the
        loop that stands still meanwhile."""
        with self.producer.lock:
            self.loans.sweep()
            stuck = sorted(one.name for one in self.local_routes if one.place == "caller" and one.name in self.producer.held)
        if stuck and asyncio._get_running_loop() is not None:
            names = ", ".join(stuck)
            raise WouldBlock(f"routes {names} are full, and their sinks live on the loop of this thread: await write")
        self._room.wait_here(self.producer)

    async def comes_free(self, nbytes: int) -> bool:
        """Wait for a slab to come back for as long as making one would take; True if it did (or its wait was in vain, but there
        is one now). Where much is on its way memory soon comes back, and used memory is warm."""
        return await self._room.comes_free(self.producer, nbytes)

    def came_free(self) -> None:
        """Memory came free; under the producer's lock."""
        self._on_room()

    def _on_room(self) -> None:
        self._room.came()

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

    def note(self, text: str) -> None:
        """Say what became of something that was written, and record it as an event of the next commit."""
        self.complaint_count += 1
        if self.complaint_count <= _MOST_COMPLAINTS:
            self._complaints.append(text)
            _log.warning("%s", text)

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
        elif isinstance(message, Said):
            logging.getLogger(message.name).log(message.level, "sink %r: %s", message.route, message.text)
        for listener in list(self.listeners):
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
