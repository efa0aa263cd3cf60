"""A sink's host: the other end of ``engine.served``, in the process that the sink lives in.

It takes calls, one after the other, and answers each; what the sink raises goes home with its traceback. Arrays of a batch look
into shared memory and own their leases: when the last of them is gone, its piece is given back.
"""

import asyncio
import socket
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from asynclog.errors import DamagedFrame, InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.link.pipe import Pipe
from asynclog.shm.lease import Lease
from asynclog.shm.memory import Mapping
from asynclog.shm.slab import Ref
from asynclog.sink import RunInfo, Sink
from asynclog.wire.parcel import Unpacking

_MOST_BYTES: Final = 1 << 30
_MOST_RAW: Final = 1 << 40
_LONGEST_TEXT: Final = 64 << 10
_MOST_UNSENT: Final = 1000


class Host:
    """make(): gives the sink, at its first ``open``. hello: what is wanted, of one that attaches itself. on_end: called when no
    more calls will come, before the sink's last one has returned."""

    def __init__(
        self,
        sock: socket.socket,
        make: Callable[[], Sink],
        on_end: Callable[[], None] = lambda: None,
        hello: list[Any] | None = None,
    ) -> None:
        self._pipe = Pipe(sock, most_bytes=_MOST_BYTES, most_raw=_MOST_RAW, descriptors=True)
        self._make, self._on_end, self._hello = make, on_end, hello
        self._sink: Sink | None = None
        self._calls: deque[tuple[int, str, Any, memoryview] | None] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._slabs: dict[int, Mapping] = {}
        self._unpacking = Unpacking()
        self._returned: deque[Ref] = deque()
        self._held = 0
        """Leases whose pieces were not told to be given back."""
        self._leaving = False
        self._telling = False
        self._unsaid = 0
        self.refused: str | None = None
        """Why the other end would not serve."""
        self.over = False
        """Whether what is wanted is over, and lies in the journal."""
        self.begins: tuple[int, int] | None = None
        """(epoch, seq) of the record behind which it begins to serve, of one that attaches itself."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    async def serve(self) -> bool:
        """Take calls until ``aclose``, or until the other end is gone; True if the sink was closed in order."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._pipe.start(self._hear, self._gone)
        if self._hello is not None:
            self._pipe.post(["hello", *self._hello])
        while (call := await self._next()) is not None:
            ticket, what, content, raw = call
            del call
            outcome = await self._done(what, content, raw)
            # No view of it is kept here while the next call is waited for.
            del content, raw
            self._pipe.post(["returned", ticket, *outcome])
            await self._pipe.sent()
            if what == "aclose" and not outcome:
                self._pipe.close()
                return True
        return False

    async def _next(self) -> "tuple[int, str, Any, memoryview] | None":
        if not self._calls:
            assert self._loop is not None
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._calls.popleft()

    def _add(self, call: "tuple[int, str, Any, memoryview] | None") -> None:
        self._calls.append(call)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _done(self, what: str, content: Any, raw: memoryview) -> list[Any]:
        try:
            if what == "open":
                self._sink = self._make() if self._sink is None else self._sink
                opening = getattr(self._sink, "open", None)
                if opening is not None:
                    await opening(_run(content))
            elif self._sink is None:
                raise SinkRejected(f"{what} before open")
            elif what == "write":
                batch = self._unpacking.unpack(content, self._look(raw))
                await self._sink.write(batch)
                return [batch.rejected] if batch.rejected else []
            elif what == "end":
                await self._sink.end(*content)  # type: ignore[attr-defined]  # of who attached itself
            elif what == "aclose":
                await self._sink.aclose()
            elif what == "flush" and hasattr(self._sink, "flush"):
                await self._sink.flush()
            elif what == "run_ended" and hasattr(self._sink, "run_ended"):
                await self._sink.run_ended(*content)
        except BaseException as error:  # noqa: BLE001 - whatever a sink raises goes home, where the runner decides
            return _outcome(error)
        finally:
            await _take_cancellations()
        return []

    def leave(self) -> None:
        """Take no more calls. The connection stays for as long as arrays look into what was lent over it."""
        self._leaving = True
        self._pipe.post(["leaving"])
        self._close_if_left()
        self._add(None)

    def _close_if_left(self) -> None:
        if self._leaving and not self._held:
            self._pipe.close()

    # -- memory -----------------------------------------------------------------------------------------------------

    def _look(self, raw: memoryview) -> Callable[[Any], memoryview]:
        def look(place: Any) -> memoryview:
            if len(place) == 2:
                at, nbytes = place
                return raw[at : at + nbytes].toreadonly()
            ref = Ref(*place)
            mapping = self._slabs[ref.slab]
            if ref.offset < 0 or ref.nbytes < 0 or ref.offset + ref.nbytes > mapping.size:
                raise DamagedFrame(f"{ref} lies outside of its slab of {mapping.size} bytes")
            self._held += 1
            return memoryview(Lease(mapping, ref, self._give_back).array())  # type: ignore[arg-type]

        return look

    def _give_back(self, ref: Ref) -> None:
        """From whichever thread lets go of an array last."""
        self._returned.append(ref)
        if not self._telling:
            self._telling = True
            self._soon(self._tell_returned)

    def _tell_returned(self) -> None:
        self._telling = False
        pieces: Counter[tuple[int, int]] = Counter()
        while self._returned:
            ref = self._returned.popleft()
            pieces[ref.slab, ref.generation] += 1
            self._held -= 1
        if pieces:
            self._pipe.post(["release", [[slab, generation, count] for (slab, generation), count in pieces.items()]])
        self._close_if_left()

    # -- what is heard and said -------------------------------------------------------------------------------------

    def _hear(self, fields: list[Any], raw: memoryview) -> None:
        match fields:
            case ["call", ticket, what, content]:
                self._add((ticket, what, content, raw))
            case ["slab", number, size]:
                mapping = Mapping(self._pipe.descriptor(), size, writable=False)
                mapping.close()  # what is mapped stays mapped
                self._slabs[number] = mapping
            case ["gone", number]:
                self._slabs.pop(number, None)
            case ["over"]:
                self.over = True
            case ["refused", str(why)]:
                self.refused = why
            case ["begins", int(epoch), int(seq)]:
                self.begins = epoch, seq
            case _:
                raise DamagedFrame(f"an unknown message {fields[0]!r}")

    def say(self, level: int, name: str, text: str) -> None:
        """From any thread: a log record, for whoever runs the training process."""
        if self._unsaid < _MOST_UNSENT:
            self._unsaid += 1
            self._soon(lambda: self._say(level, name, text))

    def _say(self, level: int, name: str, text: str) -> None:
        self._unsaid -= 1
        self._pipe.post(["said", level, name, text[:_LONGEST_TEXT]])

    def _soon(self, action: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() == self._thread:
            # Nearly always: it costs no wake-up.
            loop.call_soon(action)
        else:
            loop.call_soon_threadsafe(action)

    def _gone(self, why: str) -> None:
        self._on_end()
        self._add(None)

    def __repr__(self) -> str:
        return f"<Host of {self._sink!r}: {len(self._slabs)} slabs>"


async def _take_cancellations() -> None:
    """A sink may have cancelled the task it is called in."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        while task.uncancel():
            pass
        with suppress(asyncio.CancelledError):
            # One that it has not been told of yet.
            await asyncio.sleep(0)


def _outcome(error: BaseException) -> list[str]:
    if isinstance(error, InvalidConfiguration):
        # Its words are all that helps: they name the way out.
        return ["misconfigured", type(error).__name__, str(error)[-_LONGEST_TEXT:]]
    verdict = "failed"
    if isinstance(error, SinkRejected):
        verdict = "rejected"
    elif isinstance(error, SinkUnavailable | OSError | TimeoutError):
        verdict = "unavailable"
    text = "".join(traceback.format_exception(error)).rstrip()
    return [verdict, type(error).__name__, text[-_LONGEST_TEXT:]]


def told(run: RunInfo) -> list[Any]:
    """What a process is told of the run."""
    directory = None if run.directory is None else str(run.directory)
    return [run.id, run.name, directory, run.writer, run.epoch, run.rank, run.config, run.resumed, run.rewound_to]


def _run(content: Any) -> RunInfo:
    identity, name, directory, *rest = content
    return RunInfo(identity, name, None if directory is None else Path(directory), *rest)
