"""Waiting for shared memory: until some comes free, and only for as long as that is better than making more."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from asynclog.link.messages import Pressure
from asynclog.link.producer import Producer

_log = logging.getLogger("asynclog")
_PATIENCE_S: Final = 0.05
_MAKING_S: Final = 2e-3 / (1 << 20)
"""What a byte of new memory takes where the host has to find its pages: 1 to 3 ms a MiB."""
_WORTH_SAYING_S: Final = 5.0
LITTLE_BYTES: Final = 32 << 20
"""With less than this on its way, new memory is worth making."""


def _let_go_on(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _wake(loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]") -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(_let_go_on, waiter)


class Room:
    """Who waits for memory, on whichever loop or thread. check_open: raises when waiting is in vain."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._waiters: list[Callable[[], object]] = []
        self._waited_at = self._waiting_since = 0.0

    def came(self) -> None:
        """Memory came free; from any thread, under the producer's lock."""
        waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()

    async def wait(self, producer: Producer) -> None:
        """Until memory or a held route may have come free."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        with producer.lock:
            self._waiters.append(partial(_wake, loop, waiter))
            producer.send(Pressure())
        # Room may have come between the refusal and this; look again soon, whatever is signalled.
        try:
            await asyncio.wait_for(waiter, _PATIENCE_S)
        except TimeoutError:
            self._check_open()
            self._say_why_it_waits(producer)

    def wait_here(self, producer: Producer) -> None:
        """The same, in this thread."""
        came = threading.Event()
        with producer.lock:
            self._waiters.append(came.set)
            producer.send(Pressure())
        if not came.wait(_PATIENCE_S):
            self._check_open()
            self._say_why_it_waits(producer)

    async def comes_free(self, producer: Producer, nbytes: int) -> bool:
        """See Core.comes_free."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + max(_PATIENCE_S, nbytes * _MAKING_S)
        while (left := give_up - loop.time()) > 0:
            waiter: asyncio.Future[None] = loop.create_future()
            with producer.lock:
                if not producer.pool.lacks(nbytes):
                    return True
                if producer.pool.ledger.announced_bytes() < LITTLE_BYTES:
                    return False
                self._waiters.append(partial(_wake, loop, waiter))
            await asyncio.wait([waiter], timeout=left)
        return False

    def _say_why_it_waits(self, producer: Producer) -> None:
        """Once every few seconds of waiting: a loop that stands still for its logger must not wonder why."""
        now = time.monotonic()
        if now - self._waited_at > 1.0:
            self._waiting_since = now
        self._waited_at = now
        if now - self._waiting_since >= _WORTH_SAYING_S:
            self._waiting_since = now
            in_use = producer.pool.ledger.total_bytes >> 20
            held = f"; full routes: {', '.join(sorted(producer.held))}" if producer.held else ""
            _log.warning("a write has waited for shared memory for %.0f s (%d MiB in use%s)", _WORTH_SAYING_S, in_use, held)
