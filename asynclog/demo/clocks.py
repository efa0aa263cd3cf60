"""Two clocks for one event loop: how late it wakes a task, and how long something really holds it.

Wall time around an `await` says little: the loop may have run everybody else in between. `HeldTime` therefore drives
the awaited coroutine itself and counts only the slices in which it runs.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import numpy as np

BEAT_S: Final = 0.005

T = TypeVar("T")


class LoopLag:
    """How many seconds later than asked the loop woke a task that sleeps for BEAT_S, again and again."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._worst = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            asked = time.perf_counter() + BEAT_S
            await asyncio.sleep(BEAT_S)
            late = max(0.0, time.perf_counter() - asked)
            self._late.append(late)
            self._worst = max(self._worst, late)

    def worst(self) -> float:
        """Return the longest lag since the last call, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst

    def quantiles(self) -> tuple[float, float, float]:
        """p50, p99 and maximum, seconds; zeros before the first beat."""
        if not self._late:
            return 0.0, 0.0, 0.0
        median, high, most = np.quantile(self._late, (0.5, 0.99, 1.0)).tolist()
        return median, high, most

    def __repr__(self) -> str:
        median, high, most = self.quantiles()
        return f"<LoopLag p50 {median * 1e3:.2f} ms, p99 {high * 1e3:.2f} ms, max {most * 1e3:.2f} ms>"


class HeldTime:
    """Adds up how long something holds the event loop: `with held:` around plain code, else `await held.by(...)`.

    seconds: so far. times: how often `done()` was called, the number to divide by.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.times = 0
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds += time.perf_counter() - self._since

    def by(self, awaited: Awaitable[T]) -> Awaitable[T]:
        """Give the same awaitable, with the slices in which it runs counted."""
        return _Driven(awaited, self)

    def done(self) -> None:
        """One more step is complete."""
        self.times += 1

    def each(self) -> float:
        """Seconds a step; 0 before the first."""
        return self.seconds / self.times if self.times else 0.0

    def __repr__(self) -> str:
        return f"<HeldTime {self.each() * 1e6:.0f} us x {self.times}>"


class _Driven(Generic[T]):
    def __init__(self, awaited: Awaitable[T], clock: HeldTime) -> None:
        self._awaited, self._clock = awaited, clock

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._awaited.__await__()
        go: Callable[[], Any] = partial(next, inner)
        while True:
            with self._clock:
                try:
                    signal = go()
                except StopIteration as end:
                    result: T = end.value
                    return result
            try:
                yield signal
            except BaseException as thrown:  # noqa: BLE001 - it is the inner coroutine's, a cancellation most of all
                go = partial(inner.throw, thrown)
            else:
                go = partial(next, inner)
