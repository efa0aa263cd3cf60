"""Who waits until a route has come to a certain record. From any thread: each look and each change is one step of a dict."""

from collections.abc import Callable
from concurrent.futures import Future


class Tickets:
    """Futures by the seq they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[Future[None], int] = {}

    def issue(self, seq: int) -> "Future[None]":
        ticket: Future[None] = Future()
        self._waiting[ticket] = seq
        return ticket

    def forget(self, ticket: "Future[None]") -> None:
        """Nobody waits for it any more: it is never done."""
        self._waiting.pop(ticket, None)

    def reached(self, come: Callable[[int], bool]) -> "list[Future[None]]":
        """Those whose seq has come."""
        return [ticket for ticket, seq in list(self._waiting.items()) if come(seq)]

    def settle(self, tickets: "list[Future[None]]") -> None:
        for ticket in tickets:
            # Whoever takes it out settles it.
            if self._waiting.pop(ticket, None) is not None:
                ticket.set_result(None)

    def settle_all(self) -> None:
        self.settle(list(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<Tickets: {len(self)} waiting>"
