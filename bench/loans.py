"""Loans: what it costs the caller that an array is rendered where it is recorded from, whatever its size.

Timed is what stands around the rendering: entering and leaving the loan, and the write that announces it. Beside it a write
of 16 bytes, which has to be made anyway; `log_tensor` and write of the same array, which copy it; and `np.copyto` of as many
bytes into a warm block. The sides take turns in one loop of 1 kHz, which computes between its steps instead of sleeping, as a
simulator does; large arrays come less often, so that the disk follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.figures import Bar, Figure, Sample, middle
from bench.plan import Plan
from bench.scalars import settle

TITLE = "Loans"
TICK_S = 0.001
WARM = 4
# The array's shape, ticks between two of them, and how many each side gets.
SHAPES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "84×84 frame": ((84, 84), 1, 1_000),
    "1080p frame": ((3, 1080, 1920), 33, 40),
    "64 MiB": ((64 << 20,), 500, 10),
}
BEYOND = Bar(20.0)

Use = Callable[[int], Awaitable[tuple[float, ...]]]


def uses(directory: Path, *, what: str, quick: bool) -> Sample:
    """µs, as medians: entering and leaving by `with` and by `async with`, the writes, a write of 16 bytes, the copies."""
    shape, ticks, count = SHAPES[what]
    return asyncio.run(_uses(directory / "run", shape, ticks, 3 if quick else count))


def _sides(log: Any, shape: tuple[int, ...]) -> dict[tuple[str, ...], Use]:
    """What is done at a step, and the moments between which that lies which the names say."""
    source, target = np.ones(shape, np.uint8), np.ones(shape, np.uint8)
    small = np.zeros(16, np.uint8)
    handle = log.loan("frame", shape, np.uint8)

    async def by_with(step: int) -> tuple[float, ...]:
        before = perf_counter()
        with handle:
            pass
        between = perf_counter()
        log.write_nowait(step)
        return before, between, perf_counter()

    async def by_async_with(step: int) -> tuple[float, ...]:
        before = perf_counter()
        async with handle:
            pass
        between = perf_counter()
        await log.write(step)
        return before, between, perf_counter()

    async def by_small(step: int) -> tuple[float, ...]:
        before = perf_counter()
        log.log_tensor("small", small)
        log.write_nowait(step)
        return before, perf_counter()

    async def by_copy(step: int) -> tuple[float, ...]:
        before = perf_counter()
        log.log_tensor("frame", source)
        await log.write(step)
        return before, perf_counter()

    async def by_copyto(step: int) -> tuple[float, ...]:
        before = perf_counter()
        np.copyto(target, source)
        return before, perf_counter()

    return {
        ("with", "write_nowait"): by_with,
        ("async with", "write"): by_async_with,
        ("small",): by_small,
        ("copied",): by_copy,
        ("copyto",): by_copyto,
    }


async def _uses(directory: Path, shape: tuple[int, ...], ticks: int, count: int) -> Sample:
    import asynclog as al

    taken: dict[str, list[float]] = {}
    async with al.MultiLogger(directory) as log:
        sides = _sides(log, shape)
        settle()
        step, due = 0, perf_counter()
        for number in range(count + WARM):
            for names, use in sides.items():
                for _ in range(ticks):
                    step, due = step + 1, due + TICK_S
                    while perf_counter() < due:  # noqa: ASYNC110 - it computes, as far as the loop can tell
                        await asyncio.sleep(0)
                moments = await use(step)
                due = max(due, moments[-1])
                if number < WARM:
                    continue
                for name, before, after in zip(names, moments, moments[1:], strict=False):
                    taken.setdefault(name, []).append((after - before) * 1e6)
        left = log.statistics()["slabs"]["loans"]
    return {name: median(one) for name, one in taken.items()} | {"left": left}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the loans."""
    left = 0
    for what in SHAPES:
        samples = [plan.sample(uses, what=what, quick=plan.quick) for _ in range(plan.size(3, 1))]
        typical = {name: f"{median([sample[name] for sample in samples]):.4g}" for name in samples[0]}
        left += sum(sample["left"] for sample in samples)
        beyond = [sample["with"] + sample["write_nowait"] - sample["small"] for sample in samples]
        detail = (
            f"with {typical['with']}, write_nowait {typical['write_nowait']}, log_tensor and write_nowait {typical['small']}"
        )
        yield middle(f"{what}: with and write_nowait, less those of 16 bytes", beyond, "µs", bar=BEYOND, detail=detail)
        whole = [sample["async with"] + sample["write"] for sample in samples]
        detail = f"log_tensor and write {typical['copied']}, np.copyto by itself {typical['copyto']}"
        yield middle(f"{what}: async with and write", whole, "µs", detail=detail)
    yield Figure("loans that didn't come back", left, "loans", Bar(0))
