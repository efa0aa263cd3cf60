"""W3: tensors of 64 MiB: what one costs its caller, how soon they are on disk, and what the loop feels of it.

    caller      a tensor at a time, the one before it on disk already: `log_tensor` and `await write`, in turns with
                `np.copyto` of the same bytes into a shared block whose pages are mapped
    on disk     some of them back to back until `flush` returned, which is after an fsync; against `os.write` of the same
                bytes to a fresh file of the same file system, and an fsync. The journal's checksums are included
    heartbeat   a 1 ms task beside one that logs them back to back, against the empty loop

Pages are warm: the first tensors of a run make the shared memory that later ones use again, and aren't timed; before bytes
go to a file, as many go to one that is removed, which leaves the page cache pages that the host has backed already. A fresh
page costs ten times a used one, and whoever comes first would pay for both.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import Bar, Figure, Sample, column, middle, ratio
from bench.heartbeat import heartbeat
from bench.plan import Plan
from bench.scalars import settle
from bench.w2_stall import added

TITLE = "W3 large tensors"
NBYTES = 64 << 20
WARM = 8
SEVERAL = 8
LEAST_BEATS = 4_000

CALLER = Bar(0.9, "≥")
ON_DISK = Bar(0.75, "≥")
HEARTBEAT = Bar(2.0)

Side = tuple[str, Sequence[float]]


def tensor() -> NDArray[np.float32]:
    """64 MiB of noise."""
    return np.random.default_rng(0).random(NBYTES // 4, dtype=np.float32)


def gigabytes(count: int, seconds: float) -> float:
    """GB/s of so many tensors."""
    return count * NBYTES / seconds / 1e9


def caller(directory: Path, *, repeats: int) -> Sample:
    """GB/s of `log_tensor` and `write`, and of `np.copyto`: the medians over `repeats`, in turns, and the quickest."""
    return asyncio.run(_caller(directory / "run", repeats))


async def _caller(directory: Path, repeats: int) -> Sample:
    import asynclog as al
    from asynclog.shm.memory import create_shared

    data = tensor()
    block = np.frombuffer(create_shared(NBYTES).view, np.float32)
    ours: list[float] = []
    copies: list[float] = []
    async with al.MultiLogger(directory) as log:
        settle()
        for step in range(WARM + repeats):
            data[0] = step
            # In turns first: whoever reads the tensor last finds some of it in the cache.
            for copying in (True, False) if step % 2 else (False, True):
                before = perf_counter()
                if copying:
                    np.copyto(block, data)
                else:
                    log.log_tensor("weights", data)
                    await log.write(step)
                (copies if copying else ours).append(gigabytes(1, perf_counter() - before))
            await log.flush()
        del copies[:WARM], ours[:WARM]
    return {"ours": median(ours), "copy": median(copies), "ours_best": max(ours), "copy_best": max(copies)}


def until_on_disk(directory: Path, *, count: int) -> Sample:
    """GB/s until `flush` returned, and in the caller meanwhile."""
    return asyncio.run(_until_on_disk(directory / "run", count))


async def _until_on_disk(directory: Path, count: int) -> Sample:
    import asynclog as al

    data = tensor()
    async with al.MultiLogger(directory) as log:
        await log_several(log, data, 0, WARM)
        await log.flush()
        warm_pages(directory.parent, count)
        settle()
        before = perf_counter()
        await log_several(log, data, WARM, count)
        logged = perf_counter()
        await log.flush()
        flushed = perf_counter()
    return {"disk": gigabytes(count, flushed - before), "caller": gigabytes(count, logged - before)}


async def log_several(log: Any, data: NDArray[np.float32], start: int, count: int) -> None:
    """`count` tensors back to back, each with its step in its first cell."""
    for step in range(start, start + count):
        data[0] = step
        log.log_tensor("weights", data)
        await log.write(step)


def written(directory: Path, *, count: int) -> Sample:
    """GB/s of `os.write` to a fresh file until its fsync returned, and before it."""
    data = tensor()
    warm_pages(directory, count)
    fd = os.open(directory / "bytes", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    settle()
    before = perf_counter()
    for step in range(count):
        data[0] = step
        write_all(fd, memoryview(data).cast("B"))
    between = perf_counter()
    os.fsync(fd)
    synced = perf_counter()
    os.close(fd)
    return {"disk": gigabytes(count, synced - before), "caller": gigabytes(count, between - before)}


def write_all(fd: int, data: memoryview) -> None:
    """All of it, in as many calls as the operating system wants."""
    while data:
        data = data[os.write(fd, data) :]


def warm_pages(directory: Path, count: int) -> None:
    """Leave the page cache as many used pages as `count` tensors take, and a few more."""
    path = directory / "warm"
    zeros = memoryview(bytes(NBYTES))
    with path.open("wb", buffering=0) as file:
        for _ in range(count + 4):
            write_all(file.fileno(), zeros)
    path.unlink()


def saved(directory: Path, *, by: str, count: int) -> Sample:
    """GB/s of `np.save` or `torch.save`, a file a tensor, until it is synced, and before."""
    data = tensor()
    kept: Any = data
    if by == "torch":
        import torch

        kept = torch.from_numpy(data)
    warm_pages(directory, count)
    settle()
    inside = 0.0
    before = perf_counter()
    for step in range(count):
        data[0] = step
        began = perf_counter()
        with (directory / f"{step}").open("wb") as file:
            if by == "torch":
                torch.save(kept, file)
            else:
                np.save(file, kept)
            file.flush()
            inside += perf_counter() - began
            os.fsync(file.fileno())
    return {"disk": gigabytes(count, perf_counter() - before), "caller": gigabytes(count, inside)}


def beating(directory: Path, *, count: int) -> Sample:
    """Delays of a heartbeat, in ms, while `count` tensors are logged back to back, and how long that took."""
    return asyncio.run(_beating(directory / "run", count))


async def _beating(directory: Path, count: int) -> Sample:
    import asynclog as al

    data = tensor()
    async with al.MultiLogger(directory) as log:
        await log_several(log, data, 0, WARM)
        await log.flush()
        warm_pages(directory.parent, count)
        settle()
        async with heartbeat() as delays:
            before = perf_counter()
            await log_several(log, data, WARM, count)
            took = perf_counter() - before
    return {"delays": delays, "seconds": took, "caller": gigabytes(count, took)}


def empty(directory: Path, *, seconds: float) -> Sample:
    """The same of a loop that sleeps for `seconds`."""

    async def idle() -> Sample:
        settle()
        async with heartbeat() as delays:
            await asyncio.sleep(seconds)
        return {"delays": delays}

    return asyncio.run(idle())


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W3."""
    samples = [plan.sample(caller, repeats=plan.size(16, 2)) for _ in range(plan.size(5, 1))]
    ours, copies = (column(samples, itemgetter(name)) for name in ("ours", "copy"))
    best = f"quickest {max(one['ours_best'] for one in samples):.3g} and {max(one['copy_best'] for one in samples):.3g}"
    yield above(
        "in the caller, over np.copyto into a warm shared block",
        ("asynclog", ours),
        ("np.copyto", copies),
        bar=CALLER,
        best=best,
    )

    several = plan.size(SEVERAL, 2)
    taken, files = plan.alternate(plan.size(9, 1), (until_on_disk, {"count": several}), (written, {"count": several}))
    disk, reference = (column(one, itemgetter("disk")) for one in (taken, files))
    yield above("until flushed, over os.write and fsync", ("asynclog", disk), ("os.write", reference), bar=ON_DISK)
    yield middle("back to back, in the caller", column(taken, itemgetter("caller")), "GB/s")
    yield middle("os.write, in the caller", column(files, itemgetter("caller")), "GB/s")
    if plan.peers:
        for name, by in (("np.save", "numpy"), ("torch.save", "torch")):
            if find_spec(by) is None:
                continue
            beside = [plan.sample(saved, by=by, count=several) for _ in range(plan.size(3, 1))]
            yield middle(f"{name}, in the caller", column(beside, itemgetter("caller")), "GB/s")
            yield middle(f"{name}, until synced", column(beside, itemgetter("disk")), "GB/s")

    beats: list[float] = []
    idle: list[float] = []
    speeds: list[float] = []
    while not speeds or (not plan.quick and len(idle) < LEAST_BEATS and len(speeds) < 12):
        sample = plan.sample(beating, count=2 * several)
        beats += sample["delays"]
        speeds.append(sample["caller"])
        idle += plan.sample(empty, seconds=sample["seconds"])["delays"]
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)):
        bar = HEARTBEAT if name == "p99.9" else None
        yield added(f"heartbeat beside them, back to back: added {name}", share, beats, idle, bar)
    yield middle("heartbeat beside them: logged meanwhile", speeds, "GB/s")


def above(what: str, ours: Side, theirs: Side, *, bar: Bar, best: str = "") -> Figure:
    """The median over samples of ours / theirs, in GB/s: the more the better."""
    made = ratio(what, ours, theirs, bar=bar, unit="GB/s")
    detail = made.detail.partition("; quickest")[0]
    quickest = best or f"quickest {max(ours[1]):.3g} and {max(theirs[1]):.3g}"
    return replace(made, detail=f"{detail}; {quickest}")
