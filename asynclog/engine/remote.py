"""What stands for a sink that lives in a worker process. The runner calls it like any sink.

The runner, with its cursor, counters and retries, stays beside the journal: a worker holds nothing that matters, so that it may
be killed at any moment. What it had not accepted is handed to its successor.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Literal

from asynclog.engine.hands import PATIENCE_S
from asynclog.engine.host import told
from asynclog.engine.served import ProcessGone, Served
from asynclog.engine.workers import Worker, Workers
from asynclog.shm.lending import Lending
from asynclog.sink import Batch as AnyBatch
from asynclog.sink import RunInfo
from asynclog.wire.batch import Batch

_TRIES: Final = 3


class RemoteSink:
    """lending: of shared memory, to its process. on_said: its log records."""

    def __init__(
        self, route: str, workers: Workers, worker: Worker, lending: Lending, on_said: Callable[[int, str, str], None]
    ) -> None:
        self._route, self._workers, self._worker = route, workers, worker
        self._lending = lending
        self._on_said = on_said
        self._served: Served | None = None
        self._pid: int | None = None
        self._run: RunInfo | None = None
        self._opened = self._was_open = False

    async def open(self, run: RunInfo) -> None:
        """Start the process, and open the sink there."""
        self._run = run
        await self._up()

    async def write(self, batch: AnyBatch, /) -> None:
        assert isinstance(batch, Batch)
        served = await self._up()
        async with self._inside():
            try:
                await served.write(batch)
            except ProcessGone as error:
                raise await self._why_gone() from error
        if self._run is not None and not self._run.resumed:
            # A successor goes on with what this one has begun.
            self._run = replace(self._run, resumed=True)

    async def flush(self) -> None:
        await self._called("flush")

    async def run_ended(self, status: str, error: str | None) -> None:
        served = await self._up()
        async with self._inside():
            try:
                await served.call("run_ended", [status, error])
            except ProcessGone as gone:
                raise await self._why_gone() from gone

    async def aclose(self) -> None:
        await self._called("aclose")
        self._hang_up()

    def statistics(self) -> dict[str, Any]:
        """Of its process: pid, how often it was started again, and the bytes of slabs that it looks into."""
        return {"pid": self._worker.pid, "restarts": max(0, self._worker.starts - 1), "lent_bytes": self._lending.held_bytes}

    async def _called(self, what: Literal["flush", "aclose"]) -> None:
        """The runner asks for these once: a process that is killed meanwhile doesn't leave a file without its end. A sink that
        could never be opened has none, and is not opened once more for it."""
        tries = 0
        while self._was_open:
            served = await self._up()
            async with self._inside():
                try:
                    await served.call(what)
                except ProcessGone as error:
                    tries += 1
                    why = await self._why_gone()
                    if tries == _TRIES:
                        raise why from error
                else:
                    return

    async def _up(self) -> Served:
        if self._served is None or self._served.gone:
            self._hang_up()
            sock, self._pid = await asyncio.to_thread(self._workers.seat, self._worker, self._route)
            self._served = Served(sock, self._lending, self._on_said)
        served = self._served
        if not self._opened:
            assert self._run is not None
            async with self._inside():
                try:
                    await served.call("open", told(self._run))
                except ProcessGone as error:
                    raise await self._why_gone() from error
            self._opened = self._was_open = True
        return served

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[None]:
        """The sink is being called: should its process crash, it is asked which sinks were. Of a process that several sinks
        share it may be that one is called at a time, but none waits for ever for a neighbour that hangs."""
        worker = self._worker
        mine = worker.taking_turns and await asyncio.to_thread(worker.turn.acquire, timeout=PATIENCE_S)
        worker.inside.add(self._route)
        try:
            yield
        finally:
            worker.inside.discard(self._route)
            if mine:
                worker.turn.release()

    async def _why_gone(self) -> Exception:
        self._hang_up()
        return await asyncio.to_thread(self._workers.gone, self._worker, self._route, self._pid)

    def _hang_up(self) -> None:
        self._opened = False
        if self._served is not None:
            self._served.close()
            self._served = None

    def __repr__(self) -> str:
        return f"<RemoteSink {self._route} in {self._worker.name}>"
