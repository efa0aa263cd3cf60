"""The journal goes first: a sink of the same process goes on only once the journal has caught up.

Threads share one GIL, and each that computes gets its share of it. Beside two sinks that format text the journal got a third:
it fell a second behind a loop that logs flat out, and all of that is lost if both processes are killed at once. A sink loses
nothing by what it gets later, since it reads from the journal. It waits before a batch, and between the pieces of one.
"""

import asyncio
import time
from typing import Final

LONGEST_S: Final = 0.5
"""So long a journal that is behind has the way to itself; then the sinks go on for SINKS_S, and it has it again."""
SINKS_S: Final = 0.05
_LOOK_S: Final = 0.001


class RightOfWay:
    """Of one engine, which says where it stands; its sinks' threads ask."""

    def __init__(self, longest_s: float = LONGEST_S, sinks_s: float = SINKS_S) -> None:
        self._longest_s, self._turn_s = longest_s, longest_s + sinks_s
        self._since = 0.0

    def claim(self) -> None:
        """The journal lacks what was announced."""
        if not self._since:
            self._since = time.monotonic()

    def release(self) -> None:
        """It has all of it, or waits for the disk, which no sink keeps from it."""
        self._since = 0.0

    @property
    def claimed(self) -> bool:
        since = self._since
        return bool(since) and (time.monotonic() - since) % self._turn_s < self._longest_s

    async def wait(self) -> None:
        """Before a batch, in the sink's loop."""
        # An event would cost the journal a wake-up per sink and turn.
        while self.claimed:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    def pause(self) -> None:
        """Within one, in the sink's thread, in which nothing else could go on either."""
        while self.claimed:
            time.sleep(_LOOK_S)

    def __repr__(self) -> str:
        return f"<RightOfWay {'claimed' if self.claimed else 'free'}>"
