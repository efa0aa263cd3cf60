"""The door of a live run: a Unix socket beside the stream's segments, through which processes of the same user attach
themselves.

A path of a socket may have 107 bytes, which runs' directories exceed: both ends go by the directory's descriptor.
"""

import errno
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

DOOR: Final = "attach.sock"
_CREDENTIALS: Final = struct.Struct("3i")
_WAITING: Final = 16
_NO_DESCRIPTOR: Final = (errno.EMFILE, errno.ENFILE)
_PAUSE_S: Final = 0.01
_KNOCK_TIMEVAL: Final = struct.pack("@ll", 2, 0)


class Door:
    """The listening end. Only the owner of the stream's lock opens it, so whatever lies there is a dead recorder's. Raises
    OSError where the file system has no sockets."""

    def __init__(self, stream: Path) -> None:
        self._stream = stream
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        try:
            self._sock.setblocking(False)
            with suppress(FileNotFoundError):
                (stream / DOOR).unlink()
            with _Reachable(stream) as path:
                self._sock.bind(path)
            # Nobody can connect before listen: from the first moment it is the owner's alone.
            (stream / DOOR).chmod(0o600)
            self._sock.listen(_WAITING)
        except BaseException:
            self._sock.close()
            raise

    def fileno(self) -> int:
        return self._sock.fileno()

    def answer(self) -> "tuple[socket.socket, int] | None":
        """Whoever knocks, and its process, if it is one of this user's; None if nobody does any more."""
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError as error:
                if error.errno in _NO_DESCRIPTOR:
                    # Whoever knocks stays at the door, which would be looked at without a pause.
                    time.sleep(_PAUSE_S)
                return None
            pid, uid = peer(sock)
            if uid in (os.geteuid(), 0):
                return sock, pid
            sock.close()

    def forget(self) -> None:
        """In a forked child: the door is the parent's, and nobody must find it open when the parent is gone."""
        self._sock.close()

    def close(self) -> None:
        with suppress(OSError):
            (self._stream / DOOR).unlink()
        self._sock.close()


def knock(stream: Path) -> "socket.socket | None":
    """A connection to whoever records the stream; None if nobody does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Too many may be waiting before a door that nobody answers. (A socket that doesn't block would not wait at all.)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _KNOCK_TIMEVAL)
    try:
        with _Reachable(stream) as path:
            sock.connect(path)
    except OSError:
        sock.close()
        return None
    if peer(sock)[1] not in (os.geteuid(), 0):
        sock.close()
        return None
    return sock


def peer(sock: socket.socket) -> tuple[int, int]:
    """(process, user) at the other end of a Unix socket; where the system doesn't tell, 0 and this user: the file's mode is the
    guard then."""
    if sys.platform != "linux":
        return 0, os.geteuid()
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


class _Reachable:
    """A path to the door that is short enough."""

    def __init__(self, stream: Path) -> None:
        self._stream = stream
        self._fd = -1

    def __enter__(self) -> str:
        if sys.platform != "linux":
            return str(self._stream / DOOR)
        self._fd = os.open(self._stream, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{DOOR}"

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
