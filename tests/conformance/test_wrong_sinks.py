"""Sinks that are wrong in one way each fail the question of the exam that asks for it, and the one that is right passes."""

import asyncio
import json
import os
import select
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import blockbuster
import pytest

from asynclog.sink import Event, RunInfo, Sink
from asynclog.testing import Delivered, SinkTests


class Good:
    """A sink as it should be; each of those below spoils one thing."""

    default_place = "recorder"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    async def open(self, run: RunInfo) -> None:
        if not run.resumed:
            await asyncio.to_thread(self.path.write_text, "")

    def line(self, event: Event) -> str | None:
        value = event.value if event.kind in ("scalar", "string") else None
        return json.dumps([*event[:5], value])

    async def write(self, batch: Any, /) -> None:
        self.lines = []
        for at, event in enumerate(batch, 1):
            line = self.line(event)
            if line is not None:
                self.lines.append(line)
            if not at % 1000:
                await asyncio.sleep(0)
        await self.store()

    async def store(self) -> None:
        lines, self.lines = self.lines, []
        await asyncio.to_thread(self.append, lines)

    def append(self, lines: list[str]) -> None:
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    async def aclose(self) -> None:
        pass


class GoodTests(SinkTests):
    sink: ClassVar[Callable[[Path], Any]] = Good

    def make_sink(self, tmp_path: Path) -> Sink:
        return type(self).sink(tmp_path / "out.jsonl")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return [Delivered(*json.loads(line)) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


class TestGood(GoodTests):
    """A sink that does it right passes."""


class PlainWrite(Good):
    def write(self, batch: Any, /) -> None:  # type: ignore[override]
        pass


class NoClose:
    async def write(self, batch: Any, /) -> None:
        pass


class Homeless(Good):
    default_place = "moon"


class HoldsAFile(Good):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path.open("a")

    def __del__(self) -> None:
        self.file.close()


class NumbersOnly(Good):
    def line(self, event: Event) -> str | None:
        return super().line(event) if event.kind == "scalar" else None


class ChokesOnImages(Good):
    def line(self, event: Event) -> str | None:
        assert event.kind != "image"
        return super().line(event)


class ChokesOnHooks(Good):
    hooks = frozenset({"epoch_end"})

    def line(self, event: Event) -> str | None:
        assert event.kind != "hook"
        return super().line(event)


class UnwrapsLines(Good):
    def line(self, event: Event) -> str | None:
        return super().line(event._replace(key=event.key.replace("\n", " ")))


class FileNames(Good):
    def append(self, lines: list[str]) -> None:
        super().append(lines)
        for line in lines:
            (self.path.parent / json.loads(line)[3].replace("/", "_")).touch()


class OnePerName(Good):
    async def write(self, batch: Any, /) -> None:
        seen = {(e.phase, f"{e.namespace}/{e.key}".lstrip("/"), e.step, e.time_ns): e for e in batch}
        self.lines = [line for event in seen.values() if (line := self.line(event)) is not None]
        await self.store()


class FiniteOnly(Good):
    def line(self, event: Event) -> str | None:
        if event.kind == "scalar" and event.value != event.value:
            return super().line(event._replace(value=0.0))
        return super().line(event)


class RisingSteps(Good):
    latest = -(2**63)

    def line(self, event: Event) -> str | None:
        if event.step < self.latest:
            return None
        self.latest = event.step
        return super().line(event)


class Sorted(Good):
    async def store(self) -> None:
        self.lines.sort(key=lambda line: json.loads(line)[4])
        await super().store()


class Meddles(Good):
    def line(self, event: Event) -> str | None:
        if event.kind == "config":
            event.value.pop("seed", None)
        return super().line(event)


class KeepsViews(Good):
    async def write(self, batch: Any, /) -> None:
        await super().write(batch)
        self.views = [event.value for event in batch if event.kind == "image"]


class EncodesLater(Good):
    async def write(self, batch: Any, /) -> None:
        self.batch = batch

    async def flush(self) -> None:
        await super().write(self.batch)


class ForgetsToFlush(Good):
    async def store(self) -> None:
        pass

    async def write(self, batch: Any, /) -> None:
        waiting = self.lines
        await super().write(batch)
        self.lines = waiting + self.lines

    async def aclose(self) -> None:
        await super().store()


class ClosesOnce(Good):
    closed = False

    async def aclose(self) -> None:
        assert not self.closed
        self.closed = True


class AlwaysAnew(Good):
    async def open(self, run: RunInfo) -> None:
        await asyncio.to_thread(self.path.write_text, "")


class Sleeps(Good):
    async def write(self, batch: Any, /) -> None:
        time.sleep(0.001)
        await super().write(batch)


class Hogs(Good):
    async def write(self, batch: Any, /) -> None:
        end = time.thread_time() + 0.26
        while time.thread_time() < end:
            pass
        await super().write(batch)


class Waits(Good):
    """Asleep in a call that blockbuster doesn't know."""

    async def write(self, batch: Any, /) -> None:
        select.select([], [], [], 0.26)
        await super().write(batch)


class HogsAtTheEnd(Good):
    async def aclose(self) -> None:
        end = time.thread_time() + 0.26
        while time.thread_time() < end:
            pass


class WritesInTheLoop(Good):
    async def store(self) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(handle, b"")
        os.close(handle)
        await super().store()


class ForgetsWhenCancelled(Good):
    seen: frozenset[int] = frozenset()

    async def write(self, batch: Any, /) -> None:
        if batch.seq in self.seen:
            return
        self.seen |= {batch.seq}
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await super().write(batch)


class LosesItsBuffer(Good):
    waiting: tuple[str, ...] = ()

    async def store(self) -> None:
        self.waiting += tuple(self.lines)

    async def flush(self) -> None:
        self.lines = list(self.waiting)
        self.waiting = ()
        await super().store()

    async def aclose(self) -> None:
        lines, self.waiting = self.waiting, ()
        await asyncio.sleep(0)
        self.lines = list(lines)
        await super().store()


class HangsOnceCancelled(Good):
    begun = False

    async def aclose(self) -> None:
        if self.begun:
            await asyncio.Event().wait()
        self.begun = True
        await asyncio.sleep(0)
        self.begun = False


_FAILURES = (AssertionError, TimeoutError, TypeError, OSError, ValueError, blockbuster.BlockingError)

_WRONG: list[tuple[Any, str]] = [
    (PlainWrite, "test_has_what_a_sink_has"),
    (lambda path: NoClose(), "test_has_what_a_sink_has"),
    (Homeless, "test_has_what_a_sink_has"),
    (HoldsAFile, "test_travels_to_its_process"),
    (NumbersOnly, "test_takes_every_kind_in_any_order"),
    (ChokesOnImages, "test_takes_every_kind_in_any_order"),
    (ChokesOnHooks, "test_takes_the_hooks_that_it_asks_for"),
    (UnwrapsLines, "test_takes_any_name"),
    (FileNames, "test_takes_any_name"),
    (OnePerName, "test_takes_any_name"),
    (OnePerName, "test_keeps_all_of_one_name"),
    (FiniteOnly, "test_takes_any_number"),
    (RisingSteps, "test_keeps_steps_as_they_come"),
    (Sorted, "test_keeps_steps_as_they_come"),
    (Meddles, "test_leaves_the_batch_as_it_is"),
    (KeepsViews, "test_keeps_nothing_of_the_batch"),
    (EncodesLater, "test_keeps_nothing_of_the_batch"),
    (ForgetsToFlush, "test_shows_everything_once_flushed"),
    (ClosesOnce, "test_closes_twice"),
    (AlwaysAnew, "test_goes_on_where_a_run_goes_on"),
    (Sleeps, "test_gives_the_loop_its_turns"),
    (Hogs, "test_gives_the_loop_its_turns"),
    (HogsAtTheEnd, "test_gives_the_loop_its_turns"),
    (Waits, "test_gives_the_loop_its_turns"),
    (WritesInTheLoop, "test_gives_the_loop_its_turns"),
    (ForgetsWhenCancelled, "test_survives_a_cancelled_write"),
    (LosesItsBuffer, "test_survives_a_cancelled_close"),
    (HangsOnceCancelled, "test_survives_a_cancelled_close"),
]


@pytest.mark.parametrize(("wrong", "question"), _WRONG, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_wrong_sink_fails(tmp_path: Path, wrong: Any, question: str) -> None:
    """Each question of the exam finds the sink that is wrong in that point."""
    exam = type("Exam", (GoodTests,), {"sink": wrong, "patience_s": 1.0})()
    with pytest.raises(_FAILURES):
        getattr(exam, question)(tmp_path)
