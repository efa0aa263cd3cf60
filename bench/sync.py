"""Sync: the run of W1, a million scalars, brought to destinations from its journal.

The whole call is timed: finding the streams, starting a worker, reading the journal, delivering, and the last cursor. A sink
that looks at its columns and keeps nothing shows what is ours; beside it destinations that take numbers in bulk or by lines.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from bench.figures import Bar, Figure, Sample, column, middle, worst
from bench.plan import Plan
from bench.scalars import CHUNK, WIDTH, chunks
from bench.w1_scalars import mapping

TITLE = "Sync of W1"
STEPS = 100_000
TENSORBOARD = Bar(300_000, "≥")


class Columns:
    """Looks at the columns of each batch, and keeps how many numbers there were."""

    default_place: ClassVar[str] = "thread"

    def __init__(self) -> None:
        self.numbers = 0

    async def write(self, batch: Any, /) -> None:
        self.numbers += sum(len(one.value) for one in batch.columns.values())

    async def aclose(self) -> None:
        """Nothing to close."""


class FarColumns(Columns):
    """The same in a worker process."""

    default_place: ClassVar[str] = "process"


def _sink(name: str, directory: Path) -> Any:
    import asynclog as al

    match name:
        case "columns":
            return Columns()
        case "far columns":
            return FarColumns()
        case "JSON lines":
            return al.sinks.JSONLines(directory / "lines.jsonl")
        case _:
            return getattr(al.sinks, name)(directory / name.lower())


def synced(directory: Path, *, name: str, steps: int) -> Sample:
    """Scalars a second of one sync, and how many were not delivered."""
    return asyncio.run(_synced(directory, name, steps))


async def _synced(directory: Path, name: str, steps: int) -> Sample:
    import asynclog as al

    async with al.MultiLogger(directory / "run") as log:
        for number, chunk in enumerate(chunks(steps)):
            await mapping(log, chunk, number * CHUNK)
    before = perf_counter()
    result = await al.sync(directory / "run", _sink(name, directory), name="bench")
    took = perf_counter() - before
    return {"rate": steps * WIDTH / took, "short": steps * WIDTH - result.counters["delivered"]}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of sync."""
    import asynclog as al

    steps = plan.size(STEPS, 5_000)
    names = ["columns", "far columns", "JSON lines"]
    names += [one for one in ("TensorBoard",) if plan.peers and one in al.sinks.__all__]
    for name in names:
        taken = [plan.sample(synced, name=name, steps=steps) for _ in range(plan.size(5, 1))]
        bar = TENSORBOARD if name == "TensorBoard" else None
        what = {"columns": "a sink that keeps nothing", "far columns": "the same in a worker"}.get(name, name)
        yield middle(f"{what}: whole call", column(taken, lambda sample: sample["rate"]), "scalars/s", bar=bar)
        yield worst(f"{what}: not delivered", column(taken, lambda sample: sample["short"]), "", bar=Bar(0))
