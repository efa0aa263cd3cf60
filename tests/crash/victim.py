"""A training process to be killed: it writes rows and events as fast as it can, and notes in a mapped file what was accepted.

The note is a store into the page cache: it survives the process, and costs nothing that could hide a loss. Every tenth step
is of phase "valid", which is what the sinks get: at full load a text file would keep its recorder busy long after the kill.
"""

import argparse
import asyncio
import faulthandler
import mmap
import os
import signal
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np

from asynclog.testing.turns import own_clock

EVENTS_EVERY: Final = 500
VALID_EVERY: Final = 10
MOST_TIMED: Final = 1 << 22


class Word(IntEnum):
    """Of the note, 8 bytes each. Behind them, one a row: when it was accepted, in ns of the monotonic clock."""

    ROWS = 0  # accepted so far
    EVENTS = 1
    RECORDER = 2  # its process
    STOP = 3  # set by whoever watches: the loop is to end
    TURNS = 4  # of a task beside the loop that writes
    LONGEST_TURN_NS = 5
    TIMES = 8


NOTE_BYTES: Final = 8 * (Word.TIMES + MOST_TIMED)  # a file with a hole: only what is touched takes room

ENDINGS: "dict[str, Callable[[], object]]" = {
    "segv": faulthandler._sigsegv,  # type: ignore[attr-defined]
    "abort": os.abort,
    "exit": lambda: os._exit(3),
}


def image(step: int, side: int) -> np.ndarray:
    """An image that tells which step it belongs to."""
    return np.full((3, side, side), step % 251, np.uint8)


def phase(step: int) -> str:
    return "train" if step % VALID_EVERY else "valid"


def mapped(note: Path) -> memoryview:
    """The words of a note."""
    with note.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), NOTE_BYTES)).cast("q")


async def take_turns(words: memoryview) -> None:
    """What else runs on the loop: it notes how long it was kept from its turn, waits for a core left out."""
    with own_clock() as clock:
        before = clock()
        while True:
            await asyncio.sleep(0)
            now = clock()
            words[Word.LONGEST_TURN_NS] = max(words[Word.LONGEST_TURN_NS], round(1e9 * (now - before)))
            words[Word.TURNS] += 1
            before = now
            await asyncio.sleep(0.002)
            before += 0.002


async def train(options: argparse.Namespace) -> None:
    import asynclog as al

    words = mapped(options.note)
    lines, table = al.sinks.JSONLines("lines.jsonl"), al.sinks.CSV("rows.csv")
    sinks = [
        al.Route(lines, name="lines", kinds={"scalar", "string"}, phases={"valid"}, deadline=options.deadline),
        al.Route(table, name="table", kinds={"scalar"}, phases={"valid"}, deadline=options.deadline),
    ]
    async with al.MultiLogger(options.run, sinks=sinks, slabs=options.slabs) as log:
        words[Word.RECORDER] = log.statistics()["recorder"]["pid"] or 0
        if options.fork and not os.fork():
            # As a data loader's worker would: it never execs, so it keeps every descriptor that it inherited.
            signal.pause()
        beside = asyncio.create_task(take_turns(words))
        print("open", flush=True)
        for step in range(options.first, options.last):
            if step % EVENTS_EVERY == 0:
                log.log_image("frame", image(step, options.side))
                log.log_string("says", f"step {step}")
                words[Word.RECORDER] = log.statistics()["recorder"]["pid"] or 0
            log.log({"loss": step * 0.5, "accuracy": -step * 0.25, "count": step})
            await log.write(step if step % VALID_EVERY else al.State(step, phase="valid"))
            done = step - options.first + 1
            if done <= MOST_TIMED:
                words[Word.TIMES + done - 1] = time.monotonic_ns()
            words[Word.ROWS] = done
            if step % EVENTS_EVERY == 0:
                words[Word.EVENTS] += 2
            if words[Word.STOP]:
                break
            if options.pause:
                await asyncio.sleep(options.pause)
            if done == options.end_after:
                ENDINGS[options.ending]()
        beside.cancel()
        print("closing", flush=True)
    print("closed", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("note", type=Path)
    parser.add_argument("--first", type=int, default=0, help="step")
    parser.add_argument("--last", type=int, default=1 << 40)
    parser.add_argument("--side", type=int, default=48, help="of images, in pixels; from 592 on a thread copies them")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between rows")
    parser.add_argument("--deadline", type=float, default=30.0, help="of the sinks, in seconds")
    parser.add_argument("--slabs", type=int, default=None)
    parser.add_argument("--ending", choices=ENDINGS, default="exit")
    parser.add_argument("--end-after", type=int, default=0, help="rows; 0: never")
    parser.add_argument("--fork", action="store_true", help="leave a child that keeps what it inherited")
    parser.add_argument("--without", action="append", default=[], choices=["memfd_create", "pidfd_open"])
    options = parser.parse_args()
    for name in options.without:
        # Before the package looks: a system that has no such call.
        delattr(os, name)
    asyncio.run(train(options))


if __name__ == "__main__":
    main()
