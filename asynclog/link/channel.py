"""Messages between two ends, never waiting: over a Unix socket with descriptors, or between threads of one process.

What can't be sent at once is kept and sent by ``flush``, except that a doorbell replaces a doorbell that still waits. A send
error never ends receiving: what the other end had queued before it died is still read.
"""

import array
import contextlib
import os
import socket
from collections import deque
from struct import Struct
from typing import Final, Protocol

from asynclog.errors import DamagedFrame
from asynclog.link.messages import Doorbell, Message, Slab, decode, encode
from asynclog.shm.memory import Mapping

_LENGTH: Final = Struct("<I")
_READ_BYTES: Final = 256 << 10
_MOST_DESCRIPTORS: Final = 64
_LONGEST_MESSAGE: Final = 16 << 20


class Channel(Protocol):
    """One end. ``closed``: the other end is gone and everything it sent was received."""

    closed: bool

    def fileno(self) -> int: ...
    def send(self, message: Message, mapping: Mapping | None = None) -> None: ...
    def flush(self) -> bool:
        """Send what waits; True if nothing waits any more."""
        ...

    def receive(self) -> "list[tuple[Message, Mapping | None]]": ...
    def close(self) -> None: ...


class SocketChannel:
    """Over a Unix stream socket. A Slab message takes its descriptor along."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._outbox: deque[tuple[bytes, int | None]] = deque()
        self._doorbell: Message | None = None
        self._inbox = bytearray()
        self._descriptors: deque[int] = deque()
        self._broken = False
        self.closed = False

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def waiting(self) -> bool:
        return bool(self._outbox or self._doorbell)

    def send(self, message: Message, mapping: Mapping | None = None) -> None:
        if self._broken:
            return
        if isinstance(message, Doorbell):
            self._doorbell = message
            self.flush()
            return
        data = encode(message)
        # Duplicated: the slab may be dropped here before the socket takes it.
        fd = None if mapping is None else os.dup(mapping.fd)
        self._outbox.append((_LENGTH.pack(len(data)) + data, fd))
        self.flush()

    def flush(self) -> bool:
        while not self._broken and (self._outbox or self._doorbell is not None):
            if not self._outbox:
                assert self._doorbell is not None
                data = encode(self._doorbell)
                self._doorbell = None
                self._outbox.append((_LENGTH.pack(len(data)) + data, None))
            data, fd = self._outbox[0]
            try:
                sent = self._send_some(data, fd)
            except BlockingIOError:
                return False
            except OSError:
                self._give_up_sending()
                break
            if fd is not None:
                os.close(fd)
            if sent < len(data):
                self._outbox[0] = (data[sent:], None)
            else:
                self._outbox.popleft()
        return True

    def _send_some(self, data: bytes, fd: int | None) -> int:
        flags = getattr(socket, "MSG_NOSIGNAL", 0)
        if fd is None:
            return self._sock.send(data, flags)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        return self._sock.sendmsg([data], rights, flags)

    def _give_up_sending(self) -> None:
        self._broken = True
        for _, fd in self._outbox:
            if fd is not None:
                os.close(fd)
        self._outbox.clear()
        self._doorbell = None

    def receive(self) -> "list[tuple[Message, Mapping | None]]":
        while not self.closed:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(_READ_BYTES, socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS))
            except BlockingIOError:
                break
            except OSError:
                # A reset comes when the other end died with our messages unread; what it sent before was read already.
                self.closed = True
                break
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds = array.array("i")
                    fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                    self._descriptors.extend(fds)
            if not data:
                self.closed = True
                break
            self._inbox += data
        return list(self._parsed())

    def _parsed(self) -> "list[tuple[Message, Mapping | None]]":
        found: list[tuple[Message, Mapping | None]] = []
        at = 0
        while len(self._inbox) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._inbox, at)
            if length > _LONGEST_MESSAGE:
                raise DamagedFrame(f"a message of {length} bytes")
            end = at + _LENGTH.size + length
            if len(self._inbox) < end:
                break
            message = decode(bytes(self._inbox[at + _LENGTH.size : end]))
            mapping = None
            if isinstance(message, Slab):
                mapping = Mapping(self._descriptors.popleft(), message.size, writable=False)
                mapping.close()  # what is mapped stays mapped
            found.append((message, mapping))
            at = end
        del self._inbox[:at]
        return found

    def close(self) -> None:
        self._give_up_sending()
        self.closed = True
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._sock.close()


class LocalChannel:
    """Between two threads; slabs are handed over as they are."""

    def __init__(self) -> None:
        self._inbox: deque[tuple[Message, Mapping | None]] = deque()
        self._wake_here, self._wake = socket.socketpair()
        self._wake_here.setblocking(False)
        self._wake.setblocking(False)
        self._peer: LocalChannel | None = None
        self.closed = False
        self.waiting = False

    @classmethod
    def pair(cls) -> "tuple[LocalChannel, LocalChannel]":
        one, other = cls(), cls()
        one._peer, other._peer = other, one
        return one, other

    def fileno(self) -> int:
        return self._wake_here.fileno()

    def send(self, message: Message, mapping: Mapping | None = None) -> None:
        peer = self._peer
        if peer is None or peer.closed:
            return
        peer._inbox.append((message, mapping))
        # A full wake-up pipe wakes just as well.
        with contextlib.suppress(BlockingIOError, OSError):
            peer._wake.send(b"\0")

    def flush(self) -> bool:
        return True

    def receive(self) -> "list[tuple[Message, Mapping | None]]":
        # It may have been closed here meanwhile, by another thread.
        with contextlib.suppress(OSError):
            while self._wake_here.recv(4096):
                pass
        # Looked at first: what is said between the two is received next time, before the end.
        gone = self._peer is None or self._peer.closed
        found = []
        while self._inbox:
            found.append(self._inbox.popleft())
        self.closed = gone
        return found

    def close(self) -> None:
        self.closed = True
        peer, self._peer = self._peer, None
        if peer is not None:
            with contextlib.suppress(BlockingIOError, OSError):
                peer._wake.send(b"\0")
        self._wake.close()
        self._wake_here.close()
