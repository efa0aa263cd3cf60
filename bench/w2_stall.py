"""W2: what logging does to the rest of the loop: the delay of a 1 ms heartbeat, over an empty loop of equal length.

Three loads: `scalars`, 20 a step, and `flat`, media too (sizes in `bench.media`), both with `sleep(0)` between the
steps; `paced`, the same media at 5 ms a step. The empty loop sleeps and prepares its arrays just so, for as long as the
logging loop took, and logs nothing. The delays of all repeats are taken together: a p99.9 needs thousands of beats.
Afterwards everything is read back; a logger that drops values is quick.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.figures import Bar, Figure, Sample, middle, percentile
from bench.heartbeat import heartbeat
from bench.media import SAMPLE_RATE, SCALARS, Arrays, Media, buffers, expected
from bench.peers import reference
from bench.plan import Plan
from bench.scalars import settle

TITLE = "W2 stall"
PACE = 0.005

# A p99.9 of fewer beats is the maximum; a fast logger's flat-out loop is over soon and so is repeated more often.
LEAST_BEATS = 4_000

# load → (in words, steps, quick steps, repeats at least, bar on the added p99.9 in ms)
LOADS = {
    "scalars": ("scalars flat out", 600_000, 60_000, 3, Bar(0.5)),
    "flat": ("all media flat out", 2_000, 600, 9, Bar(2.0)),
    "paced": ("all media at 5 ms a step", 2_000, 300, 3, Bar(2.0)),
}
PACED_STEP = Bar(0.12)
BUSY_S = 50e-6
NEIGHBOUR = """
import os
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
while True: pass
"""

Log = Callable[[int, dict[str, float], Arrays], Awaitable[None]]


async def loop(load: str, steps: int, seconds: float, log: Log) -> Sample:
    """Run `steps` steps or, if `seconds` is positive, for so long; the delays, and the ms a step spent in `log`."""
    media = Media(buffers() if load != "scalars" else {})
    pause = PACE if load == "paced" else 0.0
    settle()
    inside = 0.0
    step = 0
    async with heartbeat() as delays:
        begin = perf_counter()
        while step < steps if seconds <= 0 else perf_counter() - begin < seconds:
            values = dict.fromkeys(SCALARS, step + 0.25)
            arrays = media.due(step)
            before = perf_counter()
            await log(step, values, arrays)
            inside += perf_counter() - before
            await asyncio.sleep(pause)
            step += 1
        took = perf_counter() - begin
    return {"delays": delays, "seconds": took, "step_ms": inside / step * 1e3, "steps": step}


def empty(directory: Path, *, load: str, seconds: float) -> Sample:
    """The same loop, logging nothing, for `seconds`."""

    async def silence(step: int, values: dict[str, float], arrays: Arrays) -> None:
        pass

    return asyncio.run(loop(load, 0, seconds, silence))


def beset(directory: Path, *, load: str, seconds: float, neighbours: int = 1) -> Sample:
    """What the machine itself does: a loop that computes a little each step and logs nothing, beside busy processes.

    A logger with a process of its own keeps a second core busy; where the host gives two busy cores less than two, any
    loop is late then. The neighbours are scheduled as the recorder and its workers are.
    """

    async def compute(step: int, values: dict[str, float], arrays: Arrays) -> None:
        until = perf_counter() + BUSY_S
        while perf_counter() < until:
            pass

    busy = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) for _ in range(neighbours)]
    try:
        return asyncio.run(loop(load, 0, seconds, compute))
    finally:
        for one in busy:
            one.kill()
            one.wait()


def inline(directory: Path, *, load: str, steps: int) -> Sample:
    """The reference: everything through `msgpack.packb` into a buffered file, arrays as raw bytes."""
    with (directory / "run.msgpack").open("wb", buffering=reference.BUFFER_BYTES) as file:

        async def log(step: int, values: dict[str, float], arrays: Arrays) -> None:
            reference.log_step(file, step, values | {kind: array.tobytes() for kind, array in arrays.items()})

        return asyncio.run(loop(load, steps, 0.0, log))


def ours(directory: Path, *, load: str, steps: int) -> Sample:
    """Everything through asynclog into a journal with no limit, and what of it is read back."""
    return asyncio.run(_ours(directory / "run", load, steps))


async def _ours(directory: Path, load: str, steps: int) -> Sample:
    import asynclog as al

    async with al.MultiLogger(directory) as log:
        sample = await logged(log, load, steps)
    return sample | read_back(directory, load, steps)


async def logged(log: Any, load: str, steps: int) -> Sample:
    """The load through this logger; the delays beside it."""
    record = {
        "image": log.log_image,
        "point_cloud": log.log_point_cloud,
        "histogram": log.log_histogram,
        "video": log.log_video,
    }

    async def step(number: int, values: dict[str, float], arrays: Arrays) -> None:
        log.log(values)
        for kind, array in arrays.items():
            if kind == "audio":
                log.log_audio(kind, array, sample_rate=SAMPLE_RATE)
            else:
                record[kind](kind, array)
        await log.write(number)

    await step(-1, dict.fromkeys(SCALARS, 0.0), {})
    await log.flush()
    return await loop(load, steps, 0.0, step)


def read_back(directory: Path, load: str, steps: int) -> Sample:
    """What of it is in the journal, and what is missing."""
    import asynclog as al

    run = al.read(directory)
    points = sum(len(run.series(key).value) for key in SCALARS)
    events: Counter[str] = Counter()
    if load != "scalars":
        for kind in expected(steps):
            events[kind] = len({event.step for event in run.events(kind=kind)})
    wanted = expected(steps) if load != "scalars" else Counter()
    return {
        "missing": (steps + 1) * len(SCALARS) - points + sum((wanted - events).values()),
        "events": events.total(),
    }


def added(what: str, share: float, logged: list[float], idle: list[float], bar: Bar | None) -> Figure:
    """A percentile of the heartbeat's delay minus the empty loop's."""
    ours_ms, empty_ms = percentile(logged, share), percentile(idle, share)
    detail = f"logging {ours_ms:.3g} ms, empty loop {empty_ms:.3g} ms; {len(logged)} and {len(idle)} beats"
    return Figure(what, ours_ms - empty_ms, "ms", bar, detail, {"logging": [ours_ms], "empty": [empty_ms]})


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W2."""
    for load, (words, full, quick, repeats, bar) in LOADS.items():
        steps = plan.size(full, quick)
        taken: list[Sample] = []
        idle: list[float] = []
        least = plan.size(repeats, 1)
        while len(taken) < least or (not plan.quick and len(idle) < LEAST_BEATS and len(taken) < 4 * least):
            taken.append(plan.sample(ours, load=load, steps=steps))
            idle += plan.sample(empty, load=load, seconds=taken[-1]["seconds"])["delays"]
        logged = [delay for sample in taken for delay in sample["delays"]]
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)):
            yield added(f"{words}: added {name}", share, logged, idle, bar if name == "p99.9" else None)
        in_calls = [sample["step_ms"] for sample in taken]
        per_step = PACED_STEP if load == "paced" else None
        yield middle(f"{words}: in log calls and write, a step", in_calls, "ms", bar=per_step)
        missing = sum(sample["missing"] for sample in taken)
        read = f"{sum(sample['events'] for sample in taken)} events and all scalars of {len(taken)} runs looked for"
        yield Figure(f"{words}: not read back", missing, "values", Bar(0), read)
        if load == "flat":
            control: list[float] = []
            for sample in taken:
                control += plan.sample(beset, load=load, seconds=sample["seconds"])["delays"]
            yield added(f"{words}: added p99.9, two busy cores and no logger", 0.999, control, idle, None)
            beside = [plan.sample(inline, load=load, steps=steps) for _ in range(plan.size(3, 1))]
            delays = [delay for sample in beside for delay in sample["delays"]]
            yield added(f"{words}: added p99.9, msgpack reference with raw bytes", 0.999, delays, idle, None)
            in_calls = [sample["step_ms"] for sample in beside]
            yield middle(f"{words}: in the reference's calls, a step", in_calls, "ms")
