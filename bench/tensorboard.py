"""TensorBoard: W1's scalars into event files, by asynclog's sink and by torch's SummaryWriter.

Three ways: the sink alone, given the batches that a runner gives it; `sync` of a recorded run, with its journal read, its
worker process started and everything closed; and a SummaryWriter, closed. Afterwards all files are read by TensorBoard's own
EventAccumulator, and every number is looked for.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, ratio, worst
from bench.plan import Plan
from bench.scalars import CHUNK, KEYS, WIDTH, chunks, settle
from bench.w1_scalars import mapping

TITLE = "TensorBoard"
STEPS = 300_000
FEW_STEPS = 10_000
BATCH_ROWS = 16_384 // WIDTH


def peer(directory: Path, *, steps: int) -> Sample:
    """ns a scalar of `SummaryWriter.add_scalar` until closed, which waits for its thread."""
    from torch.utils.tensorboard import SummaryWriter

    work = chunks(steps)
    settle()
    writer = SummaryWriter(str(directory))
    begin = perf_counter()
    for number, chunk in enumerate(work):
        for step, row in enumerate(chunk, number * CHUNK):
            for key, value in zip(KEYS, row, strict=True):
                writer.add_scalar(f"train/{key}", value, step)
    writer.close()
    took = perf_counter() - begin
    return {"ns": took / (steps * WIDTH) * 1e9} | looked_for(directory, steps)


def sink(directory: Path, *, steps: int) -> Sample:
    """ns a scalar of the sink's `write` until closed, in batches as large as a runner's."""
    return asyncio.run(_sink(directory, steps))


async def _sink(directory: Path, steps: int) -> Sample:
    from asynclog.sink import RunInfo
    from asynclog.sinks import TensorBoard

    batches = list(_batches(steps))
    settle()
    board = TensorBoard()
    await board.open(RunInfo("bench", "bench", directory, "main", 0))
    begin = perf_counter()
    for batch in batches:
        await board.write(batch)
    await board.aclose()
    took = perf_counter() - begin
    return {"ns": took / (steps * WIDTH) * 1e9} | looked_for(directory / "tensorboard", steps)


def _batches(steps: int) -> Iterator[Any]:
    from asynclog.wire.batch import Batch, Rows
    from asynclog.wire.schema import FLOAT, Schema, Series

    schema = Schema(1, tuple(Series("train", "", key, FLOAT) for key in KEYS))
    values = np.concatenate([np.asarray(chunk) for chunk in chunks(steps)])
    fields = np.empty((len(values), WIDTH + 2))
    fields[:, 0] = np.arange(len(values)).view(np.float64)
    fields[:, 1:-1] = values
    fields[:, -1] = (1_700_000_000_000_000_000 + 1_000_000 * np.arange(len(values))).view(np.float64)
    for at in range(0, len(values), BATCH_ROWS):
        rows = Rows(schema, memoryview(fields[at : at + BATCH_ROWS].tobytes()))
        yield Batch([rows], writer="main", epoch=0, seq=at)


def synced(directory: Path, *, steps: int) -> Sample:
    """Scalars a second of `al.sync`, from the call to its return."""
    return asyncio.run(_synced(directory / "run", steps))


async def _synced(directory: Path, steps: int) -> Sample:
    import asynclog as al

    async with al.MultiLogger(directory) as log:
        for number, chunk in enumerate(chunks(steps)):
            await mapping(log, chunk, number * CHUNK)
    settle()
    begin = perf_counter()
    await al.sync(directory, al.sinks.TensorBoard())
    took = perf_counter() - begin
    return {"per_s": steps * WIDTH / took} | looked_for(directory / "tensorboard", steps)


def looked_for(directory: Path, steps: int) -> Sample:
    """Numbers that TensorBoard's reader doesn't have at their steps, float32 for float32; it takes 10 µs for each."""
    if steps > FEW_STEPS:
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(directory), {"scalars": 0}).Reload()
    written = np.concatenate([np.asarray(chunk, np.float32) for chunk in chunks(steps)])
    missing = 0
    for key, values in zip(KEYS, written.T, strict=True):
        found = {one.step: one.value for one in read.Scalars(f"train/{key}")}
        missing += sum(found.get(step) != value for step, value in enumerate(values.tolist()))
    return {"wrong": missing}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of TensorBoard."""
    steps, few = plan.size(STEPS, FEW_STEPS), plan.size(FEW_STEPS, 2_000)
    repeats = plan.size(5, 1)
    beside, taken = plan.alternate(repeats, (peer, {"steps": few}), (sink, {"steps": steps}))
    ours, theirs = (column(samples, lambda sample: sample["ns"]) for samples in (taken, beside))
    yield ratio("SummaryWriter beside the sink", ("SummaryWriter", theirs), ("asynclog", ours), bar=Bar(10, "≥"))
    yield middle("a scalar in the sink's write, until closed", ours, "ns")
    ends = [plan.sample(synced, steps=steps) for _ in range(repeats)]
    yield middle("sync of W1, from call to return", column(ends, lambda one: one["per_s"]), "scalars/s", bar=Bar(300_000, "≥"))
    read = [*beside, plan.sample(sink, steps=few), plan.sample(synced, steps=few)]
    yield worst("numbers that TensorBoard's reader hasn't", column(read, lambda one: one["wrong"]), "", bar=Bar(0))
