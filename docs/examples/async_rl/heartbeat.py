"""How long the loop keeps a task waiting that wants a turn every millisecond."""

import asyncio
from time import perf_counter
from typing import Self

import numpy as np

PERIOD_S = 0.001


class Heartbeat:
    """``async with Heartbeat() as heart``: delays are collected meanwhile, in seconds."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            began = perf_counter()
            await asyncio.sleep(PERIOD_S)
            self.delays.append(perf_counter() - began - PERIOD_S)

    def __str__(self) -> str:
        found = np.percentile(np.array(self.delays) * 1e3, [50, 99, 99.9, 100])
        named = zip(("p50", "p99", "p99.9", "max"), found, strict=True)
        return "  ".join(f"{name} {value:6.2f} ms" for name, value in named)
