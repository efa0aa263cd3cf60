"""W1: ten scalars a step, as fast as the loop runs: ns a scalar inside the caller, and until closed on disk.

Five ways to say the same row (`FORMS`), each beside the msgpack reference; three sinks that look at every event; and
TensorBoard, wandb and trackio. Opening a run is no part of a step, so both sides log a warm-up chunk and have it on
disk before the clock starts; what opening costs is a figure of its own. At least 300,000 steps: in less, what a logger
does behind the loop hides after its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench.figures import Bar, Figure, Sample, column, middle, ratio
from bench.peers import reference, tensorboard, trackio, wandb
from bench.plan import Plan, stored_bytes
from bench.scalars import CHUNK, KEYS, WIDTH, Row, chunks, settle

if TYPE_CHECKING:
    import asynclog as al

TITLE = "W1 scalars"
STEPS = 300_000
REPEATS = 15


async def mapping(log: "al.MultiLogger", chunk: list[Row], start: int) -> None:
    """A mapping and a bare step."""
    for step, (a, b, c, d, e, f, g, h, i, j) in enumerate(chunk, start):
        log.log(
            {
                "train/loss": a,
                "train/acc": b,
                "train/ret": c,
                "train/ent": d,
                "train/kl": e,
                "train/vf": f,
                "train/lr": g,
                "train/clip": h,
                "train/len": i,
                "train/fps": j,
            }
        )
        await log.write(step)


async def mapping_state(log: "al.MultiLogger", chunk: list[Row], start: int) -> None:
    """A mapping and a State of its own for every step."""
    from asynclog import State

    state = State(step=start, phase="train")
    for a, b, c, d, e, f, g, h, i, j in chunk:
        log.log(
            {
                "train/loss": a,
                "train/acc": b,
                "train/ret": c,
                "train/ent": d,
                "train/kl": e,
                "train/vf": f,
                "train/lr": g,
                "train/clip": h,
                "train/len": i,
                "train/fps": j,
            }
        )
        await log.write(state)
        state = state.next()


async def handle(row: Callable[..., None], chunk: list[Row], start: int) -> None:
    """A `row` handle, called with the step and the values; it is made once a run."""
    for step, (a, b, c, d, e, f, g, h, i, j) in enumerate(chunk, start):
        row(step, a, b, c, d, e, f, g, h, i, j)


async def log_scalar(log: "al.MultiLogger", chunk: list[Row], start: int) -> None:
    """Ten `log_scalar` calls and a write."""
    for step, (a, b, c, d, e, f, g, h, i, j) in enumerate(chunk, start):
        log.log_scalar("train/loss", a)
        log.log_scalar("train/acc", b)
        log.log_scalar("train/ret", c)
        log.log_scalar("train/ent", d)
        log.log_scalar("train/kl", e)
        log.log_scalar("train/vf", f)
        log.log_scalar("train/lr", g)
        log.log_scalar("train/clip", h)
        log.log_scalar("train/len", i)
        log.log_scalar("train/fps", j)
        await log.write(step)


Form = Callable[[Any, list[Row], int], Awaitable[None]]
FORMS: Mapping[str, Form] = {
    "mapping": mapping,
    "mapping_state": mapping_state,
    "handle": handle,
    "log_scalar": log_scalar,
}
CALLER_BARS = (
    ("log(mapping), await write(int)", "mapping", Bar(1.0)),
    ("the same with a State per step", "mapping_state", Bar(1.25)),
    ("row(step, …) handle", "handle", Bar(0.65)),
    ("log_scalar × 10, await write(int)", "log_scalar", Bar(1.8)),
)
PEERS = (
    ("TensorBoard", tensorboard.scalars, 3_000, Bar(200, "≥")),
    ("wandb offline", wandb.scalars, 3_000, Bar(100, "≥")),
    ("trackio", trackio.scalars, 10_000, Bar(20, "≥")),
)


def ours(directory: Path, *, steps: int, form: str, sinks: bool = False) -> Sample:
    """W1 through asynclog in one of FORMS, with JSON lines twice and CSV in the recorder if `sinks`."""
    return asyncio.run(_ours(directory, steps, FORMS[form], sinks))


async def _ours(directory: Path, steps: int, form: Form, sinks: bool) -> Sample:
    import asynclog as al

    targets: list[al.Route] = []
    if sinks:
        targets = [
            al.Route(al.sinks.JSONLines(directory / "first.jsonl"), name="first", place="recorder"),
            al.Route(al.sinks.JSONLines(directory / "second.jsonl"), name="second", place="recorder"),
            al.Route(al.sinks.CSV(directory / "third.csv"), name="third", place="recorder"),
        ]
    warm, *work = chunks(steps + CHUNK)
    settle()
    inside = 0.0
    opening = perf_counter()
    async with al.MultiLogger(directory / "run", sinks=targets) as log:
        target = log.row(*KEYS) if form is handle else log
        await form(target, warm, 0)
        await log.flush()
        begin = perf_counter()
        for number, chunk in enumerate(work, 1):
            before = perf_counter()
            await form(target, chunk, number * CHUNK)
            inside += perf_counter() - before
            await asyncio.sleep(0)
    closed = perf_counter() - begin
    scalars = steps * WIDTH
    run = al.read(directory / "run")
    readable = sum(len(run.series(key).value) for key in KEYS)
    return {
        "caller_ns": inside / scalars * 1e9,
        "closed_ns": closed / scalars * 1e9,
        "bytes": stored_bytes(directory / "run", (".alog",)) / (scalars + CHUNK * WIDTH),
        "opening_ms": (begin - opening) * 1e3,
        "missing": scalars + CHUNK * WIDTH - readable,
    }


def longest_step(directory: Path, *, steps: int) -> Sample:
    """The longest single step of the mapping form, in ms: timed step by step, so in a run of its own."""
    return asyncio.run(_longest_step(directory, steps))


async def _longest_step(directory: Path, steps: int) -> Sample:
    import asynclog as al

    work = chunks(steps)
    settle()
    longest = 0.0
    async with al.MultiLogger(directory / "run") as log:
        for number, chunk in enumerate(work):
            for offset, row in enumerate(chunk):
                before = perf_counter()
                await mapping(log, [row], number * CHUNK + offset)
                longest = max(longest, perf_counter() - before)
            await asyncio.sleep(0)
    return {"max_step_ms": longest * 1e3}


def caller(sample: Sample) -> float:
    """ns a scalar inside the caller."""
    return float(sample["caller_ns"])


def closed(sample: Sample) -> float:
    """ns a scalar from the first step until the run is closed."""
    return float(sample["closed_ns"])


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W1."""
    steps, repeats = plan.size(STEPS, 30_000), plan.size(REPEATS, 2)
    missing: list[float] = []
    for what, form, bar in CALLER_BARS:
        beside, taken = plan.alternate(repeats, (reference.scalars, {"steps": steps}), (ours, {"steps": steps, "form": form}))
        missing += column(taken, lambda sample: sample["missing"])
        yield ratio(what, ("asynclog", column(taken, caller)), ("msgpack reference", column(beside, caller)), bar=bar)
        if form == "mapping":
            until = ("asynclog", column(taken, closed)), ("msgpack reference", column(beside, closed))
            yield ratio("the mapping, until all is on disk and closed", *until, bar=Bar(1.05))
            yield middle("bytes per scalar", column(taken, lambda sample: sample["bytes"]), "bytes", bar=Bar(10))
            yield middle("from the constructor to the first flush", column(taken, lambda s: s["opening_ms"]), "ms")
    alone, beset = plan.alternate(
        plan.size(5, 1),
        (ours, {"steps": steps, "form": "mapping"}),
        (ours, {"steps": steps, "form": "mapping", "sinks": True}),
    )
    missing += column(alone, lambda s: s["missing"]) + column(beset, lambda s: s["missing"])
    yield ratio(
        "caller with three sinks that iterate every event",
        ("with", column(beset, caller)),
        ("without", column(alone, caller)),
        bar=Bar(1.1),
    )
    slowest, quickest = plan.alternate(
        plan.size(7, 2), (longest_step, {"steps": 50_000}), (reference.scalars, {"steps": 50_000})
    )
    yield middle("longest step call", column(slowest, lambda s: s["max_step_ms"]), "ms")
    yield middle("longest step call, msgpack reference", column(quickest, lambda s: s["max_step_ms"]), "ms")
    yield Figure("scalars not read back, all runs together", sum(missing), "scalars", Bar(0))
    if plan.peers:
        yield from beside_peers(plan, steps)


def beside_peers(plan: Plan, steps: int) -> Iterator[Figure]:
    """How many times slower TensorBoard, wandb and trackio are; they take fewer steps, their cost is flat."""
    for name, peer, peer_steps, bar in PEERS:
        theirs, taken = plan.alternate(
            plan.size(3, 1),
            (peer, {"steps": plan.size(peer_steps, 1_000)}),
            (ours, {"steps": steps, "form": "mapping"}),
        )
        yield ratio(f"{name}, caller", (name, column(theirs, caller)), ("asynclog", column(taken, caller)), bar=bar)
        yield middle(f"{name}, longest step call", column(theirs, lambda sample: sample["max_step_ms"]), "ms")
