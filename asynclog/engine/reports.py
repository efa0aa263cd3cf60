"""What an engine says of itself, and when: a heartbeat in the journal, a report to the training process."""

import os
import time
from typing import TYPE_CHECKING, Any, Final

from asynclog.link.messages import Report

if TYPE_CHECKING:
    from asynclog.engine.engine import Engine

_HEARTBEAT_S: Final = 10.0
_REPORT_S: Final = 0.5


class Reports:
    """Of one engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._beat = self._reported = time.monotonic()

    def give_if_due(self) -> None:
        engine, now = self._engine, time.monotonic()
        if engine.journal is not None and engine.stall is None and now - self._beat >= _HEARTBEAT_S:
            self._beat = now
            engine.journal.heartbeat()
        if now - self._reported >= _REPORT_S:
            self._reported = now
            engine.consumer.send(Report(self.content()))

    def due_in(self) -> float:
        """Seconds until the next one."""
        now = time.monotonic()
        return max(0.0, min(self._reported + _REPORT_S - now, self._beat + _HEARTBEAT_S - now))

    def content(self) -> dict[str, Any]:
        """See docs/reference/statistics.md."""
        engine = self._engine
        journal = None
        if engine.journal is not None:
            journal = {"bytes": engine.journal.bytes, "segment": engine.journal.number, "seq": engine.journal.next_seq - 1}
        return {
            "as_of_ns": time.time_ns(),
            "pid": os.getpid(),
            "position": engine.consumer.position,
            "events": engine.total_events(),
            "stalled": engine.stall,
            "journal": journal,
            "loop": engine.loop,
            "routes": {one.route.name: one.statistics() for one in engine.runners},
            "attached": [] if engine.guests is None else engine.guests.report(),
        }
