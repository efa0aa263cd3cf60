"""Attaching to a live run from another process: what it records arrives as batches, large arrays as read-only views of the very
memory that the training process wrote.

Whoever is handed batches holds up nobody: one that is slow reads on in the journal, and one that stops or dies is forgotten.
When the recorder is replaced, or has left before everything was handed over, the reader goes on behind what it has, from its
successor or from the journal: nothing twice, nothing left out.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, Self

from asynclog.engine.cursor import Cursor
from asynclog.engine.door import knock
from asynclog.engine.host import Host
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.rundir import segments
from asynclog.engine.tail import segment_of
from asynclog.errors import InvalidConfiguration, RunNotFound, RunNotLive
from asynclog.flow.route import Route
from asynclog.readers.directory import facts, is_written, run_directory, streams
from asynclog.sink import Event, RunInfo
from asynclog.wire.batch import Batch

_LOOK_S: Final = 0.02
_BEHIND_ALL: Final = 1 << 62
_SUCCESSOR_S: Final = 10.0
"""So long a stream may be written without somebody at its door: a recorder is being replaced, or finishes. And so long one at
the door may be silent: it is stopped, or is no recorder."""


def attach(
    path: "str | os.PathLike[str]",
    *,
    writer: str | None = None,
    start: Literal["beginning", "now"] = "beginning",
    kinds: Iterable[str] | None = None,
    namespaces: Iterable[str] | None = None,
    phases: Iterable[str] | None = None,
    level: str | None = None,
    levels: Iterable[str] | None = None,
    wait: float = 0.0,
) -> "Attached":
    """Take part in a run while it is recorded: ``async with al.attach(run) as live: async for batch in live: …``.

    start: "beginning" of what its process records since it was started, or from "now" on. kinds, namespaces, phases, level,
    levels: what is wanted, as of a Route. writer: whose stream, where the run has several. wait: seconds until the run must
    have come up.

    A batch counts as taken when the next one is asked for. Its arrays keep shared memory from the training process for as long
    as they live; beyond an eighth of it come copies. Ends with the run; ``live.status`` then tells how it ended.

    Raises RunNotFound, RunNotLive and InvalidConfiguration at ``async with``.
    """
    filters = {"kinds": kinds, "namespaces": namespaces, "phases": phases, "level": level, "levels": levels}
    if not wait >= 0.0:
        raise InvalidConfiguration(f"attach wait: expected seconds, 0 or more, got {wait!r}")
    if start not in ("beginning", "now"):
        raise InvalidConfiguration(f"attach start: expected 'beginning' or 'now', got {start!r}")
    return Attached(Path(path), writer, start, filters, wait)


class Attached:
    """See ``attach``. run: what a sink is told of it. status: how the run ended, once it has."""

    def __init__(self, path: Path, writer: str | None, start: str, filters: dict[str, Any], wait: float) -> None:
        self._path, self._writer, self._start, self._wait = path, writer, start, wait
        self._patience_s = max(wait, _SUCCESSOR_S)
        self._hand = _Hand()
        # Looked at here, so that what is wrong is said here.
        self._route = Route(self._hand, name="attached", **filters)
        self._filters = {
            name: sorted(one) if isinstance(one, frozenset) else one
            for name, one in ((name, getattr(self._route, name)) for name in filters)
        }
        self._serving: asyncio.Task[None] | None = None
        self._host: Host | None = None
        self._place: tuple[int, int] | None = None

    @property
    def run(self) -> RunInfo:
        assert self._hand.run is not None, "not entered yet"
        return self._hand.run

    @property
    def status(self) -> str:
        """How it stands: "open" while it is recorded; then "finished", "failed", "killed", "exited", or "lost" where nobody
        could note its end.
        """
        return self._hand.status

    async def __aenter__(self) -> Self:
        began = time.monotonic()
        while True:
            stream, sock = await asyncio.to_thread(self._found, time.monotonic() - began)
            if sock is not None:
                break
            await asyncio.sleep(_LOOK_S)
        self._serving = asyncio.create_task(self._serve(stream, sock), name="asynclog-attached")
        try:
            async with asyncio.timeout(self._patience_s):
                await self._hand.opened(self._serving)
        except TimeoutError as error:
            await self.aclose()
            raise RunNotLive(f"whoever is at the door of {self._path} doesn't answer as a recorder does") from error
        except BaseException:
            # Of a body that is never entered nobody would leave.
            await self.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave. What the arrays taken so far look into stays until they are gone."""
        self._hand.leave()
        if self._host is not None:
            self._host.leave()
        if self._serving is not None:
            await asyncio.wait([self._serving])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        assert self._serving is not None, "use it under `async with`"
        batch = await self._hand.next(self._serving)
        if batch is None:
            await self._serving
            raise StopAsyncIteration
        self._place = batch.epoch, max((one.seq for one in batch.records), default=batch.seq)
        return batch

    async def events(self) -> AsyncIterator[Event]:
        """The same, one by one."""
        async for batch in self:
            for event in batch:
                yield event

    # -- being served -----------------------------------------------------------------------------------------------

    def _found(self, waited: float) -> Any:
        """The stream and a connection to whoever records it, or None in its place while one may still come."""
        final = waited >= self._wait
        try:
            directory = run_directory(self._path)
            stream = _stream_of(directory, self._writer)
        except RunNotFound:
            if final:
                raise
            return self._path, None
        sock = knock(stream)
        if sock is None and final and not (waited < _SUCCESSOR_S and is_written(directory, stream.name)):
            raise RunNotLive(f"nobody records {self._path} now; al.read reads what was recorded, al.follow waits for more")
        return stream, sock

    async def _serve(self, stream: Path, sock: Any) -> None:
        try:
            while sock is not None:
                if self._hand.left:
                    sock.close()
                    return
                start = ["behind", *self._place] if self._place is not None else [self._start, 0, 0]
                self._host = host = Host(sock, lambda: self._hand, hello=["attach", *start, self._filters])
                if await host.serve() or self._hand.left:
                    return
                self._place = self._place or host.begins
                if host.refused is not None:
                    raise RunNotLive(f"{self._path} can't be attached to: {host.refused}")
                sock = None if host.over else await self._successor(stream)
            if self._hand.run is None:
                await self._hand.open(_as_left(stream))
            await self._read_rest(stream)
        finally:
            self._hand.end_here()

    async def _successor(self, stream: Path) -> Any:
        """A connection to the recorder that took over; None if the stream has ended."""
        until = time.monotonic() + _SUCCESSOR_S
        while time.monotonic() < until and not self._hand.left:
            sock = await asyncio.to_thread(knock, stream)
            if sock is not None or not await asyncio.to_thread(is_written, stream.parent.parent, stream.name):
                return sock
            await asyncio.sleep(_LOOK_S)
        return None

    async def _read_rest(self, stream: Path) -> None:
        epoch, seq = self._place or (self.run.epoch, -1 if self._start == "beginning" else _BEHIND_ALL)
        feed = JournalFeed(self._route, stream, self.run.writer, epoch, Cursor(epoch, seq, seq + 1))
        feed.begin_at(segment_of(stream, epoch, seq), seq)
        while not self._hand.left:
            written = await asyncio.to_thread(is_written, stream.parent.parent, stream.name)
            delivery = await asyncio.to_thread(feed.next)
            if delivery is None:
                if not written:
                    break
                await asyncio.sleep(_LOOK_S)
                continue
            if delivery.batch is not None:
                await self._hand.write(delivery.batch)
            feed.commit(delivery)
            if delivery.ended:
                self._hand.status = feed.status or "lost"
                return
        feed.close()
        self._hand.status = "lost"


def _as_left(stream: Path) -> RunInfo:
    """What can be told of a run whose recorder left before it was asked."""
    directory = stream.parent.parent
    known = facts(directory)
    epoch = max((epoch for epoch, _, _ in segments(stream)), default=0)
    return RunInfo(str(known.get("id", "")), str(known.get("name", "")), directory, stream.name, epoch)


class _Hand:
    """The sink that the recorder knows: it passes batches from the one who gives to the one who asks."""

    takes_console: ClassVar[bool] = True

    def __init__(self) -> None:
        self.run: RunInfo | None = None
        self.status = "open"
        self.left = False
        self._given: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._up = asyncio.Event()

    async def open(self, run: RunInfo) -> None:
        self.run = run
        self._up.set()

    async def write(self, batch: Any, /) -> None:
        self._taken.clear()
        self._given.put_nowait(batch)
        del batch
        if not self.left:
            await self._taken.wait()

    async def end(self, status: str, error: str | None) -> None:
        self.status = status

    async def aclose(self) -> None:
        """Nothing is kept here."""

    def leave(self) -> None:
        self.left = True
        self._taken.set()
        while not self._given.empty():
            self._given.get_nowait()

    def end_here(self) -> None:
        self._up.set()
        self._given.put_nowait(None)

    async def opened(self, serving: "asyncio.Task[None]") -> None:
        await self._up.wait()
        if self.run is None:
            await serving

    async def next(self, serving: "asyncio.Task[None]") -> Batch | None:
        self._taken.set()
        if serving.done() and self._given.empty():
            return None
        batch = await self._given.get()
        if batch is None:
            # Whoever else waits is told the same.
            self._given.put_nowait(None)
        return batch


def _stream_of(run: Path, writer: str | None) -> Path:
    names = sorted({one.writer for one in streams(run)})
    if writer is None and len(names) > 1:
        raise InvalidConfiguration(f"attach writer: run {run} has several, name one of {', '.join(names)}")
    if writer is not None and names and writer not in names:
        raise InvalidConfiguration(f"attach writer: run {run} has no {writer!r}, but {', '.join(names)}")
    if not names:
        raise RunNotFound(f"nothing was recorded in {run}")
    return run / "streams" / (writer or names[0])
