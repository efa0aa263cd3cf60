"""The link's thread: it hears consumers, lets rows linger no longer than they may, and notices deaths."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asynclog.link.announcement import Rows
from asynclog.link.channel import SocketChannel
from asynclog.link.consumer import Consumer
from asynclog.link.links import Link
from asynclog.link.messages import Ack, Message, Ready, Report, Slab
from asynclog.link.producer import Producer
from asynclog.link.thread import LinkThread
from tests.unit.link.ends import Ends

DEADLINE_S = 10.0
LONG = 3600.0


class Watched:
    """Ends with a thread, and a condition that is notified of whatever the producer hears of."""

    def __init__(self, linger: float = LONG, threads: bool = False) -> None:
        self.ends = Ends(threads=threads)
        self.changed = threading.Condition()
        self.dead: list[Link] = []
        self.heard: list[Message] = []
        self.ends.producer._on_message = self._hear
        self.thread = LinkThread(self.ends.producer, linger, self._die)
        self.thread.start()

    def _hear(self, link: Link, message: Message) -> None:
        with self.changed:
            self.heard.append(message)
            self.changed.notify_all()

    def _die(self, link: Link) -> None:
        with self.ends.producer.lock:
            self.ends.producer.disconnect(link)
        with self.changed:
            self.dead.append(link)
            self.changed.notify_all()

    def until(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_S)

    def close(self) -> None:
        self.thread.stop()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.ends.close()


@pytest.fixture(params=[False, True], ids=["processes", "threads"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    made = Watched(threads=request.param)
    yield made
    made.close()


def wait_readable(channel: Any) -> None:
    import select

    assert select.select([channel], [], [], DEADLINE_S)[0], "nothing came in time"


def test_what_a_consumer_says_is_heard(watched: Watched) -> None:
    watched.ends.consumer.send(Ready(5))
    watched.until(lambda: watched.heard == [Ready(5)])
    assert watched.ends.link.pid == 5


def test_rows_do_not_linger_for_longer_than_they_may() -> None:
    """An idle loop still tells of its last rows."""
    watched = Watched(linger=0.01)
    with watched.ends.producer.lock:
        watched.ends.rows(3)
    found: list[Any] = []
    while not any(isinstance(one, Rows) for one in found):
        wait_readable(watched.ends.consumer.channel)
        found += watched.ends.take()
    watched.close()


def test_a_death_is_noticed(watched: Watched) -> None:
    """And told in this thread, after what the dead had said."""
    watched.ends.consumer.send(Ready(6))
    watched.ends.consumer.channel.close()
    watched.until(lambda: watched.dead == [watched.ends.link])
    assert watched.heard == [Ready(6)]
    assert watched.ends.link.channel is None


def test_a_successor_is_heard(watched: Watched) -> None:
    watched.ends.consumer.channel.close()
    watched.until(lambda: watched.dead)
    watched.ends.replace()
    watched.thread.wake()
    watched.ends.consumer.send(Ready(7))
    watched.until(lambda: watched.heard == [Ready(7)])


def test_a_link_that_was_dropped_is_no_longer_watched(watched: Watched) -> None:
    with watched.ends.producer.lock:
        watched.ends.producer.drop(watched.ends.link)
    ran = threading.Event()
    watched.thread.call(ran.set)
    assert ran.wait(DEADLINE_S)
    again = threading.Event()
    watched.thread.call(again.set)
    assert again.wait(DEADLINE_S), "the thread is alive"


def test_tasks_run_in_the_thread(watched: Watched) -> None:
    names: list[str] = []
    ran = threading.Event()
    watched.thread.call(lambda: names.append(threading.current_thread().name))
    watched.thread.call(ran.set)
    assert ran.wait(DEADLINE_S)
    assert names == ["asynclog-link"]


def test_what_could_not_be_sent_at_once_is_sent_by_the_thread() -> None:
    """Far more than the socket holds; the consumer only reads."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    producer = Producer(quota=64 << 20)
    link = producer.attach("slow")
    thread = LinkThread(producer, LONG, lambda link: None)
    consumer = Consumer(SocketChannel(there))
    with producer.lock:
        producer.connect(link, SocketChannel(here))
        for at in range(300):
            producer.send(Report({"at": at, "text": "x" * 500}))
        assert link.channel is not None
        assert not link.channel.flush()
    thread.start()
    found: list[Message] = []
    while len(found) < 300:
        wait_readable(consumer.channel)
        found += consumer.receive()
    assert [one.content["at"] for one in found if isinstance(one, Report)] == list(range(300))
    assert not any(isinstance(one, Slab) for one in found)
    thread.stop()
    thread.join(DEADLINE_S)
    consumer.channel.close()
    producer.close()
    gc.collect()


def test_waking_a_thread_that_has_ended_is_no_error() -> None:
    watched = Watched()
    watched.close()
    watched.thread.wake()
    watched.thread.stop()


def test_acknowledgements_are_taken_in(watched: Watched) -> None:
    with watched.ends.producer.lock:
        watched.ends.event(b"x" * 100)
    watched.ends.take()
    watched.ends.consumer.ack()
    watched.until(lambda: any(isinstance(one, Ack) for one in watched.heard))
    assert watched.ends.link.acked == watched.ends.producer.control.position


def test_an_error_in_the_thread_is_told_and_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """All that is accepted hangs on it."""
    watched = Watched(linger=0.01)

    def fail() -> None:
        raise OSError(24, "Too many open files")

    watched.thread.call(fail)
    watched.ends.consumer.send(Ready(5))
    watched.until(lambda: watched.heard == [Ready(5)])
    watched.close()
    assert "met an error, and goes on" in caplog.text


def test_a_death_that_cant_be_dealt_with_is_tried_again() -> None:
    """Until it can; and not once more after that."""
    watched = Watched(linger=0.01)
    tries: list[Link] = []

    def die(link: Link) -> bool:
        tries.append(link)
        watched._die(link)
        return len(tries) < 3

    watched.thread._on_death = die
    watched.ends.consumer.channel.close()
    watched.until(lambda: len(tries) == 3)
    turned = threading.Event()
    watched.thread.call(turned.set)
    assert turned.wait(DEADLINE_S)
    assert watched.thread._dead == []
    watched.close()


def test_what_can_wake_nobody_is_looked_at_again_until_it_has_come() -> None:
    """And no longer: an idle thread sleeps."""
    ends = Ends()
    asked: list[float] = []
    come = threading.Event()

    def poll() -> bool:
        asked.append(time.monotonic())
        if len(asked) < 5:
            return True
        come.set()
        return False

    thread = LinkThread(ends.producer, LONG, lambda _: False, poll)
    thread.start()
    thread.wake()
    assert come.wait(DEADLINE_S), "with an hour of linger"
    ran = threading.Event()
    thread.call(ran.set)
    assert ran.wait(DEADLINE_S)
    thread.stop()
    thread.join(DEADLINE_S)
    assert 5 <= len(asked) <= 8, "once more for each time that it was woken"
    ends.close()
