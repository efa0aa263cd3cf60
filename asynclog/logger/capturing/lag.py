"""How well the caller's loop turns: a timer on it that looks at the clock, and whoever looks at the timer from outside.

A timer that comes late says how long something held the loop. One that doesn't come at all is seen by the link thread, which
records the stack of the loop's thread; and by the recorder, once this process's threads don't turn either.
"""

import asyncio
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from asynclog.values import Record

if TYPE_CHECKING:
    from asynclog.logger.core import Core

TICK_S: Final = 0.05
NAMESPACE: Final = "loop"
_ERROR: Final = 40
_WARNING: Final = 30
_MOST_TICKS: Final = 100_000


class LoopLag:
    """Of the running loop. every_s: between two rows. hang_after_s: None for never."""

    def __init__(self, core: "Core", loop: asyncio.AbstractEventLoop, every_s: float, hang_after_s: float | None) -> None:
        self._core, self._loop = core, loop
        self._every_s, self._hang_after_s = every_s, hang_after_s
        self._thread = threading.get_ident()
        self._late: list[float] = []
        self._told = self.turned = time.monotonic()
        self._hung_since: float | None = None
        self._due = self.turned + TICK_S
        self._timer = loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now = time.monotonic()
        self.turned = now
        if len(self._late) < _MOST_TICKS:
            self._late.append(now - self._due)
        self._due = now + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def gauge(self) -> dict[str, Any]:
        """For whoever asks the recorder: seconds since the loop last turned, and since when that is known."""
        return {"still_s": max(0.0, time.monotonic() - self._due), "as_of_ns": time.time_ns()}

    def chore(self) -> None:
        """In the link thread, some times a second."""
        if self._loop.is_closed():
            return
        now = time.monotonic()
        still = now - self._due
        if self._hang_after_s is not None:
            self._watch(still, now)
        if now - self._told >= self._every_s:
            self._told = now
            self._tell(max(0.0, still))

    def _tell(self, still: float) -> None:
        late, self._late = self._late, []
        if still > TICK_S or not late:
            # It stands still at this moment: that is the lag, whatever was before.
            late.append(still)
        late.sort()
        p50, p99 = late[len(late) // 2], late[min(len(late) - 1, len(late) * 99 // 100)]
        numbers = {"lag_p50_s": max(0.0, p50), "lag_p99_s": max(0.0, p99), "lag_max_s": max(0.0, late[-1])}
        self._core.aside.numbers({NAMESPACE: numbers})

    def _watch(self, still: float, now: float) -> None:
        assert self._hang_after_s is not None
        if self._hung_since is None and still > self._hang_after_s:
            self._hung_since = self._due
            frame = sys._current_frames().get(self._thread)
            stack = "".join(traceback.format_stack(frame)).rstrip() if frame is not None else "its thread is gone"
            self._record(Record(f"the loop has not turned for {still:.0f} s", _ERROR, "loop", exception=stack))
        elif self._hung_since is not None and still < self._hang_after_s / 2:
            self._record(Record(f"the loop turns again, after {now - self._hung_since:.0f} s", _WARNING, "loop"))
            self._hung_since = None

    def _record(self, value: Record) -> None:
        with suppress(Exception):
            self._core.aside.value("record", NAMESPACE, "hung", value)

    def stop(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):
            # Cancelling is the loop's own business.
            if threading.get_ident() == self._thread:
                self._timer.cancel()
            else:
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self._timer.cancel()
