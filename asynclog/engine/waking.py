"""How a task that waits for what other threads bring is woken: a call into its loop while it waits, none while it works."""

import asyncio
from typing import Final

POLL_S: Final = 1.0
"""So long it waits for a word, and then looks for itself."""


class Waking:
    """Of one task. ``loop``: where it runs, None while it has none. ``idle``: whether it waits."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.idle = False
        self._wake: asyncio.Event | None = None
        self._told = False

    def begin(self) -> None:
        """In the task: it lives in the running loop."""
        self.loop, self._wake = asyncio.get_running_loop(), asyncio.Event()

    def lose(self) -> None:
        """Its loop has ended."""
        self.loop = self._wake = None

    def look(self) -> None:
        """In the task: what is told from here on may not have been seen."""
        self._told = False

    def tell(self) -> bool:
        """From any thread: something has come. False if the loop was closed."""
        self._told = True
        loop, wake = self.loop, self._wake
        if self.idle and loop is not None and wake is not None:
            self.idle = False
            try:
                loop.call_soon_threadsafe(wake.set)
            except RuntimeError:
                return False
        return True

    async def wait(self) -> None:
        """In the task: return when something has come since the last look, or after a while."""
        assert self._wake is not None, "begin() comes first"
        self._wake.clear()
        self.idle = True
        if self._told:
            # It came while the feed was being looked at, when nobody needed to be woken.
            self.idle = False
            return
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_S)
        except TimeoutError:
            pass
        finally:
            self.idle = False
