"""A file that grows by whole batches or not at all.

Delivery is at least once: after a full disk, a cancelled write or a crash the same batch comes again. What an
unfinished write left behind the accepted bytes is therefore cut off before the next one begins, and what a dead process
left half written is cut off on opening. A file has one writer; ranks get files of their own.

A thread that writes can't be called back, so every step runs to its end even if the task that asked for it is
cancelled, and the next step waits for it.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import aiofiles
import aiofiles.os
from aiofiles.threadpool.binary import AsyncFileIO

from asynclog.sink import RunInfo

T = TypeVar("T")


def path_in_run(path: str | Path, run: RunInfo) -> Path:
    """Where a sink's file lies: relative paths in the run's directory (without one, in the current directory).

    Rank 3 of several writes ``metrics.rank3.jsonl``, since a text file can't have two writers.
    """
    wanted = Path(path).expanduser()
    if run.rank:
        wanted = wanted.with_name(f"{wanted.stem}.rank{run.rank}{wanted.suffix}")
    return wanted if run.directory is None else run.directory / wanted


class GrowingFile:
    """``open``, then for each batch ``begin``, ``append`` any number of times, ``accept``; at the end ``aclose``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accepted = 0
        """Bytes of the batches that are whole."""
        self._length = 0
        self._file: AsyncFileIO | None = None
        self._under_way: asyncio.Task[Any] | None = None

    async def open(self, survey: Callable[[BinaryIO], int] | None) -> None:
        """Open behind what ``survey`` (called in a thread with the old file) says is to be kept; None: begin anew."""
        await aiofiles.os.makedirs(self.path.parent, exist_ok=True)
        if survey is not None and await aiofiles.os.path.exists(self.path):
            self.accepted = await asyncio.to_thread(_surveyed, self.path, survey)
        await self._finish(self._reopen())
        await self.begin()

    async def begin(self) -> None:
        """Forget what an unfinished write left."""
        await self._settled()
        if self._length != self.accepted:
            await self._finish(self._cut())

    async def append(self, data: bytes) -> None:
        """Add to the batch that is being written. Raises OSError."""
        await self._finish(self._append(data))

    def accept(self) -> None:
        """The batch is whole."""
        self.accepted = self._length

    async def rewrite(self, transform: Callable[[BinaryIO, BinaryIO], None]) -> None:
        """Replace the accepted bytes in one step by what ``transform(old, new)``, called in a thread, makes of them."""
        await self.begin()
        await self._finish(self._replace(transform))

    async def flush(self) -> None:
        """Return when the accepted bytes are on the disk."""
        await self._settled()
        if self._file is not None:
            await self._finish(asyncio.to_thread(os.fsync, self._file.fileno()))

    async def aclose(self) -> None:
        """Close; a second time does nothing."""
        await self._settled()
        if self._file is not None:
            await self.begin()
            await self._finish(self._close())

    async def _finish(self, step: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(step)
        self._under_way = task
        return await asyncio.shield(task)

    async def _settled(self) -> None:
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    async def _reopen(self) -> None:
        # Unbuffered: a buffer would keep what the disk refused, and write it a second time later.
        self._file = await aiofiles.open(self.path, "ab", buffering=0)
        self._length = await aiofiles.os.path.getsize(self.path)

    async def _cut(self) -> None:
        await self._opened.truncate(self.accepted)
        self._length = self.accepted

    async def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = await self._opened.write(view)
            self._length += written
            view = view[written:]

    async def _replace(self, transform: Callable[[BinaryIO, BinaryIO], None]) -> None:
        await asyncio.to_thread(_replaced, self.path, transform)
        await self._opened.close()
        await self._reopen()
        self.accept()

    async def _close(self) -> None:
        file, self._file = self._opened, None
        await file.close()

    @property
    def _opened(self) -> AsyncFileIO:
        assert self._file is not None, "open() comes first"
        return self._file


def _surveyed(path: Path, survey: Callable[[BinaryIO], int]) -> int:
    with path.open("rb") as file:
        return survey(file)


def _replaced(path: Path, transform: Callable[[BinaryIO, BinaryIO], None]) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        with path.open("rb") as source, new.open("wb") as target:
            transform(source, target)
            target.flush()
            os.fsync(target.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
