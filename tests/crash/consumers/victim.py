"""A training process that feeds consumers in other processes, to be stopped, forked and killed.

It writes a tensor and two numbers a step, at times as fast as it can, and notes in a mapped file what was accepted. When it is
told to, it comes to rest: all is flushed, no consumer holds anything, and what memory is still in use is noted; then it closes
its logger, and notes what is left of it.
"""

import argparse
import asyncio
import faulthandler
import gc
import json
import mmap
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.crash.consumers.content import Source, size_of
from tests.crash.consumers.sinks import CheckingSink

NOTE_BYTES: Final = 4096
LONGEST_CALL_S: Final = 40.0
REST_S: Final = 20.0
SLABS_AT_REST: Final = 4
"""Those that the writer itself has open: of control records and the one to come, of rows, of small arrays."""
_BURST_EVERY: Final = 200
_BURST: Final = 40
_LOAN_EVERY: Final = 5


class Word(IntEnum):
    """Of the note, 8 bytes each."""

    ACCEPTED = 0  # steps, so far
    RECORDER = 1  # its process; 0 when it is a thread here
    SERVING = 2  # the same, once it has reported
    FORK = 3  # set by whoever watches: children wanted so far
    END = 4  # set by whoever watches: come to rest and close
    CALLING_SINCE_NS = 5  # of the monotonic clock, 0 outside
    LONGEST_CALL_NS = 6
    FORKED = 7
    CANCELLED = 8


def mapped(note: Path) -> memoryview:
    """The words of a note."""
    with note.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), NOTE_BYTES)).cast("q")


def shared_mappings() -> list[str]:
    """What this process has mapped of a logger's shared memory."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if "/memfd:asynclog" in line or "/shm/" in line]


class Trainer:
    """One life of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.words = mapped(options.note)
        self.source = Source()
        self.chance = random.Random(options.first)
        self.children: set[int] = set()
        self._recorder_since: tuple[int, int] = (0, 0)
        self.told: dict[str, Any] = {}

    async def live(self) -> None:
        import asynclog as al

        def route(name: str, keeps: int, **more: Any) -> "al.Route":
            return al.Route(CheckingSink(self.options.folder, name, keeps), name=name, place="process", deadline=30.0, **more)

        sinks = [
            route("one", 2, worker="shared"),
            route("two", 0, worker="shared"),
            route("alone", 4),
            route("lossy", 1, overflow="drop_oldest"),
        ]
        log = al.MultiLogger(self.options.run, sinks=sinks, slabs=self.options.slabs)
        async with log:
            self.told["open"] = self._possessions(log)
            print("open", flush=True)
            await self._train(log)
            await self._rest(log)
        self.told["closed"] = log.statistics()
        del log, sinks
        until = time.monotonic() + REST_S
        while shared_mappings() and time.monotonic() < until:
            # A thread that has just ended may be the last to let go of something.
            await asyncio.sleep(0.02)
            gc.collect()
        self.told["mapped_after"] = shared_mappings()
        self.told["used_after"] = await self._used_after()

    async def _train(self, log: Any) -> None:
        import asynclog as al

        for step in range(self.options.first, self.options.first + (1 << 20)):
            if step % _LOAN_EVERY:
                log.log_tensor("frame", self.source.tensor(step, size_of(step)))
            else:
                await self._called(self._render(log, step))
            log.log({"count": step, "half": step * 0.5})
            await self._called(log.write(al.State(step)))
            self.words[Word.ACCEPTED] = step - self.options.first + 1
            self._note_recorder(log)
            self._fork_if_wanted(log)
            if step % 50 == 25:
                await self._cancel_one(log, step)
            if self.words[Word.END]:
                return
            if step % _BURST_EVERY >= _BURST:
                await asyncio.sleep(self.options.pause * self.chance.random())

    async def _render(self, log: Any, step: int) -> None:
        """Into shared memory, where it is logged. A first body fails, and gives it back."""
        loan = log.loan("frame", size_of(step), np.uint8)
        with suppress(RuntimeError):
            async with loan as array:
                array[:] = 0
                raise RuntimeError("the renderer failed")
        async with loan as array:
            array[:] = self.source.tensor(step, len(array))

    async def _cancel_one(self, log: Any, step: int) -> None:
        """A write that may be cut off anywhere: it is recorded whole, or not at all."""
        import asynclog as al

        log.log_tensor("cut", self.source.tensor(step, self.chance.choice([1 << 16, 3 << 20, 12 << 20])))
        try:
            await asyncio.wait_for(self._called(log.write(al.State(step, "test"))), self.chance.random() * 0.004)
        except TimeoutError:
            self.words[Word.CANCELLED] += 1

    async def _called(self, call: Awaitable[Any]) -> Any:
        with self._timed():
            return await call

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = self.words[Word.CALLING_SINCE_NS] = time.monotonic_ns()
        try:
            yield
        finally:
            self.words[Word.CALLING_SINCE_NS] = 0
            self.words[Word.LONGEST_CALL_NS] = max(self.words[Word.LONGEST_CALL_NS], time.monotonic_ns() - began)

    def _note_recorder(self, log: Any) -> None:
        told = log.statistics()["recorder"]
        pid, now_ns = told["pid"] or 0, time.time_ns()
        if pid != self._recorder_since[0]:
            self._recorder_since = pid, now_ns
        self.words[Word.RECORDER] = pid
        if told.get("as_of_ns", 0) > self._recorder_since[1]:
            self.words[Word.SERVING] = pid

    def _fork_if_wanted(self, log: Any) -> None:
        for pid in list(self.children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self.children.discard(pid)
        if self.words[Word.FORK] <= self.words[Word.FORKED]:
            return
        self.words[Word.FORKED] += 1
        lasts_s = self.chance.uniform(0.05, 1.5)
        pid = os.fork()
        if pid:
            self.children.add(pid)
            return
        # As a data loader's worker would: it logs, which must lead to nothing, and keeps whatever it inherited.
        log.log({"of a child": 1.0})
        log.write_nowait(0)
        time.sleep(lasts_s)
        os._exit(0)

    async def _rest(self, log: Any) -> None:
        began = time.monotonic()
        await self._called(log.flush(deadline=LONGEST_CALL_S))
        self.told["flush_s"] = time.monotonic() - began
        until = time.monotonic() + REST_S
        while (slabs := log.statistics()["slabs"])["slabs_in_use"] > SLABS_AT_REST and time.monotonic() < until:
            await asyncio.sleep(0.02)
            # A sink lets go of what it keeps when it is flushed.
            await self._called(log.flush(deadline=LONGEST_CALL_S))
        self.told["rest_s"] = time.monotonic() - until + REST_S
        self.told["at_rest"] = slabs["slabs_in_use"]
        self.told["rest"] = self._possessions(log)
        while self.children:
            os.waitpid(self.children.pop(), 0)

    async def _used_after(self) -> int:
        """Bytes of a small /dev/shm of its own that are still in use, once everybody has had time to go."""
        until = time.monotonic() + REST_S
        while used := self._used():
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.02)
        return used

    def _used(self) -> int:
        if not self.options.fallback:
            return 0
        system = os.statvfs("/dev/shm")
        return (system.f_blocks - system.f_bfree) * system.f_frsize

    def _possessions(self, log: Any) -> dict[str, Any]:
        kinds = Counter(_kind(one) for one in os.listdir("/proc/self/fd"))
        return {"descriptors": kinds.total(), "of_kinds": kinds, **log.statistics()}


def _kind(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").partition("[")[0].partition(" ")[0]
    except FileNotFoundError:
        return "the listing"


async def train(options: argparse.Namespace) -> None:
    trainer = Trainer(options)
    began = time.monotonic()
    await trainer.live()
    trainer.told["life_s"] = time.monotonic() - began
    (options.folder / f"end-{options.number}.json").write_text(json.dumps(trainer.told))
    print("closed", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("note", type=Path)
    parser.add_argument("--number", type=int, default=0, help="of this life")
    parser.add_argument("--first", type=int, default=0, help="step")
    parser.add_argument("--pause", type=float, default=0.03, help="seconds between steps, at the most")
    parser.add_argument("--slabs", type=int, default=96 << 20)
    parser.add_argument("--fallback", action="store_true", help="as on a system without memfd_create")
    options = parser.parse_args()
    if options.fallback:
        # Before the package looks.
        del os.memfd_create
    # One that hangs can be asked where.
    faulthandler.register(signal.SIGUSR1)
    asyncio.run(train(options))


if __name__ == "__main__":
    main()
