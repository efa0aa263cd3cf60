"""Channels: nothing waits, nothing is lost, descriptors come with their slab, and what was said before an end is heard."""

import gc
import os
import selectors
import socket
import struct
from collections.abc import Iterator

import pytest

from asynclog.errors import DamagedFrame
from asynclog.link.channel import Channel, LocalChannel, SocketChannel
from asynclog.link.messages import Ack, Doorbell, Gone, Message, Pressure, Ready, Report, Slab, encode
from asynclog.shm.memory import Mapping, create_anonymous, create_shared

BULK = [Report({"at": at, "text": "x" * 500}) for at in range(200)]


def descriptors() -> int:
    """How many are open here, without what only waits to be collected."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def small_pair() -> tuple[SocketChannel, SocketChannel, socket.socket]:
    """Two ends that hold hardly anything between them, and the sending end's socket."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    return SocketChannel(here), SocketChannel(there), here


def messages(found: "list[tuple[Message, Mapping | None]]") -> list[Message]:
    return [message for message, _ in found]


def receive_all(sender: Channel, receiver: Channel, count: int) -> list[Message]:
    """Pass the turn back and forth until so many have come; each round must bring something."""
    found: list[Message] = []
    while len(found) < count:
        sender.flush()
        fresh = messages(receiver.receive())
        assert fresh, f"{len(found)} of {count} came"
        found += fresh
    return found


@pytest.fixture(params=["socket", "local"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Channel, Channel]]:
    before = descriptors()
    one: Channel
    other: Channel
    if request.param == "socket":
        one, other = map(SocketChannel, socket.socketpair())
    else:
        one, other = LocalChannel.pair()
    yield one, other
    one.close()
    other.close()
    assert descriptors() == before


# -- what both have in common ---------------------------------------------------------------------------------------------


def test_messages_arrive_in_order_both_ways(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    for at in range(5):
        one.send(Ack(at))
        other.send(Gone(at))
    assert messages(other.receive()) == [Ack(at) for at in range(5)]
    assert messages(one.receive()) == [Gone(at) for at in range(5)]
    assert one.flush()
    assert other.flush()


def test_an_empty_channel_gives_nothing_and_is_not_closed(pair: tuple[Channel, Channel]) -> None:
    assert pair[0].receive() == []
    assert not pair[0].closed


def test_something_to_read_wakes_a_selector(pair: tuple[Channel, Channel]) -> None:
    """Once: after it was read there is nothing more to wake for."""
    one, other = pair
    with selectors.DefaultSelector() as selector:
        selector.register(other, selectors.EVENT_READ)
        assert selector.select(0) == []
        one.send(Ack(1))
        assert selector.select(10)
        other.receive()
        assert selector.select(0) == []


def test_the_other_end_s_close_is_noticed(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    with selectors.DefaultSelector() as selector:
        selector.register(other, selectors.EVENT_READ)
        one.close()
        assert selector.select(10), "it wakes"
    assert other.receive() == []
    assert other.closed


def test_what_was_said_before_the_end_is_heard_with_it(pair: tuple[Channel, Channel]) -> None:
    """In one call: nobody wakes a reader a second time."""
    one, other = pair
    one.send(Ack(1))
    one.send(Ack(2))
    one.close()
    assert messages(other.receive()) == [Ack(1), Ack(2)]
    assert other.closed


def test_sending_to_nobody_is_no_error(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    other.close()
    for at in range(3):
        one.send(Ack(at))
    assert one.flush()
    assert one.receive() == []
    assert one.closed


# -- over a socket --------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_sent_later() -> None:
    """A hundred kilobytes through a socket of a few: cut anywhere, put together again."""
    here, there, _ = small_pair()
    for one in BULK:
        here.send(one)
    assert here.waiting
    assert not here.flush()
    assert receive_all(here, there, len(BULK)) == BULK
    assert here.flush()
    assert not here.waiting
    here.close()
    there.close()


def test_a_doorbell_replaces_a_doorbell_that_waits() -> None:
    """However long the socket is full: one comes through, the newest, after all that was said before."""
    here, there, _ = small_pair()
    for one in BULK:
        here.send(one)
    for position in range(1000):
        here.send(Doorbell(position))
    here.send(Ack(7))
    found = receive_all(here, there, len(BULK) + 2)
    assert found == [*BULK, Ack(7), Doorbell(999)]
    assert there.receive() == []
    here.close()
    there.close()


def test_doorbells_are_sent_at_once_where_there_is_room() -> None:
    here, there, _ = small_pair()
    here.send(Doorbell(1))
    assert messages(there.receive()) == [Doorbell(1)]
    here.send(Doorbell(2))
    assert messages(there.receive()) == [Doorbell(2)]
    here.close()
    there.close()


def test_a_slab_comes_with_its_memory() -> None:
    """Mapped read-only, of the right size, and each with its own descriptor, which is the receiver's to close."""
    before = descriptors()
    here, there = map(SocketChannel, socket.socketpair())
    made = [create_shared(4096 * (at + 1)) for at in range(3)]
    for at, mapping in enumerate(made):
        here.send(Slab(at, 1, mapping.size), mapping)
        here.send(Gone(100 + at))
    found = there.receive()
    assert [type(message) for message, _ in found] == [Slab, Gone] * 3
    for at, (message, arrived) in enumerate(found[::2]):
        assert isinstance(message, Slab)
        assert message.number == at
        assert arrived is not None
        assert arrived.view.readonly
        assert len(arrived.view) == made[at].size
        made[at].view[9] = 50 + at
        assert arrived.view[9] == 50 + at
        arrived.close()
    assert all(mapping is None for _, mapping in found[1::2])
    for mapping in made:
        mapping.close()
    here.close()
    there.close()
    del arrived, found, made, mapping
    assert descriptors() == before, "nothing stays open"


def test_descriptors_wait_with_their_messages() -> None:
    """Slabs sent into a full socket arrive with the right memory, though it was given up here meanwhile."""
    before = descriptors()
    here, there, _ = small_pair()
    for one in BULK:
        here.send(one)
    for at in range(70):
        mapping = create_shared(4096)
        mapping.view[0] = at
        here.send(Slab(at, 1, 4096), mapping)
        mapping.close()
    arrived: list[int] = []
    while len(arrived) < 70:
        here.flush()
        found = there.receive()
        assert found
        for message, got in found:
            if isinstance(message, Slab):
                assert got is not None
                assert got.view[0] == message.number
                got.close()
                arrived.append(message.number)
    assert arrived == list(range(70))
    here.close()
    there.close()
    del found, got, mapping
    assert descriptors() == before


def test_only_slabs_that_wait_keep_memory_from_being_used() -> None:
    """A writer may fill what the other end has or will have; a doorbell that waits says nothing about that."""
    sender, receiver, _ = small_pair()
    for message in BULK:
        sender.send(message)
    assert sender.waiting
    assert not sender.unsent
    mapping = create_shared(4096)
    sender.send(Slab(1, 0, mapping.size), mapping)
    assert sender.unsent
    receive_all(sender, receiver, len(BULK) + 1)
    assert not sender.unsent
    mapping.close()
    sender.close()
    receiver.close()


def test_descriptors_that_were_never_sent_are_closed() -> None:
    before = descriptors()
    here, there, _ = small_pair()
    for one in BULK:
        here.send(one)
    mapping = create_shared(4096)
    here.send(Slab(1, 1, 4096), mapping)
    mapping.close()
    here.close()
    there.close()
    del mapping
    assert descriptors() == before


def test_descriptors_that_were_never_asked_for_are_closed() -> None:
    """One that came with a message that is not complete yet."""
    before = descriptors()
    here, there = socket.socketpair()
    channel = SocketChannel(there)
    with open(os.devnull, "rb") as file:
        socket.send_fds(here, [b"\x10\0\0"], [file.fileno()])
    assert channel.receive() == []
    channel.close()
    here.close()
    assert descriptors() == before


def test_a_send_error_does_not_end_receiving() -> None:
    """The other end died with our messages unread, and had said something before: it is still heard."""
    here, there = socket.socketpair()
    one, other = SocketChannel(here), SocketChannel(there)
    one.send(Ready(1))
    for at in range(3):
        other.send(Ack(at))
    other.close()  # with a message unread, so that its end is a reset
    one.send(Ack(9))
    one.send(Ack(10))
    assert not one.closed
    assert not one.waiting
    found: list[Message] = []
    while not one.closed:
        found += messages(one.receive())
    assert found == [Ack(0), Ack(1), Ack(2)]
    one.send(Ack(11))
    assert one.flush()
    one.close()


def test_a_message_that_is_too_long_is_damage() -> None:
    """A forged length must not make us wait for ever."""
    here, there = socket.socketpair()
    here.send(struct.pack("<I", (16 << 20) + 1))
    channel = SocketChannel(there)
    with pytest.raises(DamagedFrame, match="a message of 16777217 bytes"):
        channel.receive()
    channel.close()
    here.close()


def test_a_message_comes_byte_by_byte() -> None:
    here, there = socket.socketpair()
    channel = SocketChannel(there)
    data = struct.pack("<I", 2) + encode(Pressure())
    for at in range(len(data) - 1):
        here.send(data[at : at + 1])
        assert channel.receive() == []
    here.send(data[-1:])
    assert messages(channel.receive()) == [Pressure()]
    channel.close()
    here.close()


# -- between threads ------------------------------------------------------------------------------------------------------


def test_threads_hand_over_the_memory_itself() -> None:
    one, other = LocalChannel.pair()
    mapping = create_anonymous(4096)
    one.send(Slab(1, 1, 4096), mapping)
    ((_, arrived),) = other.receive()
    assert arrived is mapping
    one.close()
    other.close()


def test_a_full_wake_up_pipe_loses_nothing() -> None:
    one, other = LocalChannel.pair()
    for at in range(10_000):
        one.send(Ack(at))
    assert messages(other.receive()) == [Ack(at) for at in range(10_000)]
    one.close()
    other.close()


def test_closing_both_ends_in_any_order_is_no_error() -> None:
    for order in (0, 1):
        pair = LocalChannel.pair()
        pair[order].close()
        pair[1 - order].close()
        pair[order].send(Ack(1))


def test_a_forked_child_closes_what_another_thread_was_sending_over() -> None:
    """The thread that had the lock does not exist there: waiting for it would be for ever."""
    here, there = map(SocketChannel, socket.socketpair())
    with here._sending:
        here.after_fork()
        here.close()
    assert here.closed
    there.close()
