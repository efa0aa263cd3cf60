"""Sinks that behave badly in one way each, in a module of their own so that they can travel to the recorder."""

import asyncio
import copy
import ctypes
import os
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from asynclog.errors import SinkRejected, SinkUnavailable
from asynclog.sink import Batch, Event


class Gate:
    """Keeps what it is given, but takes nothing while it is shut: a sink as slow as a test wants."""

    default_place: ClassVar[str] = "thread"

    def __init__(self) -> None:
        self.open_gate = threading.Event()
        self.reached = threading.Event()
        self.events: list[Event] = []

    async def write(self, batch: Batch, /) -> None:
        self.reached.set()
        self.open_gate.wait()
        # Copies: a view of an array keeps its shared memory.
        self.events.extend(event._replace(value=copy.deepcopy(event.value)) for event in batch)

    async def aclose(self) -> None:
        pass


class Sleeper:
    """Blocks its thread for ever."""

    async def write(self, batch: Batch, /) -> None:
        while True:
            time.sleep(0.5)

    async def aclose(self) -> None:
        pass


class Hanger:
    """Waits for ever, as a coroutine."""

    async def write(self, batch: Batch, /) -> None:
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        pass


class Raiser:
    """Raises what it was told to. times: how often before it works; None: always."""

    def __init__(self, error: Any = ZeroDivisionError, times: int | None = None) -> None:
        self.error, self.times, self.calls = error, times, 0
        self.events: list[Event] = []

    async def write(self, batch: Batch, /) -> None:
        self.calls += 1
        if self.times is None or self.calls <= self.times:
            raise self.error("the backend is gone")
        self.events.extend(batch)

    async def aclose(self) -> None:
        pass


class Refuser:
    """Rejects every batch that holds an odd step."""

    async def write(self, batch: Batch, /) -> None:
        if any(event.step % 2 for event in batch):
            raise SinkRejected("odd")

    async def aclose(self) -> None:
        pass


class Quitter:
    """Leaves the interpreter, as code under it may."""

    async def write(self, batch: Batch, /) -> None:
        raise SystemExit(3)

    async def aclose(self) -> None:
        pass


class Unopenable:
    """Can't be opened."""

    async def open(self, run: Any) -> None:
        raise SinkRejected("no credentials")

    async def write(self, batch: Batch, /) -> None:
        raise AssertionError("it was never opened")

    async def aclose(self) -> None:
        pass


class Outage:
    """Unavailable until a file appears; then it appends a line an event to another."""

    def __init__(self, sign: Path, target: Path) -> None:
        self.sign, self.target = sign, target

    async def write(self, batch: Batch, /) -> None:
        if not self.sign.exists():
            raise SinkUnavailable("out of order")
        with self.target.open("a") as file:
            file.writelines(f"{event.step}\n" for event in batch)

    async def aclose(self) -> None:
        pass


class Ender:
    """Ends the process around it at its first event of ``step``, in the way it was told to; ``exits`` or ``segfaults``.

    ``behind``: from a thread of its own, while nobody calls it, as soon as there is a file ``now``.
    """

    default_place: ClassVar[str] = "recorder"

    def __init__(self, way: str, call: str = "write", step: int = 0, now: Path | None = None) -> None:
        self.way, self.call, self.step, self.now = way, call, step, now

    def _end(self) -> None:
        if self.way == "exits":
            os._exit(3)
        ctypes.string_at(0)

    def _end_behind(self, now: Path) -> None:
        while not now.exists():
            time.sleep(0.002)
        now.unlink()
        self._end()

    async def open(self, run: Any) -> None:
        if self.call == "open":
            self._end()
        if self.now is not None:
            threading.Thread(target=self._end_behind, args=[self.now], daemon=True).start()

    async def write(self, batch: Batch, /) -> None:
        if self.call == "write" and any(event.step >= self.step for event in batch):
            self._end()

    async def aclose(self) -> None:
        if self.call == "aclose":
            self._end()


class Slow:
    """Takes its time for each batch, and then appends a line an event to a file."""

    default_place: ClassVar[str] = "recorder"

    def __init__(self, target: Path | str, seconds: float = 0.05) -> None:
        self.target, self.seconds = Path(target), seconds

    async def write(self, batch: Batch, /) -> None:
        await asyncio.sleep(self.seconds)
        with self.target.open("a") as file:
            file.writelines(f"{event.step}\n" for event in batch)

    async def aclose(self) -> None:
        pass
