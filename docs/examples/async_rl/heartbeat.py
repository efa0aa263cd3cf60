"""How long the loop keeps a task waiting that wants a turn every millisecond, and how long its own thread worked in between.
What the lag has beyond that is other programs', where they share the machine.
"""

import asyncio
from time import perf_counter, thread_time
from typing import Any, Self

import numpy as np

PERIOD_S = 0.001


class Heartbeat:
    """``async with Heartbeat() as heart``: seconds, one a beat, are collected meanwhile. delays: beyond the period. busy: of
    the processor's time, by the loop's thread, between two beats."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.busy: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            began, worked = perf_counter(), thread_time()
            await asyncio.sleep(PERIOD_S)
            self.delays.append(perf_counter() - began - PERIOD_S)
            self.busy.append(thread_time() - worked)

    def __str__(self) -> str:
        return f"lag {quantiles(self.delays)}   busy {quantiles(self.busy)}"


def quantiles(seconds: list[float]) -> str:
    found: Any = np.percentile(np.array(seconds) * 1e3, [50, 99, 99.9, 100])
    return "p50 {:.2f} p99 {:.2f} p99.9 {:.2f} max {:.2f} ms".format(*found)
