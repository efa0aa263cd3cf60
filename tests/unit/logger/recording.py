"""Runs recorded by a thread of the test's own process: quick, and the same code in front of the recorder."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asynclog as al

Body = Callable[[al.MultiLogger], Awaitable[None]]


async def recorded(path: Path, body: Body, *, recorder: Any = "thread", **options: Any) -> Any:
    """The run that ``body(log)`` recorded, read back."""
    async with al.MultiLogger(path, recorder=recorder, **options) as log:
        await body(log)
    return al.read(path)


def adds_up(counted: dict[str, Any]) -> bool:
    """The promise about every route's counters."""
    settled = ("delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
    return bool(counted["offered"] == sum(counted[name] for name in settled))
