"""Rollouts: a thousand tasks on one loop, each of which ends one of 2,000 tokens a second: what logging them does to a 1 ms
heartbeat, and what each costs its task.

Four loads: mappings of arrays, `Rollout` objects, mappings of Python lists, and mappings of arrays in groups of eight that end
at the same moment, as they do where an advantage is taken over a group. Beside them a loop that does the same work and logs
nothing, one that does nothing, and one that packs everything with msgpack into a buffered file. Each lasts as long as the
others, in turns. Afterwards every rollout is read back and looked at; a logger that drops values is quick.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import msgpack
import numpy as np

from bench.conversations import TOKENS, Conversations
from bench.figures import Bar, Figure, Sample, column, middle, percentile, worst
from bench.heartbeat import heartbeat
from bench.peers import reference
from bench.plan import Plan, stored_bytes
from bench.scalars import settle
from bench.w2_stall import added

TITLE = "Rollouts, 1,000 a second"
TASKS = 1_000
PERIOD = 1.0
GROUP = 8
SECONDS = 12.0

# load → (in words, what the tokens come as, how many end together)
LOADS = {
    "arrays": ("mappings of arrays", "arrays", 1),
    "objects": ("Rollout objects", "objects", 1),
    "lists": ("mappings of lists", "lists", 1),
    "groups": ("mappings of arrays, eight at once", "arrays", GROUP),
}
BAR = Bar(2.0)

Log = Callable[[int, Any], Awaitable[None]]


async def loop(load: str, seconds: float, log: Log | None) -> Sample:
    """A thousand tasks, or none if there is nothing to log with: the delays, the µs of each rollout, how many there were."""
    _, form, together = LOADS[load]
    conversations = Conversations(form)
    # At random: now and then several come at the same moment, besides those that are to.
    offsets = np.random.default_rng(1).random(TASKS).tolist()
    spent: list[float] = []
    number = 0
    settle()

    async def task(at: int, log: Log) -> None:
        nonlocal number
        due = begin + offsets[at // together] * PERIOD
        while due < begin + seconds:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            due += PERIOD
            own, number = number, number + 1
            rollout = conversations.rollout(own, at // GROUP)
            before = perf_counter()
            await log(own, rollout)
            spent.append(perf_counter() - before)

    async with heartbeat() as delays:
        begin, computed = perf_counter(), thread_time()
        if log is None:
            await asyncio.sleep(seconds)
        else:
            await asyncio.gather(*(task(at, log) for at in range(TASKS)))
        took, computed = perf_counter() - begin, thread_time() - computed
    told = {"us": median(spent) * 1e6, "us_p99": percentile(spent, 0.99) * 1e6} if spent else {}
    return {"delays": delays, "seconds": took, "computed": computed, "rollouts": number, **told}


def empty(directory: Path, *, load: str, seconds: float) -> Sample:
    """A loop on which nothing happens."""
    return asyncio.run(loop(load, seconds, None))


def unlogged(directory: Path, *, load: str, seconds: float) -> Sample:
    """The same tasks and the same rollouts, dropped."""

    async def silence(number: int, rollout: Any) -> None:
        pass

    return asyncio.run(loop(load, seconds, silence))


def inline(directory: Path, *, load: str, seconds: float) -> Sample:
    """The reference: each through `msgpack.packb` into a buffered file, arrays as raw bytes."""
    with (directory / "run.msgpack").open("wb", buffering=reference.BUFFER_BYTES) as file:

        async def log(number: int, rollout: Any) -> None:
            plain = {name: one.tobytes() if hasattr(one, "tobytes") else one for name, one in rollout.items()}
            file.write(msgpack.packb({"step": number, **plain}))

        return asyncio.run(loop(load, seconds, log))


def ours(directory: Path, *, load: str, seconds: float) -> Sample:
    """Each through an entry of its own into a journal with no limit; how many came back, and as they were."""
    return asyncio.run(_ours(directory / "run", load, seconds))


async def _ours(directory: Path, load: str, seconds: float) -> Sample:
    import asynclog as al

    async with al.MultiLogger(directory) as log:

        async def record(number: int, rollout: Any) -> None:
            async with log.at(number) as entry:
                entry.log_rollout("rollout", rollout)

        await record(-1, Conversations(LOADS[load][1]).rollout(0, 0))
        await log.flush()
        sample = await loop(load, seconds, record)
    stored = stored_bytes(directory, (".alog",))
    expected = Conversations("arrays")
    found = {
        event.step
        for event in al.read(directory).events(kind="rollout")
        if expected.is_rollout(max(0, event.step), event.value)
    }
    return sample | {"missing": sample["rollouts"] + 1 - len(found), "megabytes_s": stored / 1e6 / sample["seconds"]}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the rollouts."""
    seconds, repeats = float(plan.size(round(SECONDS), 2)), plan.size(3, 1)
    sides = [(side, {"load": "arrays", "seconds": seconds}) for side in (empty, unlogged, inline)]
    sides += [(ours, {"load": load, "seconds": seconds}) for load in LOADS]
    nothing, control, beside, *logged = plan.alternate(repeats, *sides)
    idle = [delay for sample in nothing for delay in sample["delays"]]

    def delays(samples: list[Sample]) -> list[float]:
        return [delay for sample in samples for delay in sample["delays"]]

    for samples, (words, _, _) in zip(logged, LOADS.values(), strict=True):
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            yield added(f"{words}: added {name}", share, delays(samples), idle, BAR if name == "p99.9" else None)
        tail = f"p99 {median(column(samples, lambda one: one['us_p99'])):.0f} µs; {TOKENS} tokens"
        yield middle(f"{words}: in the task, a rollout", column(samples, lambda one: one["us"]), "µs", detail=tail)
        own = [
            (one["computed"] - other["computed"]) / one["rollouts"] * 1e6 for one, other in zip(samples, control, strict=True)
        ]
        yield middle(f"{words}: the loop's processor time, a rollout", own, "µs", detail="beyond the same work, not logged")
        rate = column(samples, lambda one: one["rollouts"] / one["seconds"])
        yield middle(f"{words}: rollouts", rate, "a second", bar=Bar(0.98 * TASKS / PERIOD, "≥"))
        yield middle(f"{words}: journaled", column(samples, lambda one: one["megabytes_s"]), "MB/s")
        counted = sum(sample["rollouts"] for sample in samples)
        missing = column(samples, lambda one: one["missing"])
        yield worst(f"{words}: not read back as they were", missing, "rollouts", bar=Bar(0), detail=f"of {counted}")
    yield added("the same work, not logged: added p99.9", 0.999, delays(control), idle, None)
    yield added("msgpack reference: added p99.9", 0.999, delays(beside), idle, None)
    yield middle("msgpack reference: in the task, a rollout", column(beside, lambda one: one["us"]), "µs")
