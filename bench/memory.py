"""A million steps: by how much the resident memory of either process grows over the second half."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figures import Bar, Figure, Sample, worst
from bench.plan import Plan
from bench.scalars import CHUNK, chunks, settle
from bench.w1_scalars import mapping

TITLE = "Memory"
STEPS = 1_000_000
LOOKS = 100


def resident_mib(pid: int) -> float:
    """VmRSS of a process in MiB, shared pages included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def growth(values: list[float]) -> float:
    """The last twentieth's median minus that of the twentieth after half time."""
    half, width = len(values) // 2, max(1, len(values) // 20)
    return median(values[-width:]) - median(values[half : half + width])


def million(directory: Path, *, steps: int) -> Sample:
    """MiB by which each process grew in the second half of `steps` steps, and the MiB they had at the end."""
    return asyncio.run(_million(directory / "run", steps))


async def _million(directory: Path, steps: int) -> Sample:
    import asynclog as al

    # The same ten thousand rows again and again: here the values must not grow, and their speed is no matter.
    work = chunks(10 * CHUNK)
    settle()
    training: list[float] = []
    recorder: list[float] = []
    async with al.MultiLogger(directory) as log:
        await mapping(log, work[0], 0)
        await log.flush()
        for number in range(1, steps // CHUNK + 1):
            await mapping(log, work[number % len(work)], number * CHUNK)
            await asyncio.sleep(0)
            if number % max(1, steps // CHUNK // LOOKS) == 0:
                training.append(resident_mib(os.getpid()))
                recorder.append(resident_mib(log.statistics()["recorder"]["pid"]))
    return {
        "training_growth": growth(training),
        "recorder_growth": growth(recorder),
        "training_end": training[-1],
        "recorder_end": recorder[-1],
    }


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the memory workload."""
    samples = [plan.sample(million, steps=plan.size(STEPS, 100_000)) for _ in range(plan.size(3, 1))]
    for process in ("training", "recorder"):
        end = max(sample[f"{process}_end"] for sample in samples)
        grown = [sample[f"{process}_growth"] for sample in samples]
        detail = f"worst of {len(samples)}; {end:.0f} MiB at the end"
        yield worst(f"{process} process, growth in the second half", grown, "MiB", bar=Bar(5.0), detail=detail)
