"""W4: a million scalars back as arrays, opening the run included; beside it the reference's file, unpacked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import msgpack
import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, worst
from bench.peers import reference
from bench.plan import Plan
from bench.scalars import CHUNK, KEYS, WIDTH, chunks
from bench.w1_scalars import mapping

TITLE = "W4 read back"
STEPS = 100_000
TIMES = 15


def ours(directory: Path, *, steps: int) -> Sample:
    """ns a scalar of `al.read` and `series` for every key, the median of TIMES; scalars that came back wrong."""
    asyncio.run(_write(directory / "run", steps))
    import asynclog as al

    took = []
    for _ in range(TIMES):
        before = perf_counter()
        run = al.read(directory / "run")
        values = [run.series(key).value for key in KEYS]
        took.append(perf_counter() - before)
    written = np.concatenate([np.asarray(chunk) for chunk in chunks(steps)])
    wrong = sum(
        int(np.count_nonzero(got != want)) if len(got) == len(want) else len(want)
        for got, want in zip(values, written.T, strict=True)
    )
    return {"ns": float(np.median(took)) / (steps * WIDTH) * 1e9, "first_ns": took[0] / (steps * WIDTH) * 1e9} | {
        "wrong": wrong
    }


async def _write(directory: Path, steps: int) -> None:
    import asynclog as al

    async with al.MultiLogger(directory) as log:
        for number, chunk in enumerate(chunks(steps)):
            await mapping(log, chunk, number * CHUNK)


def unpacked(directory: Path, *, steps: int) -> Sample:
    """ns a scalar to unpack the reference's file into an array a key."""
    path = directory / "run.msgpack"
    with path.open("wb", buffering=reference.BUFFER_BYTES) as file:
        for number, chunk in enumerate(chunks(steps)):
            reference.log_chunk(file, chunk, number * CHUNK)
    before = perf_counter()
    with path.open("rb") as file:
        records = list(msgpack.Unpacker(file))
    for key in KEYS:
        np.array([record[key] for record in records])
    return {"ns": (perf_counter() - before) / (steps * WIDTH) * 1e9}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W4."""
    steps = plan.size(STEPS, 20_000)
    taken, beside = plan.alternate(plan.size(5, 1), (ours, {"steps": steps}), (unpacked, {"steps": steps}))
    yield middle("a scalar, as arrays", column(taken, lambda sample: sample["ns"]), "ns", bar=Bar(5))
    yield middle("a scalar, the process's first read", column(taken, lambda sample: sample["first_ns"]), "ns")
    yield middle("a scalar, msgpack reference", column(beside, lambda sample: sample["ns"]), "ns")
    yield worst("scalars that came back wrong", column(taken, lambda sample: sample["wrong"]), "", bar=Bar(0))
