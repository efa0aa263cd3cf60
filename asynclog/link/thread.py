"""The thread that owns the sockets of the training process: it hears what consumers say, sends what could not be sent at
once, lets rows linger no longer than they may, and notices when a consumer dies.

It wakes a few times a second, and once for each message: waking it costs the loop a switch of the GIL, and so does every
system call it makes.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from asynclog.link.channel import Channel, SocketChannel
from asynclog.link.links import Link
from asynclog.link.producer import Producer

_log = logging.getLogger("asynclog")
POLL_S: Final = 0.001
_TELL_S: Final = 1.0


class LinkThread(threading.Thread):
    """on_death(link): called in this thread when a consumer's end of the socket is gone, and again per linger while it returns
    True: it could not be dealt with yet. linger: seconds. poll: called in this thread at each turn, and again after POLL_S
    while it returns True: something is on its way that can't wake anybody."""

    def __init__(
        self,
        producer: Producer,
        linger: float,
        on_death: Callable[[Link], bool | None],
        poll: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(name="asynclog-link", daemon=True)
        # Half of it for the rows to be told of, half for the recorder to write them.
        self._producer, self._linger, self._on_death = producer, linger / 2, on_death
        self._poll, self._polling = poll, False
        self.chores: list[Callable[[], None]] = []
        """Called in this thread, each once a turn that is due by linger."""
        self._heard, self._waker = socket.socketpair()
        self._heard.setblocking(False)
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._heard, selectors.EVENT_READ)
        self._watched: dict[int, Channel] = {}
        self._tasks: list[Callable[[], None]] = []
        self._dead: list[Link] = []
        self._drained = self._told = 0.0
        self._stopping = False

    def wake(self) -> None:
        """Look at the links again: one was connected or dropped."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")

    def call(self, task: Callable[[], None]) -> None:
        """Run something in this thread."""
        self._tasks.append(task)
        self.wake()

    def stop(self) -> None:
        self._stopping = True
        self.wake()

    def run(self) -> None:
        self._drained = time.monotonic()
        while not self._stopping:
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - everything that is accepted hangs on this thread, so it goes on
                _log.exception("the thread that serves the recorder met an error, and goes on")
                time.sleep(self._linger)
        self._selector.close()
        self._heard.close()
        self._waker.close()

    def _turn(self) -> None:
        self._watch()
        left = max(0.0, self._drained + self._linger - time.monotonic())
        if self._polling:
            left = min(left, POLL_S)
        for key, events in self._selector.select(left):
            if isinstance(key.data, Link):
                self._serve(key.data, events)
            else:
                self._heard.recv(4096)
        while self._tasks:
            self._tasks.pop(0)()
        self._polling = self._poll()
        now = time.monotonic()
        if now - self._drained >= self._linger:
            self._drained = now
            if self._producer.blocks.dirty:
                self._producer.drain()
            self._dead = [link for link in self._dead if self._on_death(link)]
            for chore in list(self.chores):
                chore()
        if now - self._told >= _TELL_S:
            self._told = now
            self._producer.tell_stock()

    def _serve(self, link: Link, events: int) -> None:
        channel = link.channel
        if channel is None:
            return
        if events & selectors.EVENT_WRITE:
            with self._producer.lock:
                channel.flush()
        messages = channel.receive(once=True)
        with self._producer.lock:
            for message, _ in messages:
                self._producer.received(link, message)
        self._producer.ring_missed()
        if channel.closed:
            self._forget(link.number)
            if self._on_death(link):
                self._dead.append(link)

    def _watch(self) -> None:
        """Keep the selector in step with the links there are; a channel is closed under the same lock."""
        with self._producer.lock:
            self._look_again()

    def _look_again(self) -> None:
        links = dict(self._producer.links)
        for number in [one for one in self._watched if one not in links or links[one].channel is not self._watched[one]]:
            self._forget(number)
        for number, link in links.items():
            channel = link.channel
            if channel is None:
                continue
            wanted = selectors.EVENT_READ
            if isinstance(channel, SocketChannel) and channel.waiting:
                wanted |= selectors.EVENT_WRITE
            if number not in self._watched:
                self._watched[number] = channel
                self._selector.register(channel, wanted, link)
            else:
                self._selector.modify(channel, wanted, link)

    def _forget(self, number: int) -> None:
        channel = self._watched.pop(number, None)
        if channel is None:
            return
        # A channel that was closed has no file number any more; the selector still knows it.
        for key in list(self._selector.get_map().values()):
            if key.fileobj is channel:
                with contextlib.suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(channel)
