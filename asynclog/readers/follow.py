"""Following a run while it is recorded: files are looked at every so often, away from the loop.

Polling on purpose: notifications miss network file systems and containers' mounts, and a look at a file's size costs
some microseconds.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal, NamedTuple

from asynclog.engine.rewinds import began_with
from asynclog.readers.directory import SegmentFile, StreamName, listed, run_directory
from asynclog.readers.tail import Tail
from asynclog.sink import Event
from asynclog.wire.batch import Batch
from asynclog.wire.rewind import Steps, left_of, record_within
from asynclog.wire.stream import Record

_LONGEST_PAUSE_S: Final = 0.5


class Rewound(NamedTuple):
    """A writer's training went back to a checkpoint. steps: by phase the last step that holds of what it recorded before."""

    writer: str
    epoch: int
    steps: Steps


async def follow(
    path: "str | os.PathLike[str]",
    *,
    start: Literal["beginning", "now"] = "beginning",
    poll: float = 0.05,
    superseded: bool = False,
    on_rewind: Callable[[Rewound], None] | None = None,
) -> AsyncIterator[Event]:
    """Everything the run records, from its beginning or from now on, until it has ended.

    Events of all writers and epochs, in order of time within what one look finds; values are read-only. Ends when the
    newest epoch of every writer has its final footer, or no process holds its lock any more. poll: seconds between
    looks; a quiet run is looked at less often, every half second at least. Raises RunNotFound.

    superseded: with what was recorded beyond a checkpoint that training went back to, and that is still to be read. What was
    given before training went back can't be taken back: on_rewind is then called, before the first event of the epoch that
    went back.
    """
    follower = Follower(await asyncio.to_thread(run_directory, path), superseded=superseded)
    if start == "now":
        await asyncio.to_thread(follower.skip)
    pause = poll
    while True:
        events = await asyncio.to_thread(follower.look)
        if on_rewind is not None:
            for rewound in follower.take_rewinds():
                on_rewind(rewound)
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

    def __init__(self, run: Path, *, superseded: bool = False) -> None:
        self._run, self._superseded = run, superseded
        self._tails: dict[StreamName, Tail] = {}
        self._rewinds: dict[StreamName, Steps] = {}
        self._given: set[str] = set()
        self._new: list[Rewound] = []
        self.ended = False

    def look(self) -> list[Event]:
        """What is new in any stream, a few megabytes of each at most, in order of time."""
        events: list[Event] = []
        for name, records in self._records():
            if records:
                self._given.add(name.writer)
            events += Batch([one.part for one in records], writer=name.writer, epoch=name.epoch, seq=0)
        events.sort(key=attrgetter("time_ns"))
        return events

    def skip(self) -> None:
        """Pass over all that is there now."""
        while any(records for _, records in self._records()):
            pass

    def take_rewinds(self) -> list[Rewound]:
        """Those that were found since this was last asked, of writers of which something had been given."""
        found, self._new = self._new, []
        return found

    def _records(self) -> list[tuple[StreamName, list[Record]]]:
        found, growing = listed(self._run)
        self._learn(found)
        new: list[tuple[StreamName, list[Record]]] = []
        for name, files in found.items():
            tail = self._tails.setdefault(name, Tail(name))
            if not tail.ended:
                new.append((name, self._holding(tail, tail.look(files, grows=name in growing))))
        self.ended = bool(found) and all(self._tails[name].ended for name in found)
        return new

    def _learn(self, found: Mapping[StreamName, Sequence[SegmentFile]]) -> None:
        """What epochs that are new say of a rewind."""
        for name, files in found.items():
            if name not in self._rewinds and files:
                steps = began_with(files[0].path)
                if steps is not None:
                    self._rewinds[name] = steps
                    if steps and name.writer in self._given:
                        self._new.append(Rewound(*name, steps))

    def _holding(self, tail: Tail, records: list[Record]) -> list[Record]:
        if self._superseded:
            return records
        later = {one.epoch: steps for one, steps in self._rewinds.items() if one.writer == tail.name.writer}
        steps = left_of(tail.name.epoch, later)
        if not steps:
            return records
        held = (record_within(one, tail.series, steps) for one in records)
        return [one for one in held if one is not None]
