"""A table of a million rows, added one at a time: ns a row in the caller, a write every thousand rows included.

A row has a whole number, a text of 40 characters and two floats, made beforehand. One side adds rows through a handle, the
others give them to `log_table`, as tuples and as mappings. Memory is looked at as in `memory`; every row is read back and
compared.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, worst
from bench.memory import growth, resident_mib
from bench.plan import Plan
from bench.scalars import settle
from bench.w1_scalars import caller

TITLE = "Tables"
ROWS = 1_000_000
A_WRITE = 1_000
COLUMNS = ("sample", "prompt", "reward", "advantage")
# Rows in memory before the clock starts; the same ones again and again would be found in the cache.
POOL = 100

Row = tuple[int, str, float, float]


def pool() -> list[list[Row]]:
    """POOL writes of A_WRITE rows."""
    floats = np.random.default_rng(0).random((POOL, A_WRITE, 2)).tolist()
    return [
        [(at * A_WRITE + row, f"prompt {at:04}/{row:04} of a length of 40 …", *pair) for row, pair in enumerate(one)]
        for at, one in enumerate(floats)
    ]


def _by_handle(log: Any) -> Callable[[list[Any]], None]:
    samples = log.table("samples", columns=COLUMNS)

    def add(rows: list[Row]) -> None:
        for sample, prompt, reward, advantage in rows:
            samples.append(sample, prompt, reward, advantage)

    return add


def _by_tuple(log: Any) -> Callable[[list[Any]], None]:
    def add(rows: list[Row]) -> None:
        for row in rows:
            log.log_table("samples", row, columns=COLUMNS)

    return add


def _by_mapping(log: Any) -> Callable[[list[Any]], None]:
    def add(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            log.log_table("samples", row)

    return add


FORMS = {"handle": _by_handle, "tuple": _by_tuple, "mapping": _by_mapping}


def rows(directory: Path, *, form: str, count: int) -> Sample:
    """ns a row in the caller, MiB that this process grew by in the second half, rows that came back otherwise or not at all."""
    return asyncio.run(_rows(directory / "run", form, count))


async def _rows(directory: Path, form: str, count: int) -> Sample:
    import asynclog as al

    given = pool()
    work: list[Any] = [[dict(zip(COLUMNS, row, strict=True)) for row in one] for one in given] if form == "mapping" else given
    settle()
    inside, quickest = 0.0, float("inf")
    resident: list[float] = []
    writes = count // A_WRITE
    async with al.MultiLogger(directory) as log:
        add = FORMS[form](log)
        await log.write(0)
        await log.flush()
        for step in range(writes):
            began = perf_counter()
            add(work[step % POOL])
            await log.write(step)
            took = perf_counter() - began
            inside, quickest = inside + took, min(quickest, took)
            await asyncio.sleep(0)
            if step % max(1, writes // 100) == 0:
                resident.append(resident_mib(os.getpid()))
    table = al.read(directory).table("samples")
    wrong = abs(len(table) - writes * A_WRITE)
    for step in range(writes):
        back = table.rows(step * A_WRITE, (step + 1) * A_WRITE)
        wrong += sum(one != other for one, other in zip(back, given[step % POOL], strict=False))
    return {
        "caller_ns": inside / (writes * A_WRITE) * 1e9,
        "quickest_ns": quickest / A_WRITE * 1e9,
        "growth": growth(resident),
        "end": resident[-1],
        "wrong": wrong,
    }


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the tables workload."""
    repeats, count = plan.size(5, 1), plan.size(ROWS, 100_000)
    taken = plan.alternate(repeats, *((rows, {"form": form, "count": count}) for form in FORMS))
    for form, samples in zip(FORMS, taken, strict=True):
        quickest = min(column(samples, lambda sample: sample["quickest_ns"]))
        detail = f"a write every {A_WRITE:,}; quickest run {min(column(samples, caller)):.4g}, quickest write {quickest:.4g}"
        yield middle(f"a row by {form}", column(samples, caller), "ns", bar=Bar(1_500), detail=detail)
    every = [sample for samples in taken for sample in samples]
    end = max(sample["end"] for sample in every)
    grown = column(every, lambda sample: sample["growth"])
    yield worst("growth in the second half", grown, "MiB", bar=Bar(5.0), detail=f"{end:.0f} MiB at the end")
    yield Figure("rows that came back otherwise, or not at all", sum(sample["wrong"] for sample in every), "rows", Bar(0))
