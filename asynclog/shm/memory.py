"""The only calls to the operating system for shared memory: make it, map it, and let it go.

memfd where there is one, sealed against shrinking; otherwise ``shm_open``, unlinked at once, so that nothing ever stays in
/dev/shm. Memory is reserved when it is made: a full tmpfs is an error here, never a SIGBUS later.
"""

import fcntl
import mmap
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from asynclog.errors import NoRoom

_F_ADD_SEALS: Final = 1033  # linux/fcntl.h; the fcntl module has it from 3.14 on
_F_SEAL_SHRINK: Final = 0x0002
LARGEST_DEFAULT_QUOTA: Final = 1 << 30
_CGROUP_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
HAS_MEMFD: Final = hasattr(os, "memfd_create")
_PIECE_BYTES: Final = 512 << 10
_PIECE_PAGES: Final = 512  # numpy keeps the GIL for fewer than 500 items


class Mapping:
    """A piece of memory, with the descriptor that shares it (-1 for anonymous memory, which threads share)."""

    def __init__(self, fd: int, size: int, *, writable: bool) -> None:
        self.fd, self.size = fd, size
        if fd < 0:
            self._map = mmap.mmap(-1, size)
        else:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            self._map = mmap.mmap(fd, size, mmap.MAP_SHARED, protection)
        self.view = memoryview(self._map)

    def touch(self) -> None:
        """Have every page mapped now, not at its first use. MAP_POPULATE does it too, but holds the GIL: 5 ms for 4 MiB."""
        pages = np.frombuffer(self.view, np.uint8)[:: mmap.PAGESIZE]
        for at in range(0, len(pages), _PIECE_PAGES):
            pages[at : at + _PIECE_PAGES] = 0
            # Gives up the GIL and the core: the loop may be waiting for either, and a scheduler's slice is as long as all this.
            os.sched_yield()

    def close(self) -> None:
        """Close the descriptor. The pages go when the last view of them does, here and in every other process."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def create_shared(size: int, *, memfd: bool = HAS_MEMFD) -> Mapping:
    """Reserved, zeroed, writable memory that another process can map. Raises NoRoom."""
    try:
        fd = _memfd() if memfd else _unlinked_shm()
    except OSError as error:
        raise NoRoom(f"no more shared memory can be made: {error}") from error
    try:
        for start in range(0, size, _PIECE_BYTES):
            os.posix_fallocate(fd, start, min(_PIECE_BYTES, size - start))
            os.sched_yield()
        if memfd:
            fcntl.fcntl(fd, _F_ADD_SEALS, _F_SEAL_SHRINK)
        mapping = Mapping(fd, size, writable=True)
    except (OSError, ValueError) as error:
        os.close(fd)
        raise NoRoom(f"no {size} bytes of shared memory: {error}") from error
    mapping.touch()
    return mapping


def create_anonymous(size: int) -> Mapping:
    """Zeroed memory for threads of this process."""
    return Mapping(-1, size, writable=True)


def _memfd() -> int:
    return os.memfd_create("asynclog", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _unlinked_shm() -> int:
    import _posixshmem

    name = f"/asynclog-{secrets.token_hex(8)}"
    fd: int = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    _posixshmem.shm_unlink(name)
    return fd


def default_quota(limits: Sequence[Path] = _CGROUP_LIMITS) -> int:
    """min(1 GiB, an eighth of the cgroup's limit), in bytes."""
    for path in limits:
        if path.exists():
            text = path.read_text().strip()
            if text.isdigit():
                return min(LARGEST_DEFAULT_QUOTA, int(text) // 8)
    return LARGEST_DEFAULT_QUOTA
