"""The base of ported loggers: what a 3DB logger expects of its base class, without being a process itself."""

import queue
from collections.abc import Iterator, Mapping
from io import IOBase
from pathlib import Path
from typing import Any, ClassVar, cast

from asynclog.integrations.threedb.buffer import Buffer
from asynclog.integrations.threedb.hosting import HostedLogger


class BaseLogger:
    """Override ``log(item)``, and ``end()`` if something is to be closed; a module exports the class as ``Logger``.

    item: the mapping that was logged, with ``result_ix``; ``self.buffer[item["result_ix"]]`` its channels. The class is made
    and called in the process that hosts it, which may be killed: a successor makes it anew and goes on behind the last result
    that was logged. So open files to append. root_dir: where to write. config: the configuration that named the module.

    A class may instead have a loop of its own, ``run()``, that takes items from ``self.queue`` until None; it runs in a
    thread. tensors = True: the buffer gives torch tensors, as 3DB's does, instead of numpy arrays.
    """

    tensors: ClassVar[bool] = False

    def __init__(self, root_dir: str, result_buffer: Buffer, config: Mapping[str, Any] | None = None) -> None:
        self.root_dir = root_dir
        self.buffer = result_buffer
        self.config = config
        self.queue: queue.Queue[dict[str, Any] | None] = queue.Queue()

    @classmethod
    def as_sink(cls, config: Mapping[str, Any] | None, directory: Path, root_dir: Path) -> HostedLogger:
        """The sink that makes and serves such a logger. directory: where it remembers what was logged."""
        return HostedLogger(cls, config, directory, root_dir)

    @classmethod
    def has_own_loop(cls) -> bool:
        """Whether the class overrides ``run``."""
        return cls.run is not BaseLogger.run

    def log(self, item: dict[str, Any]) -> None:
        """A result. What is raised is tried again, and costs this result alone; OSError means: later."""
        raise NotImplementedError(f"{type(self).__name__} has no log(item)")

    def end(self) -> None:
        """After the last result."""

    def enqueue(self, item: dict[str, Any] | None) -> None:
        """Into the queue that ``run`` takes items from; None ends it."""
        self.queue.put(item)

    def run(self) -> None:
        """Log what is enqueued, until None. Only called for a class that overrides it."""
        while True:
            item = self.queue.get()
            if item is None:
                break
            self.log(item)
        self.end()

    def flush(self) -> None:
        """After each result, so that a kill can't take back what counts as logged: by default each file that is open as an
        attribute is flushed. A logger that keeps its files elsewhere overrides it."""
        for file in self._files():
            file.flush()

    def _files(self) -> Iterator[IOBase]:
        for held in vars(self).values():
            if isinstance(held, IOBase) and not held.closed and held.writable():
                yield held

    def close_files(self) -> None:
        """After ``end``: what it left open."""
        for file in self._files():
            cast(Any, file).close()
