"""Runs a sink over real batches, as a runner does."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asynclog.sink import RunInfo


def run_info(directory: Path | None, **fields: Any) -> RunInfo:
    return RunInfo(**({"id": "r", "name": "r", "directory": directory, "writer": "w", "epoch": 0} | fields))


def deliver(sink: Any, directory: Path | None, batches: Iterable[Any], **fields: Any) -> None:
    async def delivery() -> None:
        if hasattr(sink, "open"):
            await sink.open(run_info(directory, **fields))
        for batch in batches:
            await sink.write(batch)
        await sink.aclose()

    asyncio.run(delivery())
