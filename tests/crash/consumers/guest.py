"""A process that attaches itself to a run, to be stopped and killed: it checks what it gets, and that nothing is left out."""

import argparse
import asyncio
import json
import mmap
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import asynclog as al
from tests.crash.consumers.content import Inspector, Wrongs

NOTE_BYTES: Final = 4096
_LOOK_S: Final = 0.05
_WAIT_S: Final = 20.0
_LATE_S: Final = 2.0
"""A run that has been told to end for so long may have ended."""


class Seen(IntEnum):
    """Of the note, 8 bytes each."""

    FRAMES = 0  # checked
    LET_GO = 1  # set by whoever watches: keep nothing
    LEAVE = 2  # set by whoever watches: leave the run
    LAST = 3  # step
    BYTES = 4  # checked


def mapped(note: Path) -> memoryview:
    """The words of a note."""
    with note.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), NOTE_BYTES)).cast("q")


class Guest:
    """One attached process, from its own end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.words = mapped(options.note)
        self.wrongs = Wrongs(options.folder)
        self.who = f"attached process {os.getpid()} ({options.start})"
        self.inspector = Inspector(self.who, self.wrongs, options.keeps)
        self.next: dict[str, int] = {}

    async def stay(self) -> None:
        """Until the run ends, or somebody says so."""
        async with AsyncExitStack() as stack:
            attached = al.attach(self.options.run, start=self.options.start, wait=_WAIT_S)
            live = await self._entered(stack.enter_async_context(attached))
            if live is None:
                self._tell(status="late", epoch=-1, left=True)
                return
            watching = asyncio.create_task(self._watch(live))
            async for batch in live:
                for event in batch:
                    self._take(event)
                    del event
                del batch
                if self.words[Seen.LET_GO]:
                    self.inspector.clear()
                if self.options.slow:
                    await asyncio.sleep(self.options.slow)
            watching.cancel()
        self.inspector.clear()
        self._tell(status=live.status, epoch=live.run.epoch, left=bool(self.words[Seen.LEAVE]))

    async def _entered(self, entering: Coroutine[Any, Any, Any]) -> Any:
        """None for one that comes as the run comes to its end."""
        task = asyncio.create_task(entering)
        ended = 0.0
        while not task.done() and ended < _LATE_S:
            await asyncio.wait([task], timeout=_LOOK_S)
            ended += _LOOK_S * bool(self.words[Seen.LET_GO])
        if not task.done():
            task.cancel()
            return None
        if isinstance(task.exception(), al.RunNotLive) and self.words[Seen.LET_GO]:
            return None
        return task.result()

    def _tell(self, **told: object) -> None:
        self.options.note.with_suffix(".json").write_text(json.dumps({**told, "next": self.next}))

    async def _watch(self, live: Any) -> None:
        while not self.words[Seen.LEAVE]:
            await asyncio.sleep(_LOOK_S)
            if self.words[Seen.LET_GO]:
                self.inspector.clear()
        await live.aclose()

    def _take(self, event: Any) -> None:
        self.inspector.look(event)
        key, step = event.key, event.step
        if key == "cut":
            return
        if step != self.next.get(key, step):
            self.wrongs.add(self.who, f"{key}: after step {self.next[key] - 1} came step {step}")
        if key not in self.next and self.options.start == "beginning" and step % self.options.life_steps:
            self.wrongs.add(self.who, f"{key}: the first step is {step}")
        self.next[key] = step + 1
        if key == "frame":
            self.words[Seen.FRAMES] += 1
            self.words[Seen.LAST] = step
            self.words[Seen.BYTES] += event.value.data.nbytes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("note", type=Path)
    parser.add_argument("--start", choices=["beginning", "now"], default="beginning")
    parser.add_argument("--keeps", type=int, default=2, help="tensors that it goes on looking into")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds it takes for a batch")
    parser.add_argument("--life-steps", type=int, required=True)
    asyncio.run(Guest(parser.parse_args()).stay())


if __name__ == "__main__":
    main()
