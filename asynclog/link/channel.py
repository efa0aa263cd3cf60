"""Messages between two ends, never waiting: over a Unix socket with descriptors, or between threads of one process.

What can't be sent at once is kept and sent by ``flush``, except that a doorbell replaces a doorbell that still waits. A send
error never ends receiving: what the other end had queued before it died is still read.

Any thread may send, and none waits for another: what one of them finds being sent, the sender takes along. (With a lock around
the system call, which gives up the GIL, the loop waited up to 5 ms for a link thread that had the lock and wanted the GIL.)
"""

import array
import contextlib
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Final, Protocol

from asynclog.errors import DamagedFrame
from asynclog.link.messages import Doorbell, Message, Slab, Tap, decode, encode
from asynclog.shm.memory import Mapping

_LENGTH: Final = Struct("<I")
_READ_BYTES: Final = 256 << 10
_MOST_DESCRIPTORS: Final = 64
_MOST_PASSED: Final = 48  # with one message; the receiver has room for more
_LONGEST_MESSAGE: Final = 16 << 20


def _packed(messages: Sequence[Message]) -> bytes:
    return b"".join(part for data in map(encode, messages) for part in (_LENGTH.pack(len(data)), data))


class Channel(Protocol):
    """One end. ``closed``: the other end is gone and everything it sent was received."""

    closed: bool

    def fileno(self) -> int: ...
    def send(self, message: Message, mapping: Mapping | None = None) -> None: ...
    def send_all(self, messages: Sequence[Message]) -> None:
        """Several at once: the other end wakes once."""
        ...

    def send_slabs(self, slabs: Sequence[tuple[Slab, Mapping]]) -> None:
        """Many descriptors at once, in few messages: a socket holds some 270 messages, whatever their size."""
        ...

    def flush(self, *, patiently: bool = False) -> bool:
        """Send what waits; True if nothing waits any more. patiently: wait for another thread that is sending."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether a slab is kept here that the other end would not get if this process died now."""
        ...

    def receive(self, *, once: bool = False) -> "list[tuple[Message, Mapping | None]]":
        """All that came. once: what one look finds, where a selector says that there is more: every further look would let go
        of the GIL, and a loop that never sleeps gives it back 5 ms later."""
        ...

    def after_fork(self) -> None:
        """In a forked child: whoever held a lock of ours does not exist there."""
        ...

    def close(self) -> None: ...


class SocketChannel:
    """Over a Unix stream socket. A Slab message takes its descriptor along."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._outbox: deque[tuple[bytes, list[int], bool]] = deque()
        """What is left of a message, its descriptors, whether it tells of slabs."""
        self._bells: deque[int] = deque()
        self._sending = threading.Lock()
        self._inbox = bytearray()
        self._descriptors: deque[int] = deque()
        self._broken = False
        self.closed = False

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def waiting(self) -> bool:
        return bool(self._outbox or self._bells)

    def send(self, message: Message, mapping: Mapping | None = None) -> None:
        if self._broken:
            return
        if isinstance(message, Doorbell):
            self._bells.append(message.position)
            self.flush()
            return
        data = encode(message)
        # Duplicated: the slab may be dropped here before the socket takes it.
        fds = [] if mapping is None else [os.dup(mapping.fd)]
        if isinstance(message, Tap):
            fds = [os.dup(message.file), os.dup(message.shown)]
        self._outbox.append((_LENGTH.pack(len(data)) + data, fds, mapping is not None))
        self.flush()

    def send_all(self, messages: Sequence[Message]) -> None:
        if not self._broken:
            self._outbox.append((_packed(messages), [], False))
            self.flush()

    def send_slabs(self, slabs: Sequence[tuple[Slab, Mapping]]) -> None:
        for start in range(0, 0 if self._broken else len(slabs), _MOST_PASSED):
            some = slabs[start : start + _MOST_PASSED]
            fds = [os.dup(mapping.fd) for _, mapping in some]
            self._outbox.append((_packed([slab for slab, _ in some]), fds, True))
        self.flush()

    @property
    def unsent(self) -> bool:
        # A list in one go: another thread may be sending.
        return any(of_slabs for _, _, of_slabs in list(self._outbox))

    def flush(self, *, patiently: bool = False) -> bool:
        # Looked at again after each turn: what came while this thread was sending was left to it.
        while self.waiting and not self._broken:
            if not self._sending.acquire(blocking=patiently):
                return True
            try:
                if not self._send_waiting():
                    return False
            finally:
                self._sending.release()
        return True

    def _send_waiting(self) -> bool:
        while not self._broken and self.waiting:
            if self._bells:
                # Behind what was told of before it. Of those that wait, the last one says it all.
                position = max(self._bells.popleft() for _ in range(len(self._bells)))
                data = encode(Doorbell(position))
                if not self._outbox:
                    self._outbox.append((_LENGTH.pack(len(data)) + data, [], False))
                else:
                    self._bells.append(position)
            data, fds, of_slabs = self._outbox[0]
            try:
                sent = self._send_some(data, fds)
            except BlockingIOError:
                return False
            except OSError:
                self._give_up_sending()
                break
            for fd in fds:
                os.close(fd)
            if sent < len(data):
                self._outbox[0] = (data[sent:], [], of_slabs)
            else:
                self._outbox.popleft()
        return True

    def _send_some(self, data: bytes, fds: list[int]) -> int:
        flags = getattr(socket, "MSG_NOSIGNAL", 0)
        if not fds:
            return self._sock.send(data, flags)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        return self._sock.sendmsg([data], rights, flags)

    def _give_up_sending(self) -> None:
        self._broken = True
        while self._outbox:
            _, fds, _ = self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        self._bells.clear()

    def receive(self, *, once: bool = False) -> "list[tuple[Message, Mapping | None]]":
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
            if once:
                break
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
                # Its descriptor is kept: whoever is served by this process is passed it on.
                mapping = Mapping(self._descriptors.popleft(), message.size, writable=False)
            elif isinstance(message, Tap):
                message = message._replace(file=self._descriptors.popleft(), shown=self._descriptors.popleft())
            found.append((message, mapping))
            at = end
        del self._inbox[:at]
        return found

    def after_fork(self) -> None:
        self._sending = threading.Lock()

    def close(self) -> None:
        with self._sending:
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
        if isinstance(message, Tap):
            message = message._replace(file=os.dup(message.file), shown=os.dup(message.shown))
        peer._inbox.append((message, mapping))
        # A full wake-up pipe wakes just as well.
        with contextlib.suppress(BlockingIOError, OSError):
            peer._wake.send(b"\0")

    def send_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.send(message)

    def send_slabs(self, slabs: Sequence[tuple[Slab, Mapping]]) -> None:
        for slab, mapping in slabs:
            self.send(slab, mapping)

    def flush(self, *, patiently: bool = False) -> bool:
        return True

    @property
    def unsent(self) -> bool:
        return False

    def receive(self, *, once: bool = False) -> "list[tuple[Message, Mapping | None]]":
        # It may have been closed here meanwhile, by another thread.
        with contextlib.suppress(OSError):
            while self._wake_here.recv(4096) and not once:
                pass
        # Looked at first: what is said between the two is received next time, before the end.
        gone = self._peer is None or self._peer.closed
        found = []
        while self._inbox:
            found.append(self._inbox.popleft())
        self.closed = gone
        return found

    def after_fork(self) -> None:
        """It has no lock."""

    def close(self) -> None:
        self.closed = True
        peer, self._peer = self._peer, None
        if peer is not None:
            with contextlib.suppress(BlockingIOError, OSError):
                peer._wake.send(b"\0")
        self._wake.close()
        self._wake_here.close()
