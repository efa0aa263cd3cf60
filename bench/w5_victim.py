"""The process W5 kills: it logs flat out, and says through a shared file what `write` has accepted.

`python -m bench.w5_victim RUN BOARD`. A pipe would be a system call a step, and slow the victim to a rate at which
little is under way; a store into a mapped page costs 60 ns, and outlives the process as the page cache does.
"""

import asyncio
import mmap
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.scalars import KEYS, rows

# accepted steps, the recorder's pid, the wish to stop
BOARD = struct.Struct("<qqq")
COUNT, RECORDER, STOP = (struct.Struct("<q"), 0), (struct.Struct("<q"), 8), (struct.Struct("<q"), 16)
EVENT_EVERY = 100
Field = tuple[struct.Struct, int]


class Board:
    """The mapped file: integers that one process writes and the other reads, each a single aligned store."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view

    def get(self, field: Field) -> int:
        """The integer as it stands."""
        return int(field[0].unpack_from(self._view, field[1])[0])

    def put(self, field: Field, value: int) -> None:
        """Store an integer."""
        field[0].pack_into(self._view, field[1], value)


@contextmanager
def board(path: Path) -> Iterator[Board]:
    """Map the board at `path`, made with zeros if it isn't there."""
    if not path.exists():
        path.write_bytes(bytes(BOARD.size))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), BOARD.size) as view:
        yield Board(view)


async def log_until_told(directory: Path, shared: Board) -> None:
    """Ten scalars a step and, every EVENT_EVERY steps, an image and a string, until STOP is set."""
    import asynclog as al

    work = rows(10_000)
    image = np.zeros((3, 16, 16), dtype=np.float32)
    step = 0
    async with al.MultiLogger(directory) as log:
        while not shared.get(STOP):
            log.log(dict(zip(KEYS, work[step % len(work)], strict=True)))
            if step % EVENT_EVERY == 0:
                image[:] = step
                log.log_image("frame", image)
                log.log_string("note", f"step {step}")
            await log.write(step)
            step += 1
            shared.put(COUNT, step)
            if step == 1:
                # A recorder that still starts, for some 0.3 s, has written nothing; that is told in the pages, not here.
                await log.flush()
            if step % 1_000 == 1:
                shared.put(RECORDER, log.statistics()["recorder"]["pid"] or 0)


if __name__ == "__main__":
    with board(Path(sys.argv[2])) as opened:
        asyncio.run(log_until_told(Path(sys.argv[1]), opened))
