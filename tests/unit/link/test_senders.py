"""Several threads send on one channel: nothing is torn or lost, and one look at a time misses nothing."""

import itertools
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from asynclog.link.channel import LocalChannel, SocketChannel
from asynclog.link.messages import Ack, Doorbell, Gone, Message, Report, Slab
from asynclog.shm.memory import Mapping, create_shared
from tests.abreast import abreast

THREADS = 6


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads take turns wherever they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], None], meanwhile: Callable[[], object] = lambda: None) -> None:
    """``work(number)`` in several threads, begun together; ``meanwhile`` again and again until they are done."""
    threads = abreast(partial(work, number) for number in range(THREADS))
    while any(one.is_alive() for one in threads):
        meanwhile()
    for one in threads:
        one.join()


def messages(found: "list[tuple[Message, Mapping | None]]") -> list[Message]:
    return [message for message, _ in found]


def test_what_several_threads_send_is_neither_torn_nor_lost() -> None:
    """Through a socket that holds hardly anything: each thread's messages come whole, and in its order."""
    sock, other = socket.socketpair()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    here, there = SocketChannel(sock), SocketChannel(other)
    found: list[Message] = []

    def send(number: int) -> None:
        for at in range(100):
            one = Report({"thread": number, "at": at, "text": "x" * (at * 37 % 900)})
            here.send_all([one, Ack(at)]) if at % 3 == 0 else here.send(one)

    at_once(send, lambda: found.extend(messages(there.receive())))
    while here.waiting:
        here.flush()
        found += messages(there.receive())
    found += messages(there.receive())
    for number in range(THREADS):
        own = [one for one in found if isinstance(one, Report) and one.content["thread"] == number]
        assert [(one.content["at"], len(one.content["text"])) for one in own] == [(at, at * 37 % 900) for at in range(100)]
    assert sum(isinstance(one, Ack) for one in found) == THREADS * 34
    here.close()
    there.close()


def test_what_a_thread_leaves_to_another_is_sent_without_a_further_call() -> None:
    """There is room for all of it: once nobody sends any more, nothing waits."""
    here, there = map(SocketChannel, socket.socketpair())
    for _ in range(30):
        at_once(lambda number: [here.send(Ack(at)) for at in range(20)] and None)
        assert not here.waiting
        assert len(there.receive()) == THREADS * 20
    here.close()
    there.close()


class Interrupted:
    """A lock; whoever lets go of it is interrupted just before, once."""

    def __init__(self, interruption: Callable[[], None]) -> None:
        self._lock, self._interruption = threading.Lock(), [interruption]

    def acquire(self, blocking: bool = True) -> bool:
        return self._lock.acquire(blocking)

    def release(self) -> None:
        if self._interruption:
            other = threading.Thread(target=self._interruption.pop())
            other.start()
            other.join()
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def test_a_message_that_comes_when_the_sender_has_just_finished_is_not_left_lying() -> None:
    """Its thread finds the other one still sending, which has looked for the last time; so it looks once more."""
    here, there = map(SocketChannel, socket.socketpair())
    here._sending = Interrupted(lambda: here.send(Ack(2)))  # type: ignore[assignment]
    here.send(Ack(1))
    assert messages(there.receive()) == [Ack(1), Ack(2)]
    assert not here.waiting
    here.close()
    there.close()


def test_slabs_of_several_threads_come_with_their_own_memory() -> None:
    here, there = map(SocketChannel, socket.socketpair())
    found: list[tuple[Message, Mapping | None]] = []

    def send(number: int) -> None:
        for at in range(10):
            mapping = create_shared(4096)
            mapping.view[0] = 16 * number + at
            here.send(Slab(16 * number + at, 1, 4096), mapping)
            mapping.close()

    at_once(send, lambda: found.extend(there.receive()))
    while len(found) < THREADS * 10:
        here.flush()
        found += there.receive()
    for message, mapping in found:
        assert isinstance(message, Slab)
        assert mapping is not None
        assert mapping.view[0] == message.number
    assert len({message.number for message, _ in found if isinstance(message, Slab)}) == THREADS * 10
    here.close()
    there.close()


def test_doorbells_of_several_threads_ring_behind_what_they_tell_of() -> None:
    """Many become few; none rings before the messages that came before it; the newest is never lost."""
    sock, other = socket.socketpair()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    here, there = SocketChannel(sock), SocketChannel(other)
    positions, order = itertools.count(), threading.Lock()

    def send(number: int) -> None:
        for _ in range(200):
            with order:
                position = next(positions)
                here.send(Ack(position))
            here.send(Doorbell(position))

    at_once(send)
    found: list[Message] = []
    while here.waiting:
        here.flush()
        found += messages(there.receive())
    told = -1
    for one in found:
        if isinstance(one, Ack):
            assert one == Ack(told + 1)
            told += 1
        else:
            assert isinstance(one, Doorbell)
            assert one.position <= told
    assert told == THREADS * 200 - 1
    bells = [one.position for one in found if isinstance(one, Doorbell)]
    assert max(bells) == told
    assert len(bells) < told / 2, "the socket was full nearly all the time"
    here.close()
    there.close()


# -- one look at a time ---------------------------------------------------------------------------------------------------


def test_one_look_takes_what_one_look_finds() -> None:
    """Descriptors part what the kernel hands out at a time; the selector says that there is more."""
    here, there = map(SocketChannel, socket.socketpair())
    mapping = create_shared(4096)
    for at in range(4):
        here.send(Slab(at, 1, 4096), mapping)
        here.send(Gone(at))
    found: list[list[Message]] = []
    with selectors.DefaultSelector() as selector:
        selector.register(there, selectors.EVENT_READ)
        while selector.select(0):
            found.append(messages(there.receive(once=True)))
    assert len(found) > 1
    together = list(itertools.chain.from_iterable(found))
    assert [type(one) for one in together] == [Slab, Gone] * 4
    assert together == [one for at in range(4) for one in (Slab(at, 1, 4096), Gone(at))]
    assert there.receive() == []
    assert not there.closed
    mapping.close()
    here.close()
    there.close()


def test_looks_put_together_what_was_cut() -> None:
    sock, other = socket.socketpair()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    here, there = SocketChannel(sock), SocketChannel(other)
    bulk = [Report({"at": at, "text": "x" * 3000}) for at in range(100)]
    here.send_all(bulk)
    found: list[Message] = []
    looks = 0
    while len(found) < len(bulk):
        here.flush()
        found += messages(there.receive(once=True))
        looks += 1
    assert found == bulk
    assert looks > 1
    here.close()
    assert messages(there.receive(once=True)) == []
    assert there.closed, "the end is found by a look of its own"
    there.close()


def test_one_look_between_threads_leaves_nothing_behind() -> None:
    """However often it was woken."""
    one, other = LocalChannel.pair()
    found: list[Message] = []

    def look() -> None:
        found.extend(messages(other.receive(once=True)))

    at_once(lambda number: [one.send(Ack(1000 * number + at)) for at in range(1000)] and None, look)
    with selectors.DefaultSelector() as selector:
        selector.register(other, selectors.EVENT_READ)
        while selector.select(0):
            look()
    assert len(found) == THREADS * 1000
    for number in range(THREADS):
        own = [one for one in found if isinstance(one, Ack) and one.position // 1000 == number]
        assert own == [Ack(1000 * number + at) for at in range(1000)]
    one.close()
    other.close()
