"""How long a loop is held between two of its turns, on a machine that may be busy with other things.

Wall time counts what others do: a thread that is ready to run waits for a core, and the more so the busier the machine is.
Processor time leaves that out, but also a call that sleeps. Linux says how long a thread has waited for a core; what is left of
the wall time is what the loop worked or slept. Elsewhere it is the processor time alone.

What another thread of the process does with the GIL in its hands still counts: it holds the loop as well.
"""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

_WAITS = "/proc/thread-self/schedstat"
"""Three numbers: nanoseconds on a core, nanoseconds of waiting for one, turns."""


class Turns:
    """longest_s: the longest that the loop did not turn while it was watched, without its waits for a core."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch the running loop, the block's last turn included."""
        with _no_litter(), own_clock() as clock:
            last = clock()

            def turned() -> None:
                nonlocal last
                now = clock()
                self.longest_s = max(self.longest_s, now - last)
                last = now

            async def watch() -> None:
                while True:
                    turned()
                    await asyncio.sleep(0)

            watching = asyncio.create_task(watch())
            await asyncio.sleep(0)
            try:
                yield
            finally:
                turned()
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching


@contextmanager
def own_clock() -> Iterator[Callable[[], float]]:
    """A clock of the calling thread, for it alone: seconds in which it worked or slept, and did not wait for a core."""
    try:
        waits = os.open(_WAITS, os.O_RDONLY)
    except OSError:
        # Not Linux, or one that keeps no such account.
        yield time.thread_time
        return

    def waited_ns() -> int:
        return int(os.pread(waits, 100, 0).split()[1])

    def worked_or_slept() -> float:
        # A wait between the two readings would be in one and not in the other, and the clock would run backwards by it.
        before = waited_ns()
        while True:
            now, after = time.perf_counter(), waited_ns()
            if after == before:
                return now - after / 1e9
            before = after

    try:
        yield worked_or_slept
    finally:
        os.close(waits)


@contextmanager
def _no_litter() -> Iterator[None]:
    """The garbage of the rest of the process isn't looked for meanwhile: in a large one that takes 0.1 s and more."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
