"""One file becomes a copy that nothing changes any more, and its digest is taken from the copy's bytes.

Where the file system can, the copy shares the file's blocks (FICLONE: btrfs, XFS, bcachefs), takes no time and no room, and is
of one moment. Elsewhere bytes are read and written, and a file that was changed meanwhile is read again.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from asynclog.artifacts.source import not_a_file
from asynclog.errors import InvalidValue

_FICLONE: Final = 0x40049409  # linux/fs.h
_CHUNK_BYTES: Final = 1 << 20
_TRIES: Final = 3
_CANT_CLONE: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM})


class GivenUp(Exception):
    """Nobody waits for the copy any more."""


class Copied(NamedTuple):
    """A copy: what its bytes are called by, and how many they are."""

    digest: str
    size_bytes: int


def copy_file(source: str, target: str, given_up: Callable[[], bool], *, durable: bool) -> Copied:
    """Copy a file, over what was copied to the same place before. durable: return when the disk has it.

    Raises InvalidValue for what is no file, or changes all the while, OSError, GivenUp; then there is no copy.
    """
    # Without waiting: a pipe that has taken the file's place is refused, not read.
    reading = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        writing = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            copied = _copy(reading, writing, source, given_up)
            if durable:
                os.fsync(writing)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return copied


def digest_file(path: str, given_up: Callable[[], bool]) -> Copied:
    """What a copy would be, as the file is now. Raises OSError, GivenUp."""
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return _digest(reading, given_up)
    finally:
        os.close(reading)


def _copy(reading: int, writing: int, source: str, given_up: Callable[[], bool]) -> Copied:
    if not stat.S_ISREG(os.fstat(reading).st_mode):
        raise not_a_file(source, os.fstat(reading))
    for _ in range(_TRIES):
        before = os.fstat(reading)
        copied = None if _clone(reading, writing) else _read_and_write(reading, writing, before.st_size, given_up)
        after = os.fstat(reading)
        whole = copied is None or copied.size_bytes == before.st_size
        if whole and (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            # What was here before may have been longer. To begin with nothing would have ext4 flush the file when it is closed.
            os.ftruncate(writing, before.st_size)
            return copied or _digest(writing, given_up)
    expected = "a file that isn't being written to"
    raise InvalidValue(kind="artifact", expected=expected, got=f"{source!r}, which changed while it was copied, {_TRIES} times")


def _clone(reading: int, writing: int) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as error:
        if error.errno not in _CANT_CLONE:
            raise
        return False
    return True


def _digest(copy: int, given_up: Callable[[], bool]) -> Copied:
    digest, at = sha256(), 0
    while chunk := os.pread(copy, _CHUNK_BYTES, at):
        if given_up():
            raise GivenUp
        digest.update(chunk)
        at += len(chunk)
    return Copied(digest.hexdigest(), at)


def _read_and_write(reading: int, writing: int, size: int, given_up: Callable[[], bool]) -> Copied:
    """At most ``size`` bytes: a file that grows faster than it is read has no end."""
    digest, at = sha256(), 0
    while at < size and (chunk := os.pread(reading, min(_CHUNK_BYTES, size - at), at)):
        if given_up():
            raise GivenUp
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            written = os.pwrite(writing, rest, at)
            rest, at = rest[written:], at + written
    return Copied(digest.hexdigest(), at)
