"""Parts of a logger: a component's own, and the entries of concurrent tasks. Each has pending values of its own."""

import logging
from types import TracebackType
from typing import Any, Self

from asynclog.logger.collect import Collector
from asynclog.logger.pending import Taken
from asynclog.state import State, as_state

_log = logging.getLogger("asynclog")


class Part(Collector):
    """A part whose write is the run's first takes the run's settings along: with nothing but parts, they would wait for the
    end."""

    def _take(self, pending: dict[str, Any]) -> Taken:
        taken = super()._take(pending)
        give = self._core.give_settings
        if give is None:
            return taken
        self._core.give_settings = None
        return Taken(taken.numbers, [*give(), *taken.values], taken.folds)


class ChildLogger(Part):
    """A component's own logger, under a namespace of its parent's; the parent's ``write`` takes its pending values along."""

    def child(self, namespace: str) -> "ChildLogger":
        """A logger of a component of this one."""
        return child_of(self, namespace)

    def at(self, state: State | int) -> "Entry":
        """See MultiLogger.at."""
        return Entry(self, as_state(state))


def child_of(parent: Collector, namespace: str) -> ChildLogger:
    """A child that its parent knows. Raises InvalidValue."""
    child = ChildLogger(parent._core, parent._full(namespace))
    parent._children = (*parent._children, child)
    parent._forget_block()
    return child


class Entry(Part):
    """Pending values of one task's own: ``async with log.at(state) as entry``. Written by its own exit and by nothing else;
    dropped, and counted, if the body raises."""

    def __init__(self, parent: Collector, state: State) -> None:
        super().__init__(parent._core, parent._namespace)
        self.state = state
        self._parent = parent
        self._block = parent._entry_block

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._discard()
            return
        await self.write(self.state)
        self._parent._entry_block = self._block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._discard()
        else:
            self.write_nowait(self.state)

    def _discard(self) -> None:
        taken = Collector._take(self, self._pending)
        self._pending = {}
        taken.give_back()
        self._core.producer.counts.discarded += len(taken)

    def __del__(self) -> None:
        left = len(self._pending) + len(self._further)
        # In a forked child they are the parent's, and nobody's here.
        if left and not self._core.inert:
            counts = self._core.producer.counts
            if not counts.unwritten:
                _log.warning("%d values were logged on an entry after its end, or without one; nobody writes them", left)
            counts.unwritten += left
            counts.discarded += left
