"""What was logged before: a logger that is started again goes on behind it, instead of logging a batch twice."""

import os
from pathlib import Path
from typing import Final

from asynclog.sink import RunInfo

_WIDTH: Final = 20


class Reached:
    """The last write whose result was logged, in a file ``<writer>.reached``: the run's id, the epoch, and its time.

    It is written after each result by one call of the operating system, so it survives the death of this process, and a
    result that was logged is logged again only if the process dies between the two. It is not synced: a machine that goes
    down may make some results come again.
    """

    def __init__(self, directory: Path, run: RunInfo) -> None:
        self._run = run.id or "-"
        self._fd = os.open(directory / f"{run.writer}.reached", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._at = self._read()

    def _read(self) -> tuple[int, int]:
        words = os.pread(self._fd, 4096, 0).decode(errors="replace").split()
        if len(words) == 3 and words[0] == self._run and words[1].isdigit() and words[2].isdigit():
            return int(words[1]), int(words[2])
        return -1, 0

    def time_of(self, epoch: int) -> int:
        """What of an epoch was logged: writes up to this time."""
        if epoch == self._at[0]:
            return self._at[1]
        return 0 if epoch > self._at[0] else 1 << 63

    def move(self, epoch: int, time_ns: int) -> None:
        """A result was logged, and everything before it."""
        self._at = epoch, time_ns
        os.pwrite(self._fd, f"{self._run} {epoch:{_WIDTH}} {time_ns:{_WIDTH}}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._fd)

    def __repr__(self) -> str:
        return f"<Reached {self._at[1]} of epoch {self._at[0]}>"
