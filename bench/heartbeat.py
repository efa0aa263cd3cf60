"""A task that asks to be woken every millisecond, and writes down how late it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

PERIOD = 0.001


@asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """Delays in ms, one a beat, of a task that runs beside the body."""
    delays: list[float] = []

    async def beat() -> None:
        while True:
            before = perf_counter()
            await asyncio.sleep(PERIOD)
            delays.append((perf_counter() - before - PERIOD) * 1e3)

    task = asyncio.create_task(beat())
    await asyncio.sleep(PERIOD)
    try:
        yield delays
    finally:
        task.cancel()
        await asyncio.wait([task])
