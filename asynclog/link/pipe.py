"""One end of the connection between an engine and a process that it serves: messages, with descriptors and raw bytes.

A message is (length u32, raw u64), ``length`` bytes of msgpack and ``raw`` bytes as they are: large payloads that lie in no
shared memory are neither packed nor joined. All of it happens in an event loop's thread; what can't be sent waits for room.

The other end may be anybody's process: what it may send is bounded.
"""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final
from weakref import WeakSet

import msgpack
import numpy as np

from asynclog.errors import DamagedFrame

_HEAD: Final = Struct("<IQ")
_READ_BYTES: Final = 256 << 10
_MOST_DESCRIPTORS: Final = 64
LONGEST_MESSAGE: Final = 64 << 20
NOTHING: Final = memoryview(b"")

Received = Callable[[list[Any], memoryview], None]
_live: "WeakSet[Pipe]" = WeakSet()


class Pipe:
    """on_message(fields, raw). on_end(error): once, when nothing more will come. most_bytes: of one message that comes;
    most_raw: of its raw bytes; without ``descriptors`` those that come are closed."""

    def __init__(
        self, sock: socket.socket, *, most_bytes: int = LONGEST_MESSAGE, most_raw: int = 0, descriptors: bool = False
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._most_bytes, self._most_raw, self._takes_descriptors = most_bytes, most_raw, descriptors
        self._inbox = bytearray()
        self._descriptors: deque[int] = deque()
        self._head: tuple[int, int] | None = None
        self._fields: list[Any] | None = None
        self._raw: np.ndarray[tuple[int], np.dtype[np.uint8]] | None = None
        self._raw_at = 0
        self._outbox: deque[tuple[memoryview, list[int]]] = deque()
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Received = lambda fields, raw: None
        self._on_end: Callable[[str], None] = lambda why: None
        self.ended: str | None = None

    def start(self, on_message: Received, on_end: Callable[[str], None]) -> None:
        """Begin to hear, in the running loop."""
        self._on_message, self._on_end = on_message, on_end
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sock, self._readable)
        _live.add(self)

    # -- sending ----------------------------------------------------------------------------------------------------

    def post(self, fields: Sequence[Any], *, raw: Sequence[memoryview] = (), descriptors: Sequence[int] = ()) -> None:
        """Send, now or when there is room. Descriptors stay the caller's. After the end it does nothing."""
        if self.ended is not None:
            return
        body = msgpack.packb(fields, use_bin_type=True, unicode_errors="backslashreplace")
        head = _HEAD.pack(len(body), sum(map(len, raw)))
        # Duplicated: a slab may go before the socket takes it.
        self._outbox.append((memoryview(head + body), [os.dup(one) for one in descriptors]))
        self._outbox.extend((one, []) for one in raw)
        if len(self._outbox) == 1 + len(raw):
            self._send()

    async def sent(self) -> None:
        """Until everything posted is on its way, or the end has come."""
        await self._drained.wait()

    def _send(self) -> None:
        assert self._loop is not None
        while self._outbox and self.ended is None:
            data, descriptors = self._outbox[0]
            try:
                count = self._send_some(data, descriptors)
            except BlockingIOError:
                if self._drained.is_set():
                    self._drained.clear()
                    self._loop.add_writer(self._sock, self._send)
                return
            except OSError:
                # What the other end said before it went is still to be read.
                self._drop_outbox()
                break
            for one in descriptors:
                os.close(one)
            if count < len(data):
                self._outbox[0] = (data[count:], [])
            else:
                self._outbox.popleft()
        if not self._drained.is_set():
            self._loop.remove_writer(self._sock)
            self._drained.set()

    def _send_some(self, data: memoryview, descriptors: list[int]) -> int:
        flags = getattr(socket, "MSG_NOSIGNAL", 0)
        if not descriptors:
            return self._sock.send(data, flags)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        return self._sock.sendmsg([data], rights, flags)

    def _drop_outbox(self) -> None:
        while self._outbox:
            for one in self._outbox.popleft()[1]:
                os.close(one)

    # -- receiving --------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            if self._raw is not None:
                data = b""
                count = self._sock.recv_into(memoryview(self._raw)[self._raw_at :])  # type: ignore[arg-type]
                self._raw_at += count
            else:
                data = self._read_more() if self._takes_descriptors else self._sock.recv(_READ_BYTES)
                count = len(data)
        except BlockingIOError:
            return
        except OSError as error:
            # A reset comes when the other end died with our messages unread.
            self._end(str(error))
            return
        if not count:
            self._end("")
            return
        try:
            self._take(data)
        except (KeyError, MemoryError, OSError, TypeError, ValueError, msgpack.UnpackException) as error:
            # Also of whoever hears it: a descriptor that can't be mapped, a field of another type. Raw bytes may find no room.
            self._end(f"what came is no message: {error}")

    def _read_more(self) -> bytes:
        data, ancillary, _, _ = self._sock.recvmsg(_READ_BYTES, socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS))
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found = array.array("i")
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
                self._descriptors.extend(found)
        return data

    def descriptor(self) -> int:
        """The next of those that came, from now on the caller's. Raises DamagedFrame if none did."""
        if not self._descriptors:
            raise DamagedFrame("a slab without its descriptor")
        return self._descriptors.popleft()

    def _close_descriptors(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _take(self, data: bytes) -> None:
        """Nearly always a whole message has come, and nothing else: what was begun before, and what is left, is kept apart."""
        if self._inbox:
            self._inbox += data
            with memoryview(self._inbox) as view:
                taken = self._parse(view)
            del self._inbox[:taken]
        else:
            with memoryview(data) as view:
                taken = self._parse(view)
                if taken < len(data):
                    self._inbox += view[taken:]

    def _parse(self, data: memoryview) -> int:
        """Hear the messages that are whole; returns how many bytes were taken."""
        at = 0
        while self.ended is None:
            if self._head is None:
                if len(data) - at < _HEAD.size:
                    break
                length, raw = self._head = _HEAD.unpack_from(data, at)
                if length > self._most_bytes or raw > self._most_raw:
                    raise DamagedFrame(f"a message of {length} bytes and {raw} raw ones")
                at += _HEAD.size
            else:
                length, raw = self._head
            if self._fields is None:
                if len(data) - at < length:
                    break
                self._fields = msgpack.unpackb(data[at : at + length], raw=False, strict_map_key=False, max_ext_len=0)
                at += length
                if not isinstance(self._fields, list) or not self._fields:
                    raise DamagedFrame("a message that is no list")
                self._raw = np.empty(raw, np.uint8) if raw else None
                self._raw_at = 0
            whole = NOTHING
            if self._raw is not None:
                part = data[at : at + len(self._raw) - self._raw_at]
                self._raw[self._raw_at : self._raw_at + len(part)] = part
                self._raw_at += len(part)
                at += len(part)
                if self._raw_at < len(self._raw):
                    break
                whole = memoryview(self._raw)  # type: ignore[arg-type]
            fields = self._fields
            self._head = self._fields = self._raw = None
            self._on_message(fields, whole)
        return at

    # -- the end ----------------------------------------------------------------------------------------------------

    def _end(self, why: str) -> None:
        if self.ended is None:
            self.close(why)
            self._on_end(why)

    def close(self, why: str = "") -> None:
        """Nothing is sent or heard any more."""
        if self.ended is not None:
            return
        self.ended = why
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        self._drop_outbox()
        self._drained.set()
        self._close_descriptors()
        self._sock.close()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's, and ends with it. So is what the loop's selector knows of it."""
        self.ended = "it is the parent's"
        self._sock.close()

    def __repr__(self) -> str:
        return f"<Pipe: {len(self._outbox)} to send{'' if self.ended is None else ', ended'}>"


def _forget_in_child() -> None:
    for one in list(_live):
        if one.ended is None:
            one.forget()


if hasattr(os, "register_at_fork"):
    # A sink may fork in its worker, and whoever attached itself too: their children outlive them.
    os.register_at_fork(after_in_child=_forget_in_child)
