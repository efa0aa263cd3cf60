"""Following a run while it is recorded: files are looked at every so often, away from the loop.

Polling on purpose: notifications miss network file systems and containers' mounts, and a look at a file's size costs
some microseconds.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal

from asynclog.readers.directory import StreamName, listed, run_directory
from asynclog.readers.tail import Tail
from asynclog.sink import Event
from asynclog.wire.batch import Batch
from asynclog.wire.stream import Record

_LONGEST_PAUSE_S: Final = 0.5


async def follow(
    path: "str | os.PathLike[str]", *, start: Literal["beginning", "now"] = "beginning", poll: float = 0.05
) -> AsyncIterator[Event]:
    """Everything the run records, from its beginning or from now on, until it has ended.

    Events of all writers and epochs, in order of time within what one look finds; values are read-only. Ends when the
    newest epoch of every writer has its final footer, or no process holds its lock any more. poll: seconds between
    looks; a quiet run is looked at less often, every half second at least. Raises RunNotFound.
    """
    follower = Follower(await asyncio.to_thread(run_directory, path))
    if start == "now":
        await asyncio.to_thread(follower.skip)
    pause = poll
    while True:
        events = await asyncio.to_thread(follower.look)
        for event in events:
            yield event
        if follower.ended:
            return
        if events:
            pause = poll
        else:
            await asyncio.sleep(pause)
            pause = max(min(pause * 1.5, _LONGEST_PAUSE_S), poll)


class Follower:
    """The tails of all streams of a run. ``look`` blocks; ``ended`` tells whether another look can find anything."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._tails: dict[StreamName, Tail] = {}
        self.ended = False

    def look(self) -> list[Event]:
        """What is new in any stream, a few megabytes of each at most, in order of time."""
        events: list[Event] = []
        for name, records in self._records():
            events += Batch([one.part for one in records], writer=name.writer, epoch=name.epoch, seq=0)
        events.sort(key=attrgetter("time_ns"))
        return events

    def skip(self) -> None:
        """Pass over all that is there now."""
        while any(records for _, records in self._records()):
            pass

    def _records(self) -> list[tuple[StreamName, list[Record]]]:
        found, growing = listed(self._run)
        new: list[tuple[StreamName, list[Record]]] = []
        for name, files in found.items():
            tail = self._tails.setdefault(name, Tail(name))
            if not tail.ended:
                new.append((name, tail.look(files, grows=name in growing)))
        self.ended = bool(found) and all(self._tails[name].ended for name in found)
        return new
