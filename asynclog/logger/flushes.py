"""Flushes on their way: each is asked of every engine, then of the sinks in this process that read the journal, and is
forgotten when it is done or when nobody waits for it any more.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from asynclog.link.links import Link
from asynclog.link.messages import Flush, Flushed, Unflush
from asynclog.logger.core import Core

if TYPE_CHECKING:
    from asynclog.engine.runner import SinkRunner


class Flushes:
    """readers(): the runners in this process that read the journal."""

    def __init__(self, core: Core, readers: "Callable[[], list[SinkRunner]]") -> None:
        self._core, self._readers = core, readers
        self._last = 0
        self._asked: dict[int, tuple[Flush, set[int]]] = {}

    def begin(self) -> "Future[dict[str, int]]":
        """Done when everything written so far is durable and delivered; its result: what is pending, per route."""
        core = self._core
        done: Future[dict[str, int]] = Future()
        pending: dict[str, int] = {}
        with core.producer.lock:
            core.producer.drain()
            self._last += 1
            ticket = self._last
            waiting = {one.number for one in core.producer.links.values() if not one.finished}
            seq = core.producer.next_seq - 1

            def settle(number: int, message: Flushed) -> None:
                pending.update(message.pending)
                waiting.discard(number)
                if not waiting and not done.done():
                    self._forget(ticket)
                    self._flush_readers(seq, pending, done)

            core.flush_tickets[ticket] = settle
            flush = Flush(ticket, core.producer.control.position)
            self._asked[ticket] = flush, waiting
            core.producer.send(flush)
            if not waiting:
                self._forget(ticket)
                self._flush_readers(seq, pending, done)
        # A deadline that passed cancels it.
        done.add_done_callback(lambda _: self._give_up(ticket))
        return done

    def ask_again(self, link: Link) -> None:
        """What its predecessor was asked and didn't answer."""
        with self._core.producer.lock:
            for flush, waiting in self._asked.values():
                if link.number in waiting and link.channel is not None:
                    link.channel.send(flush)

    def _give_up(self, ticket: int) -> None:
        with self._core.producer.lock:
            if self._forget(ticket):
                self._core.producer.send(Unflush(ticket))

    def _forget(self, ticket: int) -> bool:
        self._core.flush_tickets.pop(ticket, None)
        return self._asked.pop(ticket, None) is not None

    def _flush_readers(self, seq: int, pending: dict[str, int], done: "Future[dict[str, int]]") -> None:
        left = {one: one.flush(seq) for one in self._readers()}
        if not left:
            _resolve(done, pending)
            return
        done.add_done_callback(lambda _: _unflush(left.items()))
        last = threading.Lock()

        def reached(runner: "SinkRunner", ticket: "Future[None]") -> None:
            pending[runner.route.name] = runner.statistics()["pending"]
            # Two may find at once that they were the last.
            if all(one.done() for one in left.values()) and last.acquire(blocking=False):
                _resolve(done, pending)

        for runner, ticket in list(left.items()):
            ticket.add_done_callback(partial(reached, runner))

    def __len__(self) -> int:
        """Flushes that engines were asked for and have not answered."""
        return len(self._asked)

    def __repr__(self) -> str:
        return f"<Flushes: {len(self)} unanswered>"


def _unflush(asked: "Iterable[tuple[SinkRunner, Future[None]]]") -> None:
    for runner, ticket in asked:
        runner.unflush(ticket)


def _resolve(done: "Future[dict[str, int]]", pending: dict[str, int]) -> None:
    # Whoever waited may have left.
    if not done.done() and done.set_running_or_notify_cancel():
        done.set_result(pending)
