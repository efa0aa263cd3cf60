"""A million scalars of W1 to one Parquet file, opening the run included; beside it pyarrow alone, given the columns."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, worst
from bench.plan import Plan
from bench.scalars import CHUNK, KEYS, WIDTH, chunks
from bench.w1_scalars import mapping

TITLE = "A run to Parquet"
STEPS = 100_000


def ours(directory: Path, *, steps: int) -> Sample:
    """Seconds until the file is closed, imports included; bytes a scalar; scalars that pyarrow reads back wrong."""
    asyncio.run(_write(directory / "run", steps))
    before = perf_counter()
    import asynclog as al
    from asynclog.readers.export import export_parquet

    path = directory / "run.parquet"
    with path.open("wb") as file:
        export_parquet(al.read(directory / "run"), file)
    took = perf_counter() - before
    return {"seconds": took, "bytes": path.stat().st_size / (steps * WIDTH), "wrong": _wrong(path, steps)}


def alone(directory: Path, *, steps: int) -> Sample:
    """The same columns, which lie there as arrays and lists, by ``pyarrow.parquet.write_table`` as it is."""
    values = np.concatenate([np.asarray(chunk) for chunk in chunks(steps)])
    time = np.arange(steps, dtype=np.int64) * 1_000_003 + 1_700_000_000_000_000_000
    before = perf_counter()
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = steps * WIDTH
    codes = np.repeat(np.arange(WIDTH, dtype=np.int32), steps)
    table = pa.table(
        {
            "time": pa.array(np.tile(time, WIDTH), pa.timestamp("ns", tz="UTC")),
            "step": np.tile(np.arange(steps), WIDTH),
            "epoch": np.zeros(count, np.int64),
            "phase": pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array(["train"])),
            "key": pa.DictionaryArray.from_arrays(codes, pa.array(list(KEYS))),
            "value": values.T.reshape(-1),
        }
    )
    path = directory / "alone.parquet"
    pq.write_table(table, path, compression="zstd")
    return {"seconds": perf_counter() - before, "bytes": path.stat().st_size / count}


async def _write(directory: Path, steps: int) -> None:
    import asynclog as al

    async with al.MultiLogger(directory) as log:
        for number, chunk in enumerate(chunks(steps)):
            await mapping(log, chunk, number * CHUNK)


def _wrong(path: Path, steps: int) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    written = np.concatenate([np.asarray(chunk) for chunk in chunks(steps)])
    wrong = 0
    names = pc.if_else(
        pc.equal(table["namespace"].cast("string"), ""),
        table["key"].cast("string"),
        pc.binary_join_element_wise(table["namespace"].cast("string"), table["key"].cast("string"), "/"),
    )
    for key, want in zip(KEYS, written.T, strict=True):
        got = table.filter(pc.equal(names, key))["value"].to_numpy()
        wrong += int(np.count_nonzero(got != want)) if len(got) == len(want) else len(want)
    return wrong


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of Parquet."""
    steps = plan.size(STEPS, 20_000)
    taken, beside = plan.alternate(plan.size(5, 1), (ours, {"steps": steps}), (alone, {"steps": steps}))
    yield middle("a million scalars", [one * STEPS / steps for one in column(taken, _seconds)], "s", bar=Bar(2))
    yield middle("a million scalars, pyarrow alone", [one * STEPS / steps for one in column(beside, _seconds)], "s")
    yield middle("a scalar on disk", column(taken, lambda sample: sample["bytes"]), "bytes")
    yield middle("a scalar on disk, pyarrow alone", column(beside, lambda sample: sample["bytes"]), "bytes")
    yield worst("scalars that came back wrong", column(taken, lambda sample: sample["wrong"]), "", bar=Bar(0))


def _seconds(sample: Sample) -> float:
    return float(sample["seconds"])
