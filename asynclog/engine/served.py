"""A process that an engine serves, from the engine's end: a worker that hosts a sink, or one that attached itself.

It is called (open, write, flush, aclose), one call at a time, and answers each. Large payloads that lie in shared memory go as
references, and stay lent until the process lets go of them or is gone; beyond its limit it gets copies, so that what it keeps
costs nobody else. What it says is bounded and checked: a process that says anything else is cut off.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable, StaleLease
from asynclog.link.pipe import Pipe
from asynclog.shm.lease import lease_of
from asynclog.shm.lending import Lending
from asynclog.shm.memory import Mapping
from asynclog.wire.batch import Batch
from asynclog.wire.parcel import Packing

Call = Literal["open", "write", "flush", "run_ended", "end", "aclose"]
_LONGEST_ANSWER: Final = 1 << 20
_LOOK_S: Final = 0.25
_Said = Callable[[int, str, str], None]


class ProcessGone(SinkUnavailable):
    """The process at the other end is gone, or was cut off."""


class _Traceback(Exception):
    """The traceback of another process, as text: shown as the cause of what is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Served:
    """sock: ours from now on. lending: what it has been lent. on_said(level, logger's name, text): its log records."""

    def __init__(self, sock: socket.socket, lending: Lending, on_said: _Said = lambda level, name, text: None) -> None:
        self.lending = lending
        self._pipe = Pipe(sock, most_bytes=_LONGEST_ANSWER)
        self._packing = Packing()
        self._passed: dict[int, Mapping] = {}
        self._on_said = on_said
        self._ticket = 0
        self._answer: asyncio.Future[Any] | None = None
        self._raw: list[memoryview] = []
        self._placed: list[tuple[int, int]] = []
        self._raw_bytes = 0
        self.hello: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        """What a process that attached itself wants: the first that it says."""
        self.leaving = False
        """Whether it takes no more, and only keeps what it was lent."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""
        self._pipe.start(self._hear, self._ended)
        self._look_again()

    @property
    def gone(self) -> bool:
        return self._pipe.ended is not None

    async def call(self, what: Call, content: Any = None) -> Any:
        """Have it do something, and wait for its answer: None, or of a write what it rejected. Raises what it raised, as far as
        that matters to whoever retries, with its traceback as the cause; ProcessGone."""
        raw, self._raw, self._raw_bytes = self._raw, [], 0
        if self.gone or self.leaving:
            raise ProcessGone(self._pipe.ended or "the process is gone")
        self._ticket += 1
        self._answer = asyncio.get_running_loop().create_future()
        self._pipe.post(["call", self._ticket, what, content], raw=raw)
        self._packing.sent()
        try:
            return await self._answer
        finally:
            # What it raised holds the frames it came through, and so the batch.
            self._answer = None

    async def write(self, batch: Batch) -> None:
        """Hand it a batch; returns when it has accepted it. Raises as ``call``."""
        if self.gone or self.leaving:
            # Before anything is lent that nobody would give back.
            raise ProcessGone(self._pipe.ended or "the process is gone")
        try:
            content = self._packing.pack(batch, self._place)
        except BaseException:
            # No descriptor is left, say: what it never heard of it will never give back.
            for slab, generation in self._placed:
                self.lending.release(slab, generation, 1)
            self._raw, self._raw_bytes = [], 0
            raise
        finally:
            self._placed.clear()
        for why, events in (await self.call("write", content) or {}).items():
            batch.reject(why, events)

    async def tell(self, fields: list[Any]) -> None:
        """Say something that is not answered."""
        self._pipe.post(fields)
        await self._pipe.sent()

    def close(self) -> None:
        """Hang up. What it was lent counts as given back."""
        self._pipe.close()
        self._ended("")

    # -- memory -----------------------------------------------------------------------------------------------------

    def _place(self, payload: memoryview) -> list[int]:
        lease = lease_of(payload)
        if lease is not None and lease.mapping.fd >= 0:
            ref = lease.piece(payload)
            if self.lending.fits(ref.slab, ref.generation, lease.mapping.size):
                self._pass_on(ref.slab, lease.mapping)
                self.lending.lend(ref.slab, ref.generation, lease.mapping.size, payload)
                self._placed.append((ref.slab, ref.generation))
                return [*ref]
        at = self._raw_bytes
        self._raw.append(payload.cast("B"))
        self._raw_bytes += payload.nbytes
        return [at, payload.nbytes]

    def _pass_on(self, slab: int, mapping: Mapping) -> None:
        if slab not in self._passed:
            self._pipe.post(["slab", slab, mapping.size], descriptors=[mapping.fd])
            self._passed[slab] = mapping

    def _look_again(self) -> None:
        """Slabs whose memory the writer has given back go there, too, be anything written or not: the writer may be waiting for
        just that memory."""
        if self.gone:
            return
        for number in [number for number, one in self._passed.items() if one.fd < 0]:
            del self._passed[number]
            self._pipe.post(["gone", number])
        asyncio.get_running_loop().call_later(_LOOK_S, self._look_again)

    # -- what it says -----------------------------------------------------------------------------------------------

    def _hear(self, fields: list[Any], _: memoryview) -> None:
        match fields:
            case ["returned", int(ticket), *outcome]:
                if ticket == self._ticket and self._answer is not None and not self._answer.done():
                    self._settle(self._answer, outcome)
            case ["release", list(pieces)]:
                self._release(pieces)
            case ["said", int(level), str(name), str(text)]:
                self._on_said(level, name, text)
            case ["leaving"]:
                self.leaving = True
                self._fail_waiting("it left")
            case ["hello", *wishes] if not self.hello.done():
                self.hello.set_result(wishes)
            case _:
                self._pipe.close("it said what no such process says")
                self._ended("it said what no such process says")

    def _settle(self, answer: "asyncio.Future[Any]", outcome: list[Any]) -> None:
        match outcome:
            case []:
                answer.set_result(None)
            case [dict(rejected)] if all(isinstance(why, str) and isinstance(n, int) and n > 0 for why, n in rejected.items()):
                answer.set_result(rejected)
            case ["misconfigured", str(), str(text)]:
                answer.set_exception(InvalidConfiguration(text))
            case [str(verdict), str(kind), str(text)]:
                error = _raised(verdict, kind)(text.rstrip().rpartition("\n")[2])
                error.__cause__ = _Traceback(text)
                answer.set_exception(error)
            case _:
                answer.set_exception(ProcessGone("it answered what no such process answers"))

    def _release(self, pieces: list[Any]) -> None:
        for piece in pieces:
            match piece:
                case [int(slab), int(generation), int(count)]:
                    try:
                        self.lending.release(slab, generation, count)
                    except StaleLease as error:
                        self._on_said(30, "asynclog", str(error))
                case _:
                    self._on_said(30, "asynclog", "a release that names no piece")

    def _ended(self, why: str) -> None:
        self.lending.clear()
        self._fail_waiting(why or "the process is gone")
        if not self.over.done():
            self.over.set_result(None)

    def _fail_waiting(self, why: str) -> None:
        for waiting in (self._answer, self.hello):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ProcessGone(why))
                # Nobody may be waiting for it any more.
                waiting.exception()

    def __repr__(self) -> str:
        return f"<Served: {'gone' if self.gone else 'up'}, {self.lending!r}>"


class RemoteError(Exception):
    """What a sink raised in another process; its own type's name is this one's."""


@lru_cache(maxsize=256)
def _raised(verdict: str, kind: str) -> type[Exception]:
    """A type by the name of what was raised there: a streak of failures is told anew when its type changes."""
    bases: dict[str, type[Exception]] = {"unavailable": SinkUnavailable, "rejected": SinkRejected}
    return type(kind[:100], (bases.get(verdict, RemoteError),), {"__module__": "another process"})
