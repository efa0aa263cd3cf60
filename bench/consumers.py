"""Consumers: what it takes to hand records to another process, and what it costs the training loop that many look on.

Handing: a frame whose payload lies in a slab, as a loan's does, from the recorder's end until the worker has accepted it; the
time may not depend on the size. Whole way: a loan is written on a loop at rest, and another process, attached with
``al.attach``, notes when it has the array; both read one clock. There every part is woken from sleep, with cold caches, and a
recorder that is just writing the last one to a disk lets it wait. Frames: small ones in batches to a worker, until each batch
is acknowledged. Round trip: one small frame at a time, beside a bare socket pair, whose other end answers what it gets. Eight:
rows and media with one attached process and with eight, and what that costs inside the calls.
"""

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from statistics import median
from time import monotonic_ns, perf_counter
from typing import Any

import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, ratio
from bench.plan import Plan
from bench.scalars import settle

TITLE = "Consumers"
SIZES = {"64 KiB": 64 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}
PAUSE_S = 0.05
HANDING = Bar(200.0)
FRAMES = Bar(100_000, "≥")
ROUND_TRIP = Bar(5.0)
EIGHT = Bar(1.05)


class Counting:
    """A sink that counts the frames it is given."""

    def __init__(self) -> None:
        self.frames = 0

    async def write(self, batch: Any, /) -> None:
        self.frames += len(batch.records)

    async def aclose(self) -> None:
        """Nothing to close."""


# -- handing ---------------------------------------------------------------------------------------------------------


def guest(run: str, result: str) -> None:
    """An attached process: by step, when it had the array."""

    async def watch() -> None:
        import asynclog as al

        arrived: dict[int, int] = {}
        async with al.attach(run, wait=30.0) as live:
            up(result)
            async for batch in live:
                for event in batch:
                    if event.kind == "tensor" and event.value.data[0] == event.step % 256:
                        arrived[event.step] = monotonic_ns()
                del event, batch
        np.save(result, np.array(sorted(arrived.items()), np.int64))

    asyncio.run(watch())


def up(result: str) -> None:
    """A guest says that it is attached."""
    Path(result).touch()


def _guests(directory: Path, count: int) -> "tuple[list[subprocess.Popen[bytes]], list[Path]]":
    results = [directory / f"guest-{number}.npy" for number in range(count)]
    code = "import sys; from bench.consumers import guest; guest(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(directory / "run")]
    return [subprocess.Popen([*command, str(one)]) for one in results], results


async def _are_up(results: list[Path]) -> None:
    while not all(one.exists() for one in results):  # noqa: ASYNC110 - they are other processes
        await asyncio.sleep(0.05)


def handing(directory: Path, *, nbytes: int, count: int) -> Sample:
    """µs between the write of a loan and its arrival in an attached process."""
    return asyncio.run(_handing(directory, nbytes, count))


async def _handing(directory: Path, nbytes: int, count: int) -> Sample:
    import asynclog as al

    written: dict[int, int] = {}
    async with al.MultiLogger(directory / "run") as log:
        log.log_scalar("warm", 1.0)
        await log.write(0)
        processes, results = _guests(directory, 1)
        await _are_up(results)
        handle = log.loan("frame", (nbytes,), np.uint8)
        for step in range(1, count + 1):
            async with handle as frame:
                frame[0] = step % 256
            written[step] = monotonic_ns()
            await log.write(step)
            await asyncio.sleep(PAUSE_S if nbytes < 16 << 20 else 10 * PAUSE_S)
    for one in processes:
        one.wait()
    arrived = dict(np.load(results[0]).tolist())
    taken = np.array([arrived[step] - at for step, at in written.items() if step in arrived and step > count // 5]) / 1e3
    missing = len(written) - len(arrived)
    return {"p50": float(np.median(taken)), "p99": float(np.quantile(taken, 0.99)), "missing": missing}


# -- frames and round trips -------------------------------------------------------------------------------------------


def frames(directory: Path, *, count: int, batch: int) -> Sample:
    """Small frames a second to a worker, in batches; in µs a round trip of one, of a bare socket pair, of large payloads."""
    return asyncio.run(_frames(count, batch))


async def _frames(count: int, size: int) -> Sample:
    from asynclog.engine.host import told
    from asynclog.engine.served import Served
    from asynclog.engine.workers import Workers
    from asynclog.shm.lending import Lending
    from asynclog.sink import RunInfo

    workers = Workers()
    worker = workers.add("counting", "counting", pickle.dumps(Counting()))
    sock, _ = workers.seat(worker, "counting")
    served = Served(sock, Lending(64 << 20))
    await served.call("open", told(RunInfo("", "", None, "main", 0)))
    batches = [_batch(at, size) for at in range(0, count, size)]
    settle()
    began = perf_counter()
    for one in batches:
        await served.write(one)
    rate = count / (perf_counter() - began)
    trips = []
    for seq in range(3_000):
        one = _batch(seq, 1)
        began = perf_counter()
        await served.write(one)
        trips.append((perf_counter() - began) * 1e6)
    handed = {name: await _handed(served, nbytes, number) for number, (name, nbytes) in enumerate(SIZES.items())}
    await served.call("aclose")
    workers.close(5.0)
    return {"rate": rate, "trip": float(np.median(trips[500:])), "bare": _bare(), **handed}


async def _handed(served: Any, nbytes: int, slab: int) -> float:
    from asynclog.shm.lease import Lease
    from asynclog.shm.memory import create_shared
    from asynclog.shm.slab import Ref

    mapping = create_shared(nbytes)
    back: list[Ref] = []
    taken = []
    for generation in range(1, 1_001):
        view = memoryview(Lease(mapping, Ref(slab, generation, 0, nbytes), back.append).array())  # type: ignore[arg-type]
        batch = _of_array(generation, view)
        del view
        began = perf_counter()
        await served.write(batch)
        taken.append((perf_counter() - began) * 1e6)
        del batch
        while len(back) < generation - 1:  # noqa: ASYNC110 - it is given back by a message
            await asyncio.sleep(0)
    return float(np.median(taken[100:]))


def _batch(first: int, size: int) -> Any:
    return _of_frames([_frame(seq, "string", {"text": "hello"}) for seq in range(first, first + size)])


def _of_array(seq: int, view: memoryview) -> Any:
    from asynclog.wire.event import ArraySpec

    return _of_frames([_frame(seq, "tensor", {}, view, [ArraySpec("data", "|u1", (len(view),))])])


def _frame(seq: int, kind: str, params: dict[str, Any], payload: Any = b"", arrays: Any = ()) -> Any:
    from asynclog.wire.event import event_meta
    from asynclog.wire.frame import Frame, pack_meta
    from asynclog.wire.layout import Kind

    meta = event_meta(
        kind=kind, phase="train", namespace="", key="it", step=seq, epoch=0, level="batch", elapsed_s=None, axes={}, due=-1,
        params=params, arrays=arrays,
    )  # fmt: skip
    return Frame(Kind.EVENT, seq=seq, time=seq + 1, meta_bytes=pack_meta(meta), payload=payload)


def _of_frames(frames: list[Any]) -> Any:
    from asynclog.wire.batch import Batch, Events

    # What they hold is looked at by nobody: a frame a part, as from a feed.
    parts = [Events([None], one) for one in frames]  # type: ignore[list-item]
    return Batch(parts, writer="main", epoch=0, seq=frames[0].seq, frames=frames)


def _bare() -> float:
    here, there = socket.socketpair()
    pid = os.fork()
    if not pid:
        here.close()
        while said := there.recv(4096):
            there.send(said)
        os._exit(0)
    there.close()
    trips = []
    for _ in range(3_000):
        began = perf_counter()
        here.send(b"x" * 110)
        here.recv(4096)
        trips.append((perf_counter() - began) * 1e6)
    here.close()
    os.waitpid(pid, 0)
    return float(np.median(trips[500:]))


# -- how many look on -------------------------------------------------------------------------------------------------


def looked_at(directory: Path, *, guests: int, steps: int) -> Sample:
    """µs a step inside the calls, of ten scalars a step and an image every tenth, with processes attached."""
    return asyncio.run(_looked_at(directory, guests, steps))


async def _looked_at(directory: Path, count: int, steps: int) -> Sample:
    import asynclog as al

    names = [f"metric{number}" for number in range(10)]
    image = np.zeros((3, 64, 64), np.float32)
    inside = []
    async with al.MultiLogger(directory / "run") as log:
        log.log_scalar("warm", 1.0)
        await log.write(0)
        processes, results = _guests(directory, count)
        await _are_up(results)
        settle()
        for step in range(1, steps + 1):
            began = perf_counter()
            for name in names:
                log.log_scalar(name, 0.5)
            if step % 10 == 0:
                log.log_image("view", image)
            await log.write(step)
            inside.append(perf_counter() - began)
            await asyncio.sleep(0.001)
    for one in processes:
        one.wait()
    return {"inside": float(np.mean(np.sort(inside)[: int(0.99 * steps)])) * 1e6}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the consumers."""
    repeats = plan.size(5, 1)
    for name, nbytes in SIZES.items():
        count = 30 if nbytes > 16 << 20 else 100
        samples = [plan.sample(handing, nbytes=nbytes, count=plan.size(count, 10)) for _ in range(plan.size(3, 1))]
        missing = sum(one["missing"] for one in samples)
        detail = f"p99 {median(column(samples, itemgetter('p99'))):.0f}, {missing} missing"
        taken = column(samples, itemgetter("p50"))
        yield middle(f"the whole way of a loan of {name} to an attached process, p50", taken, "µs", detail=detail)
    samples = [plan.sample(frames, count=plan.size(200_000, 20_000), batch=1_000) for _ in range(repeats)]
    for name in SIZES:
        yield middle(f"{name} handed to a worker, p50", column(samples, itemgetter(name)), "µs", bar=HANDING)
    rates = column(samples, itemgetter("rate"))
    yield middle("small frames to a worker, in batches, acknowledged", rates, "a second", bar=FRAMES)
    trip, bare = (column(samples, itemgetter(name)) for name in ("trip", "bare"))
    yield ratio("a small frame's round trip", ("worker", trip), ("a bare socket pair", bare), bar=ROUND_TRIP, unit="µs")
    steps = plan.size(2_000, 200)
    one, eight = plan.alternate(repeats, (looked_at, {"guests": 1, "steps": steps}), (looked_at, {"guests": 8, "steps": steps}))
    inside = itemgetter("inside")
    yield ratio(
        "eight consumers, inside the calls",
        ("eight", column(eight, inside)),
        ("one", column(one, inside)),
        bar=EIGHT,
        unit="µs/step",
    )
