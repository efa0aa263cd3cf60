"""Pipes: messages whole and in order, however they are cut; nothing waits or leaks, and whatever else comes is the end."""

import asyncio
import gc
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgpack
import pytest

from asynclog.errors import DamagedFrame
from asynclog.link.pipe import LONGEST_MESSAGE, NOTHING, Pipe
from asynclog.shm.memory import Mapping, create_shared

HUGE = memoryview(os.urandom(1 << 20) * 8)
DEADLINE_S = 10.0


def descriptors() -> int:
    """How many are open here, without what only waits to be collected."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def message(fields: Any, raw: bytes = b"") -> bytes:
    body = msgpack.packb(fields)
    return struct.pack("<IQ", len(body), len(raw)) + body + raw


class End:
    """One end of a pipe and what it heard."""

    def __init__(self, sock: socket.socket, **limits: Any) -> None:
        self.sock = sock
        self.pipe = Pipe(sock, **{"most_raw": 1 << 30, "descriptors": True} | limits)
        self.heard: list[tuple[list[Any], bytes]] = []
        self.taken: list[int] = []
        self.ends: list[str] = []
        self.changed = asyncio.Event()
        self.pipe.start(self._hear, self._end)

    def _hear(self, fields: list[Any], raw: memoryview) -> None:
        if fields[0] == "slab":
            self.taken.append(self.pipe.descriptor())
        self.heard.append((fields, bytes(raw)))
        self.changed.set()

    def _end(self, why: str) -> None:
        self.ends.append(why)
        self.changed.set()

    async def hears(self, count: int) -> list[tuple[list[Any], bytes]]:
        """What it has heard once it is so many, or once nothing more comes."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.heard) < count and not self.ends:
                self.changed.clear()
                await self.changed.wait()
        return self.heard

    async def ended(self) -> str:
        async with asyncio.timeout(DEADLINE_S):
            while not self.ends:
                self.changed.clear()
                await self.changed.wait()
        (why,) = self.ends
        assert self.pipe.ended == why
        return why

    def close(self) -> None:
        self.pipe.close()
        for one in self.taken:
            os.close(one)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A pair that holds hardly anything; whatever a test leaves open is a leak."""
    before = descriptors()
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    yield here, there
    here.close()
    there.close()
    assert descriptors() == before


@pytest.fixture
async def pair(sockets: tuple[socket.socket, socket.socket]) -> AsyncIterator[tuple[End, End]]:
    one, other = map(End, sockets)
    yield one, other
    one.close()
    other.close()


def marked(number: int) -> Mapping:
    mapping = create_shared(4096)
    mapping.view[0] = number
    return mapping


# -- messages -------------------------------------------------------------------------------------------------------------


async def test_messages_arrive_in_order_both_ways(pair: tuple[End, End]) -> None:
    one, other = pair
    for at in range(50):
        one.pipe.post(["to", at, None, 0.5, b"\x00", {"a": [1]}])
        other.pipe.post(["fro", at])
    assert [fields for fields, _ in await other.hears(50)] == [["to", at, None, 0.5, b"\x00", {"a": [1]}] for at in range(50)]
    assert [fields for fields, _ in await one.hears(50)] == [["fro", at] for at in range(50)]


async def test_raw_bytes_come_with_their_message(pair: tuple[End, End]) -> None:
    one, other = pair
    one.pipe.post(["raw", 1], raw=[memoryview(b"some"), NOTHING, memoryview(b"bytes")])
    one.pipe.post(["plain"])
    assert await other.hears(2) == [(["raw", 1], b"somebytes"), (["plain"], b"")]


async def test_raw_bytes_of_any_size_arrive(pair: tuple[End, End]) -> None:
    """Neither packed nor joined, and with messages before and behind."""
    one, other = pair
    one.pipe.post(["before"])
    one.pipe.post(["huge"], raw=[HUGE, HUGE[:1000]])
    one.pipe.post(["behind"])
    found = await other.hears(3)
    assert [fields for fields, _ in found] == [["before"], ["huge"], ["behind"]]
    assert found[1][1] == bytes(HUGE) + bytes(HUGE[:1000])


async def test_a_full_socket_is_not_waited_for(pair: tuple[End, End]) -> None:
    """Nobody reads while all of it is posted; then it comes in order."""
    one, other = pair
    many = [["at", at, "x" * 500] for at in range(300)]
    for fields in many:
        one.pipe.post(fields, raw=[memoryview(fields[2].encode())] if fields[1] % 7 == 0 else [])
    assert repr(one.pipe) != "<Pipe: 0 to send>"
    assert other.heard == []
    found = await other.hears(300)
    assert [fields for fields, _ in found] == many
    assert all(raw == (b"x" * 500 if fields[1] % 7 == 0 else b"") for fields, raw in found)
    assert repr(one.pipe) == "<Pipe: 0 to send>"


async def test_whoever_wants_to_may_wait_until_it_is_sent(pair: tuple[End, End]) -> None:
    one, other = pair
    await one.pipe.sent()
    one.pipe.post(["huge"], raw=[HUGE])
    waiting = asyncio.create_task(one.pipe.sent())
    await asyncio.sleep(0)
    assert not waiting.done()
    await other.hears(1)
    async with asyncio.timeout(DEADLINE_S):
        await waiting


async def test_messages_may_come_byte_by_byte(sockets: tuple[socket.socket, socket.socket]) -> None:
    here, there = sockets
    end = End(there)
    data = message(["one", 1]) + message(["two"], b"raw") + message(["three", "x" * 300]) + message(["four"])
    for at in range(len(data)):
        here.send(data[at : at + 1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await end.hears(4) == [(["one", 1], b""), (["two"], b"raw"), (["three", "x" * 300], b""), (["four"], b"")]
    end.close()


# -- descriptors ----------------------------------------------------------------------------------------------------------


async def test_descriptors_come_with_their_messages(pair: tuple[End, End]) -> None:
    """Each to its own, through a full socket, though the sender has closed them meanwhile."""
    one, other = pair
    for at in range(40):
        mapping = marked(at)
        one.pipe.post(["slab", at], descriptors=[mapping.fd])
        mapping.close()
        one.pipe.post(["bulk", "x" * 300], raw=[memoryview(b"raw")] if at % 2 else [])
    found = await other.hears(80)
    assert [fields[1] for fields, _ in found if fields[0] == "slab"] == list(range(40))
    for at, fd in enumerate(other.taken):
        assert Mapping(fd, 4096, writable=False).view[0] == at


async def test_a_slab_without_a_descriptor_is_the_end(pair: tuple[End, End]) -> None:
    one, other = pair
    one.pipe.post(["slab", 1])
    assert "without its descriptor" in await other.ended()


async def test_descriptors_that_nobody_wants_are_closed(sockets: tuple[socket.socket, socket.socket]) -> None:
    here, there = sockets
    one, other = End(here), End(there, descriptors=False)
    before = descriptors()
    mapping = marked(1)
    for at in range(20):
        one.pipe.post(["text", at], descriptors=[mapping.fd] * 3)
    mapping.close()
    del mapping  # which keeps a descriptor of its own as long as it is mapped
    await other.hears(20)
    assert descriptors() == before
    with pytest.raises(DamagedFrame):
        other.pipe.descriptor()
    one.close()
    other.close()


async def test_what_waits_to_be_sent_or_taken_is_closed_with_the_pipe(sockets: tuple[socket.socket, socket.socket]) -> None:
    """The fixture counts."""
    one, other = map(End, sockets)
    mapping = marked(1)
    for at in range(30):
        one.pipe.post(["text", at, "x" * 500], descriptors=[mapping.fd])
    mapping.close()
    await other.hears(3)
    one.close()
    other.close()


# -- whatever else comes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(struct.pack("<IQ", LONGEST_MESSAGE + 1, 0), "a message of 67108865 bytes", id="too long"),
        pytest.param(struct.pack("<IQ", 3, (1 << 20) + 1), "and 1048577 raw ones", id="too much raw"),
        pytest.param(struct.pack("<IQ", 3, 1 << 63), "raw ones", id="more raw than there is"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "a message of", id="another protocol"),
        pytest.param(struct.pack("<IQ", 4, 0) + b"\xc1\xc1\xc1\xc1", "no message", id="no msgpack"),
        pytest.param(struct.pack("<IQ", 0, 0), "no message", id="nothing"),
        pytest.param(struct.pack("<IQ", 2, 0) + b"\x90\x90", "no message", id="more than one thing"),
        pytest.param(message({"a": 1}), "no list", id="a map"),
        pytest.param(message([]), "no list", id="an empty list"),
        pytest.param(message("text"), "no list", id="text"),
        pytest.param(struct.pack("<IQ", 5, 0) + b"\x91\xc7\x01\x05\x00", "no message", id="an extension type"),
        pytest.param(struct.pack("<IQ", 3, 0) + b"\x91\xa1\xff", "no message", id="no UTF-8"),
        pytest.param(struct.pack("<IQ", 5, 0) + b"\xdd\xff\xff\xff\xff", "no message", id="a list of four thousand millions"),
        pytest.param(struct.pack("<IQ", 4000, 0) + b"\x91" * 4000, "no message", id="a list in a list in a list"),
    ],
)
async def test_whatever_is_no_message_is_the_end(sockets: tuple[socket.socket, socket.socket], data: bytes, why: str) -> None:
    """After what came before it, once, and with a reason; what comes behind is not heard."""
    here, there = sockets
    end = End(there, most_raw=1 << 20)
    here.send(message(["before"]) + data + message(["behind"]))
    assert why in await end.ended()
    assert end.heard == [(["before"], b"")]
    here.close()
    await asyncio.sleep(0)
    assert len(end.ends) == 1


@pytest.mark.parametrize("error", [DamagedFrame, TypeError, KeyError, OSError])
async def test_a_message_that_can_not_be_understood_is_the_end(
    sockets: tuple[socket.socket, socket.socket], error: type[Exception]
) -> None:
    """Whatever whoever hears it raises: it is not heard again, nor waited for."""
    here, there = sockets
    end = End(there)
    heard = []

    def hear(fields: list[Any], raw: memoryview) -> None:
        heard.append(fields)
        raise error("no such thing")

    end.pipe.start(hear, end._end)
    here.send(message(["first"]) + message(["second"]))
    assert "no such thing" in await end.ended()
    assert heard == [["first"]]


async def test_a_message_that_is_too_long_is_refused_at_once(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Before it came: nothing is kept of it."""
    here, there = sockets
    end = End(there, most_bytes=1000)
    here.send(struct.pack("<IQ", 1001, 0))
    assert "a message of 1001 bytes" in await end.ended()


# -- the end --------------------------------------------------------------------------------------------------------------


async def test_the_other_end_s_close_is_noticed(pair: tuple[End, End]) -> None:
    one, other = pair
    one.close()
    assert await other.ended() == ""
    assert repr(other.pipe) == "<Pipe: 0 to send, ended>"
    assert one.ends == [], "whoever closes knows"


async def test_what_was_said_before_the_end_is_heard(pair: tuple[End, End]) -> None:
    """Also by whoever finds out by sending that nobody is there."""
    one, other = pair
    one.pipe.post(["last", "words"])
    one.close()
    other.pipe.post(["to", "nobody"])
    other.pipe.post(["huge"], raw=[HUGE])
    await other.pipe.sent()
    await other.ended()
    assert other.heard == [(["last", "words"], b"")]


async def test_a_message_cut_by_the_end_is_not_heard(sockets: tuple[socket.socket, socket.socket]) -> None:
    here, there = sockets
    end = End(there)
    here.send(message(["whole"]) + message(["cut"], b"raw bytes")[:-3])
    here.close()
    assert await end.ended() == ""
    assert end.heard == [(["whole"], b"")]


async def test_nothing_happens_after_the_end(pair: tuple[End, End]) -> None:
    one, other = pair
    mapping = marked(1)
    one.close()
    one.pipe.post(["more"], raw=[HUGE], descriptors=[mapping.fd])
    mapping.close()
    await one.pipe.sent()
    one.pipe.close("again")
    assert one.pipe.ended == ""
    await other.ended()


async def test_whoever_waits_for_room_is_released_by_the_end(pair: tuple[End, End]) -> None:
    one, other = pair
    one.pipe.post(["huge"], raw=[HUGE])
    waiting = asyncio.create_task(one.pipe.sent())
    await asyncio.sleep(0)
    other.close()
    async with asyncio.timeout(DEADLINE_S):
        await waiting
        await one.ended()


async def test_a_pipe_may_be_closed_by_what_it_hears(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Nothing that came with it is heard any more."""
    here, there = sockets
    heard: list[Any] = []
    pipe = Pipe(there)

    def hear(fields: list[Any], raw: memoryview) -> None:
        heard.append(fields)
        pipe.close("enough")

    pipe.start(hear, heard.append)
    here.send(message(["one"]) + message(["two"]))
    async with asyncio.timeout(DEADLINE_S):
        while pipe.ended is None:
            await asyncio.sleep(0)
    assert (heard, pipe.ended) == ([["one"]], "enough")
