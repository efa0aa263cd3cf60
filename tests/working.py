"""Sinks that live in worker processes, in a module of their own so that they can travel there."""

import asyncio
import logging
import os
import warnings
from pathlib import Path
from typing import Any, ClassVar

from asynclog.sink import Batch

_log = logging.getLogger("vendor")


class Worked:
    """Appends a line to a file for each event's step and each call, with the process it was made by; a batch in one go.

    ends_in: the first call in which it kills its own process, with the signal it was told to, if there is no file ``spared``.
    """

    default_place: ClassVar[str] = "process"

    def __init__(self, target: Path, ends_in: str = "", number: int = 9) -> None:
        self.target, self.ends_in, self.number = target, ends_in, number
        self.spared = target.with_suffix(".spared")

    def _note(self, *lines: str) -> None:
        with self.target.open("a") as file:
            file.write("".join(f"{os.getpid()} {one}\n" for one in lines))

    def _call(self, name: str) -> None:
        self._note(name)
        if name == self.ends_in and not self.spared.exists():
            self.spared.touch()
            os.kill(os.getpid(), self.number)

    async def open(self, run: Any) -> None:
        self._note(f"resumed={run.resumed}")
        self._call("open")

    async def write(self, batch: Batch, /) -> None:
        self._call("write")
        self._note(*(f"step {event.step}" for event in batch))

    async def flush(self) -> None:
        self._call("flush")

    async def aclose(self) -> None:
        self._call("aclose")


class Talker(Worked):
    """Logs and warns."""

    async def write(self, batch: Batch, /) -> None:
        _log.warning("a word about %d events", len(batch))
        _log.info("nobody needs to know")
        warnings.warn("an old habit", stacklevel=1)
        await super().write(batch)


class Waiter(Worked):
    """Waits in a call until there is a file ``go``; for ever, if there never is."""

    def __init__(self, target: Path, call: str = "write") -> None:
        super().__init__(target)
        self.call = call

    async def _wait(self, call: str) -> None:
        while call == self.call and not self.target.with_suffix(".go").exists():
            await asyncio.sleep(0.005)

    async def write(self, batch: Batch, /) -> None:
        self._note("waits")
        await self._wait("write")
        await super().write(batch)

    async def aclose(self) -> None:
        await self._wait("aclose")
        await super().aclose()


class Slow(Worked):
    """Takes its time with each batch, so that it is nearly always being called."""

    async def write(self, batch: Batch, /) -> None:
        await asyncio.sleep(0.2)
        await super().write(batch)


class Summer(Worked):
    """Notes of each tensor its step and whether it is what was logged."""

    async def write(self, batch: Batch, /) -> None:
        for event in batch:
            good = bool((event.value.data == event.step % 251).all())
            self._note(f"{'sum' if good else 'torn'} {event.step}")


class Chooser(Worked):
    """Rejects what is odd, and notes how the run ended."""

    async def write(self, batch: Batch, /) -> None:
        await super().write(batch)
        for event in batch:
            if event.step % 2:
                batch.reject("odd steps have no place here")

    async def run_ended(self, status: str, error: str | None) -> None:
        self._call(f"run_ended {status} {error}")
