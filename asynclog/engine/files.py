"""The operating system's file calls that a journal depends on, as an object: tests pass one that fails on purpose."""

import errno
import os
from collections.abc import Sequence
from typing import Final

from asynclog.wire.frame import Buffer

MOST_BUFFERS: Final = 1024  # IOV_MAX on Linux


class Files:
    """The real thing."""

    def create(self, path: str) -> int:
        """Open for appending and reading back; created if need be."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        return os.writev(fd, buffers)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        os.fsync(fd)
        if not os.fstat(fd).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "the file was deleted while it was written")

    def close(self, fd: int) -> None:
        os.close(fd)
