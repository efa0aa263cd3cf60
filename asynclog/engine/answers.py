"""Flushes that an engine was asked for: each is answered once what it covers is durable, and every sink has it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from asynclog.engine.runner import SinkRunner
from asynclog.link.messages import Flush, Flushed

if TYPE_CHECKING:
    from asynclog.engine.engine import Engine


class Answers:
    """Of one engine. wake(): it is to make a turn, as a sink is done."""

    def __init__(self, engine: "Engine", wake: Callable[[], None]) -> None:
        self._engine, self._wake = engine, wake
        self._asked: list[tuple[Flush, dict[SinkRunner, Future[None]]]] = []

    def owe(self, flush: Flush) -> None:
        self._asked.append((flush, {}))

    def forget(self, number: int) -> None:
        """Nobody waits for it any more."""
        for entry in [one for one in self._asked if one[0].ticket == number]:
            self._asked.remove(entry)
            for runner, ticket in entry[1].items():
                runner.unflush(ticket)

    def give(self) -> None:
        """Answer those that can be, and ask the sinks about the others."""
        engine = self._engine
        for entry in list(self._asked):
            flush, tickets = entry
            if engine.consumer.position < flush.position:
                continue
            if not tickets and engine.runners:
                if not engine.synced():
                    continue
                tickets.update({one: one.flush(engine.last_seq(one)) for one in engine.runners})
                for ticket in tickets.values():
                    ticket.add_done_callback(lambda _: self._wake())
            if all(ticket.done() for ticket in tickets.values()) and (tickets or engine.synced()):
                self._asked.remove(entry)
                pending = {one.route.name: one.statistics()["pending"] for one in engine.runners}
                engine.consumer.send(Flushed(flush.ticket, pending, engine.stall))

    def __len__(self) -> int:
        return len(self._asked)

    def __repr__(self) -> str:
        return f"<Answers: {len(self)} owed>"
