"""What is recorded beside the loop's own writes: captured lines, log records, gauges. From any thread.

It stands at the step that was last recorded, which is read from memory: the hot path does nothing for it. And it asks no
limit: a line that moved a route's interval would take the loop's own write from it.
"""

from collections.abc import Iterable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from asynclog.engine.taps import line_meta
from asynclog.errors import NoRoom
from asynclog.flow.lines import Line
from asynclog.logger.due import Decision
from asynclog.logger.pending import Logged, Taken
from asynclog.logger.writing import Writing
from asynclog.shm.rows import BLOCK_HEADER_BYTES
from asynclog.state import State, plain_context

if TYPE_CHECKING:
    from asynclog.logger.core import Core

_OWNER: Final = "aside"
_MOST_BLOCKS: Final = 64
_ANNOUNCEMENT_BYTES: Final = 128


class Aside:
    """Of one logger."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._newest = 0, 0
        self.newest_write = 0, 0
        """(time, step) of the newest write that was more than a row."""
        self._everyone = (1 << len(core.routes)) - 1
        self._console = sum(1 << bit for bit, route in enumerate(core.routes) if route.takes_console)

    def step(self) -> int:
        """The step of the newest row, or the last one known. Under the producer's lock."""
        newest = max(self._newest, self.newest_write, self._core.numbers.newest_sparse)
        for block in self._core.producer.blocks.everyone()[-_MOST_BLOCKS:]:
            end = block.offset
            if block.schema is None or block.key[0] == _OWNER or end - block.stride < BLOCK_HEADER_BYTES:
                continue
            time_ns = int.from_bytes(block.buffer[end - 8 : end], "little", signed=True)
            if time_ns > newest[0]:
                row = block.buffer[end - block.stride : end]
                newest = time_ns, int.from_bytes(row[:8], "little", signed=True)
        self._newest = newest
        return newest[1]

    def numbers(self, numbers: dict[str, dict[str, float]]) -> bool:
        """A row, by namespace; False where there is no room for it. A limited route folds it into its next delivery."""
        core = self._core
        with core.producer.lock:
            if core.state != "open" or not numbers:
                return False
            try:
                core.numbers.write(
                    list(numbers.items()), self.step(), plain_context("train", 0, "batch"), core.next_time(), None, _OWNER
                )
            except NoRoom:
                return False
            return True

    def lines(self, stream: str, lines: Iterable[Line]) -> int | None:
        """Record lines that were captured; how far the stream is recorded then, None if it is no further. Raises NoRoom,
        having recorded those before."""
        core, until = self._core, None
        with core.producer.lock:
            if core.state not in ("open", "closing"):
                return None
            step = self.step()
            core.producer.blocks.drain()
            for line in lines:
                meta = line_meta(stream, line, step, self._console)
                core.producer.control.reserve(len(meta) + _ANNOUNCEMENT_BYTES)
                core.producer.event(core.next_time(), meta, None)
                core.producer.counts.accepted += 1
                until = line.until
            core.producer.ring()
        return until

    def value(self, kind: str, namespace: str, key: str, value: Any) -> None:
        """One value, for every route that wants its kind. Raises WouldBlock, InvalidValue and LoggerClosed."""
        if self._core.inert:
            return
        with self._core.producer.lock:
            state = State(self.step())
        taken = Taken([], [Logged(kind, namespace, key, value, {})], {})
        _AtOnce(self._core, taken, state, ("foreign", get_ident()), self._everyone).run_nowait()


class _AtOnce(Writing):
    """A write that is due for everyone."""

    def __init__(self, core: "Core", taken: Taken, state: State, owner: Any, everyone: int) -> None:
        super().__init__(core, taken, state, owner)
        self._everyone = everyone

    def _decide(self) -> Decision:
        return Decision(None, self._everyone, journal=True)
